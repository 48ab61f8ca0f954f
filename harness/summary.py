"""The machine-readable summary of a run: one JSON document, as `--json` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.mnist import Digits
from harness.ranking.intervals import Rank
from harness.rubric import Assignment
from harness.totals import earned, provisional, reason, total
from harness.types import Decision, Metric, Record, Status, Timing

SCHEMA = 2

EXIT_PASSED, EXIT_BELOW, EXIT_USAGE, EXIT_NOT_GRADABLE = 0, 1, 2, 3


def summary(
    records: Sequence[Record],
    assignment: Assignment,
    data: Digits,
    isolation: str,
    seconds: float,
    ranks: Mapping[tuple[str, str], Rank] | None = None,
) -> dict[str, Any]:
    """All records as plain dictionaries, lists, strings and numbers, submissions in order of their ids.

    `ranks` are those of the class's leaderboard, from best to worst that the data support, by submission and part.
    """
    ids = sorted({record.submission for record in records})
    return {
        "schema": SCHEMA,
        "assignment": assignment.name,
        "data": {"name": data.name, "digest": data.digest},
        "isolation": isolation,
        "seconds": round(seconds, 3),
        "submissions": [
            _submission([r for r in records if r.submission == submission], assignment, ranks or {})
            for submission in ids
        ],
    }


def points(records: Sequence[Record]) -> float | None:
    """A submission's points so far, as its total on the page; None where no part could be graded."""
    return total(records).points


def exit_code(records: Sequence[Record]) -> int:
    """0 all passed · 1 something is below its pass mark, held or failed · 3 something, or all, could not be graded.

    An earlier state of a model passes as soon as it has a score. Parts that were not handed in count only where nothing
    was: their rows and the total speak of them, and a student who is halfway has not failed. What the instructor
    decided about was graded.
    """
    records = [r for r in records if r.status is not Status.NOT_HANDED_IN or r.decision is not None] or records
    if not records or any(r.status is Status.NOT_GRADABLE and r.decision is None for r in records):
        return EXIT_NOT_GRADABLE
    if all(r.score is not None and not r.held and (r.score.passed or r.earlier_of) for r in records):
        return EXIT_PASSED
    return EXIT_BELOW


def exit_code_unmarked(records: Sequence[Record]) -> int:
    """0 everything was scored, whatever the pass mark · 1 something has no score · 3 something could not be graded."""
    if not records or any(record.status is Status.NOT_GRADABLE for record in records):
        return EXIT_NOT_GRADABLE
    return EXIT_BELOW if any(record.status is not Status.SCORED for record in records) else EXIT_PASSED


def _submission(
    records: Sequence[Record], assignment: Assignment, ranks: Mapping[tuple[str, str], Rank]
) -> dict[str, Any]:
    found = total(records)
    return {
        "id": records[0].submission,
        "name": records[0].name,
        "points": found.points,
        "max_points": found.full_marks or assignment.max_points,
        "complete": found.complete,
        "entries": [_entry(record, ranks.get((record.submission, record.part))) for record in records],
    }


def _entry(record: Record, rank: Rank | None) -> dict[str, Any]:
    return {
        "part": record.part,
        "task": record.task,
        "status": record.status.value,
        "state": record.state,
        "rank": list(rank) if rank is not None else None,
        "passed": record.score.passed if record.score is not None else False,
        "borderline": record.score.borderline if record.score is not None else False,
        "reason": reason(record) or None,
        "points": earned(record),
        "provisional_points": provisional(record),
        "decision": _decision(record.decision) if record.decision is not None else None,
        "max_points": record.score.max_points if record.score is not None else None,
        "metrics": {name: _metric(metric) for name, metric in record.metrics.items()},
        "evidence": [
            {
                "name": e.name,
                "flag": e.flag,
                "state": e.state,
                "integrity": e.integrity,
                "value": e.value,
                "low": e.low,
                "high": e.high,
                "unusual_from": e.unusual_from,
                "flagged_from": e.flagged_from,
            }
            for e in record.findings
        ],
        "timing": _timing(record.timing) if record.timing is not None else None,
        "open_points": record.score.open_points if record.score is not None else 0.0,
        "gates": {name: gate.holds for name, gate in record.gates.items()},
        "notes": list(record.notes),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "points": decision.points,
        "reason": decision.reason,
        "decided_at": decision.decided_at,
    }


def _timing(timing: Timing) -> dict[str, Any]:
    return {
        "status": timing.status,
        "reason": timing.reason or None,
        "reference": timing.reference or None,
        "told_apart": timing.told_apart,
        "metrics": {name: _metric(metric) for name, metric in timing.metrics.items()},
        "reference_milliseconds": _metric(timing.reference_milliseconds) if timing.reference_milliseconds else None,
        "control": _metric(timing.control) if timing.control else None,
        "wire_milliseconds": timing.wire_milliseconds,
        "processes": timing.processes,
        "calls": timing.calls,
        "rows": timing.questions,
        "machine": timing.machine or None,
        "seed_sha256": timing.seed or None,
    }


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "value": metric.value,
        "low": metric.low,
        "high": metric.high,
        "n": metric.n,
        "unit": metric.unit,
        "better": metric.better,
        **({"by_member": list(metric.by_member)} if metric.by_member is not None else {}),
    }
