"""Result of a runner for GitHub Classroom's autograding reporter, as JSON; a step's output holds it in Base64.

The reporter sums `score` over `tests` for the runners that have a `max_score`, and ends with a failure where a runner's
`status` is "fail" or "error". It prints names and messages as they are, into a log in which lines with "::" are
commands of the runner; so no such line is written. A grade that is open has no `max_score`: the reporter then reports
no points for it. Source: classroom-resources/autograding-grading-reporter, src/main.js and src/notify-classroom.js.
(GitHub has retired Classroom's own application; the reporter still runs in workflows.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.numbers import finite
from harness.text import one_line
from harness.totals import reason
from harness.types import Record, Status
from reports.exports.grades import Grade, Options, exportable, part_points
from reports.exports.single import write_each
from reports.titles import part_title

FILE = "classroom.json"
VERSION = 1


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write classroom.json for one submission, or classroom/<id>.json for each of a class."""
    return write_each(records, folder, options, FILE, lambda grade: document(grade, options))


def document(grade: Grade, options: Options) -> dict[str, Any]:
    """The runner's result of one submission: the tests' scores add up to the total of the assignment."""
    tests = [_test(record, options) for record in grade.records]
    if grade.points is not None:
        # Alternatives count once, and a bonus in part: the total is the assignment's to say, not the parts' sum.
        rest = round(grade.points - sum(test["score"] for test in tests), 4)
        if rest:
            tests.append(_line("total of the assignment, less the points above", "pass", rest))
    else:
        tests = [{**test, "score": 0} for test in tests]
    failed = any(test["status"] == "fail" for test in tests)
    return {
        "version": VERSION,
        "status": "error" if grade.points is None else "fail" if failed else "pass",
        **({"max_score": grade.full_marks} if grade.points is not None else {}),
        "tests": tests,
    }


def _test(record: Record, options: Options) -> dict[str, Any]:
    if not exportable(record):
        status = "error"
    elif record.earlier_of or _nothing(record) or (record.score and record.score.passed):
        status = "pass"
    else:
        status = "fail"
    if _nothing(record):
        said = "not handed in, 0 points"
    else:
        said = record.score.explanation if record.score is not None and exportable(record) else reason(record)
    return _line(part_title(record), status, finite(part_points(record, options)) or 0, said)


def _nothing(record: Record) -> bool:
    return record.status is Status.NOT_HANDED_IN and record.decision is None


def _line(name: str, status: str, score: float, message: str = "") -> dict[str, Any]:
    return {"name": _harmless(name), "status": status, "score": score, "message": _harmless(message) or None}


def _harmless(text: str) -> str:
    """One line in which the runner finds no command: neither "::name::" nor "##[name]"."""
    return one_line(text, 1000).replace("::", ": :").replace("##[", "# #[")
