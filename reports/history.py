"""The runs of a class so far: a line of totals for each run that changed them, kept in the results folder."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import write_atomically
from harness.numbers import finite, points_text
from harness.text import one_line
from harness.totals import total
from harness.types import Record
from reports.common import day, ranks, verdict

FILE = ".history.jsonl"
"""Name of the file in a results folder."""
_MOST_BYTES = 2**24
_SHOWN = 10


@dataclass(frozen=True)
class Run:
    """A class as one run left it."""

    day: str
    submissions: int
    parts: int
    passed: int
    median: str
    """Median of the totals."""


def remember(results: Path, records: Sequence[Record]) -> None:
    """Add a line for each assignment and data set whose totals are not those of its last line.

    Totals stand without ids, in rising order. Raises `OSError` where the file can't be written.
    """
    former = _lines(results)
    added = []
    for assignment, data in sorted({(record.assignment, record.data) for record in records if ranks(record)}):
        own = [r for r in records if (r.assignment, r.data) == (assignment, data) and ranks(r) and not r.earlier_of]
        line = _line(assignment, data, own)
        last = next((one for one in reversed(former) if _of(one) == (assignment, data)), None)
        if last is None or {**last, "at": ""} != {**line, "at": ""}:
            added.append(line)
    if added:
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in [*former, *added])
        write_atomically(results / FILE, text.encode("utf-8"))


def earlier(results: Path, assignment: str, data: str) -> tuple[Run, ...]:
    """The last runs of an assignment on a data set, oldest first; empty where there were fewer than two."""
    own = [line for line in _lines(results) if _of(line) == (assignment, data)]
    runs = []
    for line in own[-_SHOWN:]:
        totals = [value for one in line["totals"] if (value := finite(one)) is not None]
        median = points_text(statistics.median(totals)) if totals else "—"
        runs.append(Run(one_line(str(line["at"]), 10), line["submissions"], line["parts"], line["passed"], median))
    return tuple(runs) if len(runs) > 1 else ()


def _line(assignment: str, data: str, records: Sequence[Record]) -> dict[str, Any]:
    by_submission: dict[str, list[Record]] = {}
    for record in records:
        by_submission.setdefault(record.submission, []).append(record)
    totals = [total(own) for own in by_submission.values()]
    counted = [record for one in totals for record in one.records]
    return {
        "at": max((day(record.graded_at) for record in records), default=""),
        "assignment": assignment.encode("utf-8", "replace").decode(),
        "data": data,
        "submissions": len(by_submission),
        "parts": len(counted),
        "passed": sum(verdict(record).kind == "pass" for record in counted),
        "totals": sorted(one.points for one in totals if one.points is not None),
    }


def _of(line: dict[str, Any]) -> tuple[object, object]:
    return line["assignment"], line["data"]


_TYPES = {
    "at": str, "assignment": str, "data": str, "submissions": int, "parts": int, "passed": int, "totals": list
}  # fmt: skip


def _lines(results: Path) -> list[dict[str, Any]]:
    """Lines that can be read; what somebody else wrote into the file is passed over."""
    path = results / FILE
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return []
    found = []
    for text in path.read_text("utf-8", "replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and all(isinstance(line.get(key), type_) for key, type_ in _TYPES.items()):
            found.append(line)
    return found
