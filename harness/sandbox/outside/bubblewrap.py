"""The command line that gives a worker a machine of its own: https://github.com/containers/bubblewrap."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache

from harness.sandbox.outside.exposure import DEVICES, Exposure


@lru_cache(maxsize=1)
def executable() -> str | None:
    """Where bubblewrap is, or None."""
    return shutil.which("bwrap")


@lru_cache(maxsize=1)
def _options() -> str:
    found = subprocess.run(  # noqa: S603
        [executable() or "bwrap", "--help"], capture_output=True, text=True, check=False, timeout=10, env={}
    )
    return found.stdout + found.stderr


def command(
    exposure: Exposure, environment: dict[str, str], folder: str, tmp_bytes: int | None, status_descriptor: int
) -> list[str]:
    """The arguments before the program's own.

    New namespaces of every kind, no capabilities, an empty root that holds only the exposure, read-only. `/tmp` is
    the one place to write, of `tmp_bytes`, and does not exist where that is None. There is no /proc, so there are no
    other processes' files to open. `status_descriptor` gets one JSON object with the process id, as seen from
    here, of the namespace's first process.
    """
    arguments = [
        executable() or "bwrap",
        *("--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv"),
        *("--hostname", "worker", "--uid", "65534", "--gid", "65534"),
        *("--info-fd", str(status_descriptor)),
    ]
    if "--disable-userns" in _options():
        arguments.append("--disable-userns")
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    # First, so that it does not cover an interpreter or a library that lies below /tmp.
    if tmp_bytes is not None:
        arguments += ["--perms", "1777", "--size", str(tmp_bytes), "--tmpfs", "/tmp"]  # noqa: S108 — the sandbox's own
    for destination, target in exposure.links:
        arguments += ["--symlink", target, destination]
    for source, destination in exposure.binds:
        arguments += ["--ro-bind", source, destination]
    for device in DEVICES:
        arguments += ["--dev-bind", device, device]
    for path in exposure.hidden:
        arguments += ["--tmpfs", path, "--remount-ro", path]
    return [*arguments, "--remount-ro", "/", "--chdir", folder, "--"]
