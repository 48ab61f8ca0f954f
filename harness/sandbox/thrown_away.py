"""For machines whose isolation leaves no place to write: what students' methods save goes nowhere, and they go on."""

from __future__ import annotations

import builtins
import errno
import io
import os
import tempfile
from typing import Any

from harness.sandbox.tolerated import tolerate

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)


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


def throw_away_writes() -> None:
    """From now on, files that can't be written are /dev/null, and folders that can't be made count as made."""
    opened, made = io.open, os.mkdir

    def open_here(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        try:
            return opened(file, mode, *args, **named)
        except OSError as error:
            if not set(mode) & set("wax") or error.errno not in _REFUSED:
                raise
            _say()
            return opened(os.devnull, mode.replace("x", "w"), *args, **named)

    def make_here(path: Any, *args: Any, **named: Any) -> None:
        try:
            made(path, *args, **named)
        except FileExistsError:
            raise
        except OSError:
            _say()

    builtins.open = io.open = open_here
    os.mkdir = make_here


def _say() -> None:
    tolerate("This machine's isolation leaves no place to write; what the code saved was thrown away.")
