"""Redirects writes to /dev/null on read-only file systems, so that student code that saves files keeps running."""

from __future__ import annotations

import builtins
import errno
import io
import os
import tempfile
from typing import Any

import torch

from harness.student_code.tolerated import tolerate

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def can_write() -> bool:
    """Tells whether there is a temporary folder that files can be written to."""
    try:
        tempfile.TemporaryFile().close()
    except OSError:
        return False
    return True


def name_a_temporary_folder() -> None:
    """Makes `tempfile` name /tmp although it can't be written to: PyTorch's optimisers import code that asks for it."""
    tempfile.tempdir = "/tmp"  # noqa: S108 — only named, never written to


def pass_over_metadata() -> None:
    """Makes `os.chmod`, `os.utime` and their like do nothing: the sandbox refuses them; `shutil.copy` calls them."""

    def nothing(*_: object, **__: object) -> None: ...

    for name in ("chmod", "fchmod", "chown", "fchown", "lchown", "utime", "setxattr", "removexattr"):
        setattr(os, name, nothing)


def throw_away_writes(sentence: str) -> None:
    """Makes `open`, `os.mkdir` and `torch.save` discard what can't be written, from now on.

    A file that can't be opened for writing becomes /dev/null, and a folder that can't be created counts as created.
    The report then holds `sentence`.
    """
    opened, made, saved = io.open, os.mkdir, torch.save
    missing: set[str] = set()

    def open_here(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        try:
            return opened(file, mode, *args, **named)
        except OSError as error:
            if not set(mode) & set("wax") or error.errno not in (*_REFUSED, errno.ENOENT):
                raise
            tolerate(sentence)
            return opened(os.devnull, mode.replace("x", "w"), *args, **named)

    def make_here(path: Any, *args: Any, **named: Any) -> None:
        place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 — follows no links
        try:
            made(path, *args, **named)
        except OSError as error:
            # A folder whose parent is missing is still an error, so that pathlib creates the parent first when told to.
            if error.errno not in _REFUSED and os.path.dirname(place) not in missing:  # noqa: PTH120
                raise
            missing.add(place)
            tolerate(sentence)

    def save_here(value: Any, file: Any, *args: Any, **named: Any) -> None:
        if not isinstance(file, str | os.PathLike):
            saved(value, file, *args, **named)
            return
        # PyTorch would open a path itself, without `open_here`.
        with open_here(file, "wb") as stream:
            saved(value, stream, *args, **named)

    builtins.open = io.open = open_here
    os.mkdir = make_here
    torch.save = save_here  # type: ignore[assignment]
