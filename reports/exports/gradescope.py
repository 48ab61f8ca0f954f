"""Gradescope's results.json: the points of one submission, a test for each part, and the metrics as a leaderboard.

Gradescope shows `output` as text where `output_format` is "text", and takes the score from the top or from every test.
A grade that is open has no score anywhere: Gradescope then records none, and says so, rather than a zero. Source:
Gradescope's autograder specification (gradescope/autograder_samples, docs/specs.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.numbers import finite
from harness.text import many_lines, one_line
from harness.totals import primary_metric, reason
from harness.types import Record, Status
from reports.exports.grades import Grade, Options, exportable, part_points
from reports.exports.single import write_each
from reports.titles import part_title

FILE = "results.json"
VISIBILITY = "visible"
_LONGEST = 20_000


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write results.json for one submission, or results/<id>.json for each of a class."""
    return write_each(records, folder, options, FILE, lambda grade: document(grade, options))


def document(grade: Grade, options: Options) -> dict[str, Any]:
    """The results of one submission as plain values. No score anywhere where the grade is open."""
    final = grade.points is not None
    told: dict[str, Any] = {
        "output": _output(grade),
        "output_format": "text",
        "visibility": VISIBILITY,
        "stdout_visibility": "hidden" if final else "visible",
        "execution_time": round(sum(sum(record.timings.values()) for record in grade.records)),
        "tests": [_test(number, record, options, final) for number, record in enumerate(grade.records, start=1)],
    }
    if final:
        told["score"] = grade.points
        told["leaderboard"] = _leaderboard(grade.records, options)
    return told


def _output(grade: Grade) -> str:
    if grade.points is None:
        return (
            "No score was recorded, and nothing is held against this submission. Not final: "
            f"{one_line(grade.reason, 2000)}. The course staff can run the autograder again."
        )
    said = f"{grade.points:g} of {grade.full_marks:g} points."
    return f"{said} {one_line(grade.reason, 2000)}" if grade.reason else said


def _test(number: int, record: Record, options: Options, final: bool) -> dict[str, Any]:
    points = part_points(record, options)
    test: dict[str, Any] = {
        "number": str(number),
        "name": one_line(part_title(record), 200),
        "name_format": "text",
        "output": many_lines(_explained(record), _LONGEST),
        "output_format": "text",
        "visibility": VISIBILITY,
        "extra_data": {"part": record.part, "state": record.state},
    }
    if final and points is not None:
        test["score"] = points
        passed = record.score is not None and record.score.passed and not record.held
        test["status"] = "passed" if passed else "failed"
    if record.score is not None and (most := finite(record.score.max_points)) is not None:
        test["max_score"] = most
    return test


def _explained(record: Record) -> str:
    """The verdict of a part in sentences, and the details that a student can act on."""
    if record.status is Status.NOT_HANDED_IN and record.decision is None:
        return reason(record) or "This part was not handed in."
    lines = [] if exportable(record) else ["These points are not final; the course staff decides."]
    # The explanation of a held part would name its points.
    lines.append(record.score.explanation if record.score is not None and not record.held else reason(record))
    lines += [f"{evidence.title or evidence.name}: {evidence.message}" for evidence in record.evidence if evidence.flag]
    lines += record.notes
    if record.failure is not None and record.failure.detail:
        lines += ["", record.failure.detail]
    return "\n".join(lines)


def _leaderboard(records: Sequence[Record], options: Options) -> list[dict[str, Any]]:
    """The primary metric of each part whose points are final, by the part's title."""
    board = []
    for record in records:
        metric = primary_metric(record)
        if metric is None or part_points(record, options) is None:
            continue
        line: dict[str, Any] = {"name": one_line(f"{part_title(record)}: {metric.title}", 120), "value": metric.value}
        board.append(line | {"order": "asc"} if metric.better == "lower" else line)
    return board
