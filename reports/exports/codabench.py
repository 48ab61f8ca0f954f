"""Codabench's scores.json: a flat object of numbers, by the keys of the leaderboard's columns.

A scoring program leaves it in its output folder; Codabench passes over keys that are no column of the competition, so
all are written: `points`, `max_points`, for each part `<part>_points`, and `<part>_<metric>` for what was measured.
What is open is left out. CodaLab's older scores.txt is the same as lines "key: number": give the file that suffix.
Source: codalab/codabench, apps/api/views/submissions.py (upload_submission_scores) and compute_worker.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.files import write_atomically
from harness.numbers import finite
from harness.types import Record
from reports.exports.grades import ExportError, Grade, Options, exportable, grades, part_points
from reports.exports.single import write_each

FILE = "scores.json"
_UNFIT = re.compile(r"[^A-Za-z0-9_]+")


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write scores.json for one submission, or scores/<id>.json for each; lines of text where the file ends in .txt."""
    if options.file is not None and options.file.suffix == ".txt":
        found = grades(records, options)
        if len(found) != 1 or not (told := scores(found[0], options)):
            raise ExportError("scores.txt holds one submission, and that has to be graded: choose it by --submission")
        lines = "".join(f"{key}: {value!r}\n" for key, value in told.items())
        write_atomically(options.file, lines.encode())
        return options.file
    return write_each(records, folder, options, FILE, lambda grade: scores(grade, options) or None)


def scores(grade: Grade, options: Options) -> dict[str, float]:
    """The numbers of one submission by key; none of a part that is open."""
    found: dict[str, float | None] = {}
    if grade.points is not None:
        found |= {"points": grade.points, "max_points": grade.full_marks}
    for record in grade.records:
        found[_key(record.part, "points")] = part_points(record, options)
        if exportable(record) or options.open_as_number:
            found |= {_key(record.part, name): metric.value for name, metric in record.metrics.items()}
    return {key: number for key, value in found.items() if (number := finite(value)) is not None}


def _key(part: str, name: str) -> str:
    """A column's key: letters, digits and underscores."""
    return _UNFIT.sub("_", f"{part}_{name}")
