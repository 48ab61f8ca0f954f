"""What a worker does to itself before it sees anything of a submission. Standard library only: it runs first."""

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


def give_up_privileges() -> None:
    """No capabilities, and none to be had from any program: without this root's limits are not limits."""
    if _LIBRARY.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _LIBRARY.capset(ctypes.byref(header), ctypes.byref(nothing)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent`, its parent's process id, ends."""
    _LIBRARY.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def limit(memory: int, cpu_seconds: int, file_bytes: int, threads: int | None) -> None:
    """Resource limits of this process, in bytes and seconds.

    `threads` only in a user namespace of its own, where the count is not that of everything the instructor runs.
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


def fence(paths: Mapping[str, Sequence[str]], required: bool) -> dict[str, Any]:
    """Gives up privileges and applies Landlock; to be called while the process has one thread.

    Returns what was done, for the parent's check. OSError where something `required` can't be had.
    """
    try:
        give_up_privileges()
        done = landlock.confine(paths["read"], paths["list"], paths["write"])
    except OSError as error:
        if required:
            raise
        return {"landlock": 0, "why": str(error)}
    return {"landlock": done}


def filter_calls(required: bool) -> dict[str, Any]:
    """Applies the seccomp filter. Returns what was done; OSError where it is `required` and can't be had."""
    try:
        seccomp.confine()
    except (OSError, KeyError) as error:
        if required:
            raise OSError(f"no seccomp filter: {error}") from error
        return {"seccomp": False, "why": str(error)}
    return {"seccomp": True}
