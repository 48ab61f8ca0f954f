"""The border between the trusted parent and the untrusted worker.

Parent: `session` asks and checks, `launch` and `zygote` start workers, `process` and `bubblewrap` start, limit and kill
them, `isolation` finds out what this machine can confine, `exposure` says which files a worker sees. Child: `child`
puts up the fences of `confine`, `landlock` and `seccomp`; `worker` and `answers` serve. `wire` is what both speak.

Student code alone: `student_code` opens it, `own_modules` finds its modules, `stand_ins`, `vision` and `cpu_only` make
up for packages and devices that are not there, `starter`, `script_settings` and `inpainting_method` find their way in
the starter's layout, `thrown_away` takes what can't be written, `tolerated` collects what to say about it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.sandbox.isolation import Check, Isolation, probe
    from harness.sandbox.launch import Worker
    from harness.sandbox.limits import CODE_LIMITS, Limits
    from harness.sandbox.session import Session
    from harness.sandbox.zygote import Zygote

__all__ = ["CODE_LIMITS", "Check", "Isolation", "Limits", "Session", "Worker", "Zygote", "probe"]

_HOMES = {
    "CODE_LIMITS": "limits",
    "Limits": "limits",
    "Check": "isolation",
    "Isolation": "isolation",
    "probe": "isolation",
    "Session": "session",
    "Worker": "launch",
    "Zygote": "zygote",
}


def __getattr__(name: str) -> Any:
    """Loads the parent's side when it is first used, so that the child, which imports this package too, never does."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
