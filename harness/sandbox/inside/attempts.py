"""Attempts harmlessly what a hostile model would attempt, to prove that the confinement works on this machine."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
from collections.abc import Callable
from typing import Any


def run_all(secret: str) -> list[dict[str, Any]]:
    """Makes every attempt once; the outcome of each as {"name", "blocked", "detail"}.

    `secret` is the path of a file of the parent's that a confined process can't read.
    """
    parent = os.getppid()
    attempts: list[tuple[str, Callable[[], object]]] = [
        ("read the parent's files", lambda: os.close(os.open(secret, os.O_RDONLY))),
        ("read the account list", lambda: os.close(os.open("/etc/passwd", os.O_RDONLY))),
        ("write outside /tmp", lambda: os.close(os.open(secret + ".written", os.O_WRONLY | os.O_CREAT | os.O_EXCL))),
        (
            "write to the root folder",
            lambda: os.close(os.open("/written-by-worker", os.O_WRONLY | os.O_CREAT | os.O_EXCL)),
        ),
        ("read the parent's memory", lambda: os.close(os.open(f"/proc/{parent}/mem", os.O_RDONLY))),
        ("start a process", _fork),
        ("run a program", lambda: os.execv("/bin/true", ["true"])),  # noqa: S606
        ("signal another process", lambda: os.kill(max(parent, 1), 0)),
        ("trace another process", _trace),
        ("open an internet socket", lambda: socket.socket(socket.AF_INET).close()),
        ("open a local socket", lambda: socket.socket(socket.AF_UNIX).close()),
        ("open a virtual-machine socket", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()),
        ("make memory outside the limit", lambda: os.close(os.memfd_create("outside"))),
        ("take more memory than allowed", lambda: mmap.mmap(-1, 1 << 40).close()),
    ]
    return [_attempt(name, act) for name, act in attempts]


def _attempt(name: str, act: Callable[[], object]) -> dict[str, Any]:
    try:
        act()
    except (OSError, MemoryError, OverflowError) as error:
        return {"name": name, "blocked": True, "detail": str(error)}
    return {"name": name, "blocked": False, "detail": "it succeeded"}


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _trace() -> None:
    """Attaches to a process that doesn't exist: PermissionError where the kernel refuses tracing altogether."""
    library = ctypes.CDLL(None, use_errno=True)
    attach, nobody = 16, 0x3FFFFFFF
    if library.ptrace(attach, nobody, None, None) != 0 and ctypes.get_errno() == errno.EPERM:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
