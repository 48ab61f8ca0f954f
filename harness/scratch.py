"""Makes temporary folders that are deleted after use, and deletes those that killed runs left behind.

Each folder is held by a lock (flock), which the kernel lifts however its process ends. A folder of this account that
nobody holds is therefore one that a killed run left, whatever its process id has become since.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "gradebench-"
ABANDONED = 3600.0
"""Seconds after which a file that is written under a temporary name belongs to a run that was killed."""
_LOCK = "in-use"
_FILES = "files"


@contextmanager
def folder(purpose: str, within: str | Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that only this account can read, and delete it with all that it holds at the end.

    Folders that killed runs left beside it are deleted first.

    Parameters
    ----------
    purpose : one word, part of the folder's name
    within : folder to make it in; None for the system's place for temporary files
    """
    place = Path(within) if within is not None else Path(tempfile.gettempdir())
    sweep(place)
    own, lock = _locked(purpose, place)
    try:
        files = own / _FILES
        files.mkdir()
        yield files
    finally:
        # rmtree follows no link, not even one that is put in a folder's place meanwhile.
        shutil.rmtree(own, ignore_errors=True)
        os.close(lock)


def sweep(place: Path) -> int:
    """Delete the folders that killed runs of this account left in `place`; their number. Never raises."""
    swept = 0
    try:
        with os.scandir(place) as listing:
            candidates = [Path(item.path) for item in listing if item.name.startswith(PREFIX)]
    except OSError:
        return 0
    for one in candidates:
        with contextlib.suppress(OSError):
            if _is_left(one):
                shutil.rmtree(one)
                swept += 1
    return swept


def sweep_writes(place: Path, depth: int = 2) -> int:
    """Delete the temporary files of `write_atomically` that killed runs left in a folder; their number. Never raises.

    Folders are gone through to the depth given, without following links.
    """
    swept = 0
    try:
        with os.scandir(place) as listing:
            items = list(listing)
    except OSError:
        return 0
    for item in items:
        with contextlib.suppress(OSError):
            if item.is_dir(follow_symlinks=False):
                swept += sweep_writes(Path(item.path), depth - 1) if depth > 0 else 0
            elif item.name.startswith(".") and item.name.endswith(".tmp"):
                state = item.stat(follow_symlinks=False)
                if stat.S_ISREG(state.st_mode) and time.time() - state.st_mtime > ABANDONED:
                    Path(item.path).unlink()
                    swept += 1
    return swept


def _locked(purpose: str, place: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds it."""
    while True:
        own = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-", dir=place))
        lock = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (own / _LOCK).exists():
                return own, lock
        except BlockingIOError:
            pass
        # Another process swept it between the two steps.
        os.close(lock)


def _is_left(path: Path) -> bool:
    """Tell whether a folder is this account's, and held by nobody."""
    state = path.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
        return False
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        # One that is just being made has no lock yet.
        return time.time() - state.st_mtime > ABANDONED
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
