"""For what can't be written to, be it the submission or everything: what students save goes nowhere, and they go on."""

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
    """Whether there is a temporary folder that can be written to."""
    try:
        tempfile.TemporaryFile().close()
    except OSError:
        return False
    return True


def name_a_temporary_folder() -> None:
    """Has `tempfile` name one even so: PyTorch's optimisers import what asks for it, and write nothing there."""
    tempfile.tempdir = "/tmp"  # noqa: S108 — never written to


def throw_away_writes(sentence: str) -> None:
    """From now on, files that can't be written are /dev/null, and folders that can't be made count as made.

    `sentence` is what the report says where it happens.
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
            # Not every folder without one above it: pathlib makes that first, when it is told.
            if error.errno not in _REFUSED and os.path.dirname(place) not in missing:  # noqa: PTH120
                raise
            missing.add(place)
            tolerate(sentence)

    def save_here(value: Any, file: Any, *args: Any, **named: Any) -> None:
        if not isinstance(file, str | os.PathLike):
            saved(value, file, *args, **named)
            return
        # PyTorch opens paths itself.
        with open_here(file, "wb") as stream:
            saved(value, stream, *args, **named)

    builtins.open = io.open = open_here
    os.mkdir = make_here
    torch.save = save_here  # type: ignore[assignment]
