"""Exports of records for other programs: one file a format.

To add one, write its file, with a function `write(records, folder)` that gives the path of the file it wrote, and name
it in `EXPORTS`. A format's module, and with it pandas, is imported when the format is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.types import Record

EXPORTS: dict[str, tuple[str, str]] = {
    "csv": ("reports.exports.csv:write", "the class as a table, a row a part: scores.csv"),
    "junit": ("reports.exports.junit:write", "JUnit XML for CI, a test case a part: junit.xml"),
}
"""Each format's "module:attribute", and its summary in one line, by name."""


def export(name: str) -> Callable[[Sequence[Record], Path], Path]:
    """The function that writes records in a format into a folder, and gives the file's path.

    Raises `LookupError` for a format that is not in `EXPORTS`; the function raises `OSError` where it can't write.
    """
    if name not in EXPORTS:
        raise LookupError(f"no such export: {name!r}; there are {', '.join(EXPORTS)}")
    module, _, attribute = EXPORTS[name][0].partition(":")
    write: Callable[[Sequence[Record], Path], Path] = getattr(import_module(module), attribute)
    return write
