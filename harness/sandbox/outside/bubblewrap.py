"""Builds the bubblewrap command line that isolates a worker: https://github.com/containers/bubblewrap."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache

from harness.sandbox.outside.exposure import DEVICES, Exposure


@lru_cache(maxsize=1)
def executable() -> str | None:
    """The path of bubblewrap, or None where it isn't installed."""
    return shutil.which("bwrap")


@lru_cache(maxsize=1)
def _help() -> str:
    """The help text of bubblewrap, which lists the options of the installed version."""
    found = subprocess.run(  # noqa: S603
        [executable() or "bwrap", "--help"], capture_output=True, text=True, check=False, timeout=10, env={}
    )
    return found.stdout + found.stderr


def command(
    exposure: Exposure, environment: dict[str, str], folder: str, tmp_bytes: int | None, status_descriptor: int
) -> list[str]:
    """The command that runs a program isolated; the program and its arguments are to be appended.

    The program gets new namespaces of every kind, no capabilities, and an empty root with only the exposure in it,
    read-only. `/tmp`, of `tmp_bytes`, is the only place to write, and does not exist where that is None. There is no
    /proc, and so no file of another process. bubblewrap writes one JSON object to `status_descriptor`, with the process
    id, as the parent sees it, of the namespace's first process.
    """
    arguments = [
        executable() or "bwrap",
        *("--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv"),
        *("--hostname", "worker", "--uid", "65534", "--gid", "65534"),
        *("--info-fd", str(status_descriptor)),
    ]
    if "--disable-userns" in _help():
        arguments.append("--disable-userns")
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    # First, so that it does not cover an interpreter or a library that lies below /tmp.
    if tmp_bytes is not None:
        arguments += ["--perms", "1777", "--size", str(tmp_bytes), "--tmpfs", "/tmp"]  # noqa: S108 — the worker's own
    for destination, target in exposure.links:
        arguments += ["--symlink", target, destination]
    for source, destination in exposure.binds:
        arguments += ["--ro-bind", source, destination]
    for device in DEVICES:
        arguments += ["--dev-bind", device, device]
    for path in exposure.hidden:
        arguments += ["--tmpfs", path, "--remount-ro", path]
    return [*arguments, "--remount-ro", "/", "--chdir", folder, "--"]
