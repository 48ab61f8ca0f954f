"""Confines the worker's own process before it reads anything of a submission.

Uses the standard library alone, because it runs before anything else is imported.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from harness.sandbox.inside import landlock, seccomp

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522

_LIBRARY = ctypes.CDLL(None, use_errno=True)


def drop_privileges() -> None:
    """Gives up all capabilities, and the right to gain any by running a program.

    Root with its capabilities is not bound by resource limits. OSError where the kernel refuses.
    """
    if _LIBRARY.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _LIBRARY.capset(ctypes.byref(header), ctypes.byref(nothing)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when its parent, the process id `parent`, ends."""
    _LIBRARY.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit_resources(memory: int, cpu_seconds: int, file_bytes: int, threads: int | None) -> None:
    """Sets the resource limits of this process, in bytes and seconds.

    `threads` is None except in a user namespace of the worker's own: elsewhere the kernel counts everything that the
    instructor runs.
    """
    bounds = [
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 5),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ]
    if threads is not None:
        bounds.append((resource.RLIMIT_NPROC, threads, threads))
    for which, soft, hard in bounds:
        ceiling = resource.getrlimit(which)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(which, (soft, hard))


def restrict_files(paths: Mapping[str, Sequence[str]], required: bool) -> dict[str, Any]:
    """Drops privileges and applies Landlock. Must be called while the process has one thread.

    `paths` lists those to "read", to "list" and to "write". Returns what was applied, for the parent to check:
    {"landlock": version}, with 0 and the reason, "why", where it isn't available. OSError instead where it is
    `required`.
    """
    try:
        drop_privileges()
        done = landlock.confine(paths["read"], paths["list"], paths["write"])
    except OSError as error:
        if required:
            raise
        return {"landlock": 0, "why": str(error)}
    return {"landlock": done}


def filter_system_calls(required: bool) -> dict[str, Any]:
    """Applies the seccomp filter, and returns what was applied: {"seccomp": True}, or False with the reason, "why".

    OSError instead where it is `required` and isn't available.
    """
    try:
        seccomp.confine()
    except (OSError, KeyError) as error:
        if required:
            raise OSError(f"no seccomp filter: {error}") from error
        return {"seccomp": False, "why": str(error)}
    return {"seccomp": True}
