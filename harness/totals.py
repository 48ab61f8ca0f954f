"""Points, reasons and totals of records, as every output shows them: pages, JSON, CSV, JUnit XML and the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.numbers import finite
from harness.types import Metric, Record, Status, counted


@dataclass(frozen=True)
class Total:
    """The points of one submission over all parts."""

    points: float | None
    """Sum so far; None where no part could be graded."""
    full_marks: float
    """Points of the whole assignment at full marks; 0 where the records don't tell."""
    complete: bool
    """False while a part is not gradable or held, or a model's time not measurable: the sum may still change by no act
    of the student's."""
    records: tuple[Record, ...]
    """The records that count, one a part."""


def primary_metric(record: Record) -> Metric | None:
    """The metric that the record ranks by, or None: not scored, not named, or measured without a finite value."""
    if record.status is not Status.SCORED or record.primary is None:
        return None
    metric = record.metrics.get(record.primary)
    return None if metric is None or finite(metric.value) is None else metric


def earned(record: Record) -> float | None:
    """The points of a part, or None where it has no verdict: not scored, held, or its primary metric not measured.

    The instructor's word is a verdict on anything.
    """
    if record.score is None or record.held or (record.decision is None and primary_metric(record) is None):
        return None
    return finite(record.score.points)


def provisional(record: Record) -> float | None:
    """The points that a held part would have if no flag counted; None where it is not held."""
    return finite(record.score.points) if record.score is not None and record.held else None


def reason(record: Record) -> str:
    """Why a part has no score, is held or missed its mark, or what was decided, in sentences; empty where it passed."""
    explanation = record.score.explanation if record.score is not None else ""
    if record.failure is not None:
        own = record.failure.message or "No reason was recorded."
        return own if record.decision is None else f"{own} {explanation}"
    if record.decision is not None:
        return explanation
    if record.held:
        return held_for(record)
    if record.status is not Status.SCORED:
        return explanation or "No reason was recorded."
    if primary_metric(record) is None:
        return explanation or "Its primary metric could not be measured."
    return explanation if record.score is not None and not record.score.passed and not record.earlier_of else ""


def held_for(record: Record) -> str:
    """Why a part is held, in sentences; empty where it is not."""
    if record.score is None or not record.held:
        return ""
    raised = [one for one in record.findings if one.flag and one.integrity]
    said = " ".join(one.message for one in raised if one.message)
    titles = ", ".join(record.score.held)
    return f"Held for {titles}: its points are provisional until the instructor decides. {said}".strip()


def latest(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records of one submission that count: of each part the newest protocol, then the newest grading.

    Earlier states of a model are left out, for they are worth nothing.
    """
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        key = (record.task, record.part)
        if not record.earlier_of and (key not in found or _age(record) >= _age(found[key])):
            found[key] = record
    return tuple(found.values())


def total(records: Sequence[Record]) -> Total:
    """Sum up the records of one submission, for one assignment and one data set.

    A part that was not handed in, or failed by the submission's own fault, adds nothing; of alternatives, the best
    counts and the others add their bonus. Only a part that is not gradable, or held, leaves the total open, until the
    instructor decides about it.
    """
    own = latest(records)
    graded = [
        record
        for record in own
        if record.decision is not None or (record.status is not Status.NOT_GRADABLE and not record.held)
    ]
    scores = [record.score for record in own if record.score is not None and earned(record) is not None]
    telling = [record for record in own if record.full_marks > 0]
    return Total(
        points=round(sum(counted(scores)), 4) if graded else None,
        full_marks=max(telling, key=lambda record: (record.graded_at, record.full_marks)).full_marks if telling else 0,
        complete=bool(own) and len(graded) == len(own) and not any(score.open_points for score in scores),
        records=own,
    )


def _age(record: Record) -> tuple[int, str]:
    return (record.protocol, record.graded_at)
