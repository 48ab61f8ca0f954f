"""Writes formats that hold one submission: one file for one submission, a folder of files for a class."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.files import write_atomically
from harness.types import Record
from reports.exports.grades import ExportError, Grade, Options, grades


def write_each(
    records: Sequence[Record], folder: Path, options: Options, name: str, document: Callable[[Grade], object | None]
) -> Path:
    """Write `name` for the only submission, else `<stem>/<id><suffix>` for each; the path of the file or folder.

    `document` gives what is written as JSON, or None where nothing is to be written for a submission. Raises
    ExportError where there is nothing to write.
    """
    path = options.path(folder, name)
    every = grades(records, options)
    found = [(grade, content) for grade in every if (content := document(grade)) is not None]
    if not found:
        raise ExportError("there is no submission whose grade could be exported")
    if len(every) == 1 or options.submission:
        write_atomically(path, _json(found[0][1]))
        return path
    below = path.with_suffix("")
    for grade, content in found:
        write_atomically(below / f"{grade.submission}{path.suffix}", _json(content))
    return below


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
