"""CSV: the class's records, a row a part, safe to open in a spreadsheet.

Baselines and reference models are left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from harness.files import write_atomically
from harness.text import one_line
from harness.totals import primary_metric, reason
from harness.types import Record, Status
from reports.common import ranks
from reports.exports.grades import DEFAULTS, Options, exportable
from reports.leaderboard import leaderboard
from reports.teams import joined

FILE = "scores.csv"
SEEN_BY_STUDENTS = False
"""A table for the instructor, which no platform shows."""
HEADER = [
    "assignment",
    "data",
    "submission",
    "name",
    "team",
    "part",
    "task",
    "kind",
    "model",
    "epochs",
    "earlier_of",
    "status",
    "state",
    "passed",
    "borderline",
    "points",
    "max_points",
    "rank_low",
    "rank_high",
    "metric",
    "value",
    "low",
    "high",
    "lowest_member",
    "highest_member",
    "n",
    "unit",
    "metric_version",
    "protocol",
    "timing_status",
    "times_reference",
    "times_reference_low",
    "times_reference_high",
    "milliseconds",
    "milliseconds_single",
    "peak_memory_mb",
    "timing_reason",
    "open_points",
    "flags",
    "explanation",
    "decision",
    "decision_reason",
    "failure_stage",
    "failure_kind",
    "failure_message",
    "seed",
    "isolation",
    "device",
    "data_sha256",
    "judge_sha256",
    "graded_at",
]
_TIMES = ("times_reference", "milliseconds", "milliseconds_single", "peak_memory")
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20|")
"""Characters that a spreadsheet may read as the start of a formula; the full-width twins are folded by some."""


def cell(value: object) -> str:
    r"""One cell: numbers and truth values as such, text on one line and with a leading ' where it could be a formula.

    >>> cell("=1+1"), cell("-5"), cell(-5.0), cell(None), cell("\t@x")
    ("'=1+1", "'-5", '-5.0', '', "'@x")
    """
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = one_line(str(value), 2000)
    return "'" + text if text.startswith(_FORMULA) else text


def _timing(record: Record) -> dict[str, object]:
    """The cells about a model's time; empty where it was not to be measured."""
    timing = record.timing
    open_points = record.score.open_points if record.score is not None else None
    names = [name for name in HEADER if name.startswith(("timing_", "times_", "milliseconds", "peak_"))]
    if timing is None:
        return {**dict.fromkeys(names), "open_points": open_points}
    ratio = timing.metrics.get("times_reference")
    values = {name: timing.metrics[name].value if name in timing.metrics else None for name in _TIMES}
    return {
        "timing_status": timing.status,
        "timing_reason": timing.reason,
        "times_reference": values["times_reference"],
        "times_reference_low": ratio.low if ratio is not None else None,
        "times_reference_high": ratio.high if ratio is not None else None,
        "milliseconds": values["milliseconds"],
        "milliseconds_single": values["milliseconds_single"],
        "peak_memory_mb": values["peak_memory"],
        "open_points": open_points,
    }


def _members(record: Record) -> dict[str, object]:
    """The cells about the judge's single members; empty where no committee judges."""
    metric = primary_metric(record)
    low, high = metric.by_member if metric is not None and metric.by_member is not None else (None, None)
    borderline = record.score.borderline if record.score is not None and low is not None else None
    return {"borderline": borderline, "lowest_member": low, "highest_member": high}


def _explanation(record: Record) -> str | None:
    """The reason of a held entry, which names no points, or what the rubric or the instructor said."""
    return reason(record) if record.held else record.score.explanation if record.score is not None else None


def write(records: Sequence[Record], folder: Path, results: Path | None = None, options: Options = DEFAULTS) -> Path:
    """Write one row for each of the class's records to scores.csv in `folder`, UTF-8, in the leaderboard's order.

    `results` is the folder that holds the scores beside the records, by which they rank.
    Cells are empty where nothing was measured, and points also where they are open or held. Replaces the file in one
    step. Raises `OSError` if it can't be written.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows([cell(row[name]) for name in HEADER] for row in rows(records, results, options))
    path = options.path(folder, FILE)
    write_atomically(path, buffer.getvalue().encode("utf-8"))
    return path


def rows(
    records: Sequence[Record], results: Path | None = None, options: Options = DEFAULTS
) -> Iterator[Mapping[str, object]]:
    """Yield the values of each row by the names in `HEADER`, in the leaderboard's order."""
    class_ = joined([record for record in records if ranks(record)], options.teams, options.tell)
    for row in leaderboard(class_.records, results).to_dict("records"):
        record = class_.records[row["record"]]
        failure = record.failure
        known = {
            **{str(name): value for name, value in row.items()},
            "team": record.name if record.submission in class_.members else None,
            # Of a part that was not handed in, nobody knows how it would have been.
            "kind": record.kind if record.status is not Status.NOT_HANDED_IN else None,
            "model": record.model,
            "epochs": record.epochs,
            "earlier_of": record.earlier_of,
            **_timing(record),
            **_members(record),
            "flags": "; ".join(row["flags"]),
            "explanation": _explanation(record),
            "decision": record.decision.verdict if record.decision is not None else None,
            "decision_reason": record.decision.reason if record.decision is not None else None,
            "failure_stage": failure.stage if failure is not None else None,
            "failure_kind": failure.kind if failure is not None else None,
            "failure_message": failure.message if failure is not None else None,
            "seed": record.seed,
            "isolation": record.isolation,
            "device": record.device,
            "data_sha256": record.digests.get("data"),
            "judge_sha256": record.digests.get("judge"),
            "graded_at": record.graded_at,
        }
        if not exportable(record) and not options.open_as_number:
            known["points"] = None
        # A team is ranked once, and has a row for each member.
        for own in class_.each(record):
            yield known | {"submission": own.submission, "name": own.name}
