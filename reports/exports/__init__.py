"""Exports of records for other programs: one file a format.

To add one, write its file, with a function `write(records, folder, results, options)` that gives the path of the file
it wrote, and name it in `EXPORTS`; `results` is the folder that holds what is kept beside the records, `options` are
those of `reports.exports.grades`. A format's module, and with it pandas, is imported when the format is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.types import Record
    from reports.exports.grades import Options

Export = Callable[["Sequence[Record]", Path, Path, "Options"], Path]
EXPORTS: dict[str, tuple[str, str]] = {
    "csv": ("reports.exports.csv:write", "the class as a table, a row a part: scores.csv"),
    "junit": ("reports.exports.junit:write", "JUnit XML for CI, a test case a part: junit.xml"),
    "parquet": ("reports.exports.parquet:write", "the table of csv with its types: scores.parquet"),
    "moodle": ("reports.exports.moodle:write", "Moodle's grading worksheet, filled in: moodle-grades.csv"),
    "moodle-feedback": (
        "reports.exports.moodle_feedback:write",
        "Moodle's feedback files, a page a participant: moodle-feedback.zip",
    ),
    "canvas": ("reports.exports.canvas:write", "Canvas's gradebook, filled in: canvas-grades.csv"),
    "gradescope": ("reports.exports.gradescope:write", "Gradescope's result of one submission: results.json"),
    "classroom": (
        "reports.exports.classroom:write",
        "a runner's result for GitHub Classroom's reporter: classroom.json",
    ),
    "codabench": ("reports.exports.codabench:write", "Codabench's scores of one submission: scores.json, or .txt"),
    "evalai": ("reports.exports.evalai:write", "EvalAI's result of one submission: evalai.json"),
}
"""Each format's "module:attribute", and its summary in one line, by name."""


def seen_by_students(name: str) -> bool:
    """Tell whether students see a format where it is made for: the module says so, `SEEN_BY_STUDENTS = False` that not.

    Raises `LookupError` as `export` does.
    """
    return bool(getattr(import_module(export(name).__module__), "SEEN_BY_STUDENTS", True))


def export(name: str) -> Export:
    """The function that writes records in a format into a folder, from a results folder, and gives the path.

    Raises `LookupError` for a format that is not in `EXPORTS`; the function raises `OSError` where it can't write, and
    `ExportError` where the format can't be made as asked.
    """
    if name not in EXPORTS:
        raise LookupError(f"no such export: {name!r}; there are {', '.join(EXPORTS)}")
    module, _, attribute = EXPORTS[name][0].partition(":")
    write: Export = getattr(import_module(module), attribute)
    return write
