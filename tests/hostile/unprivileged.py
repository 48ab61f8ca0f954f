"""Runs a command as the user nobody, without any capability, from a process of root."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from tests.hostile.marks import ROOT

NOBODY = 65534


def possible() -> bool:
    """Tells whether this process may start others as nobody."""
    return os.geteuid() == 0 and all(map(shutil.which, ("unshare", "setpriv", "mount")))


def _closed(path: Path) -> Path | None:
    """The outermost folder on the way to a path that others may not enter."""
    return next((one for one in reversed(path.parents) if not one.stat().st_mode & stat.S_IXOTH), None)


def as_nobody(command: list[str], home: Path) -> list[str]:
    """The command line that runs a command as nobody; `home` is a folder that it may write to.

    An interpreter or a checkout below a closed folder (/root) is shown to it alone, in a mount namespace of its own
    in which the rest of that folder is empty.
    """
    script = ["set -e"]
    needed = dict.fromkeys(Path(path).resolve() for path in (sys.base_prefix, sys.prefix, ROOT))
    hidden: dict[Path, list[Path]] = {}
    for path in needed:
        if closed := _closed(path):
            hidden.setdefault(closed, []).append(path)
    for closed, paths in hidden.items():
        aside = [Path(tempfile.mkdtemp(prefix="gradebench-nobody-", dir=home)) for _ in paths]
        script += [
            f"mount --bind {shlex.quote(str(p))} {shlex.quote(str(a))}" for p, a in zip(paths, aside, strict=True)
        ]
        script.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}")
        for path, place in zip(paths, aside, strict=True):
            script.append(f"mkdir -p {shlex.quote(str(path))}")
            script.append(f"mount --bind {shlex.quote(str(place))} {shlex.quote(str(path))}")
    os.chown(home, NOBODY, NOBODY)
    environment = [
        "env",
        f"HOME={home}",
        f"TMPDIR={home}",
        "USER=nobody",
        "LOGNAME=nobody",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
    drop += ["--bounding-set=-all", "--no-new-privs"]
    script.append(f"cd {shlex.quote(str(ROOT))}")
    script.append(f"exec {shlex.join([*drop, *environment, *command])}")
    return ["unshare", "--mount", "sh", "-c", "\n".join(script)]
