"""Marks the kept answers of a results folder again: with another judge, after a change of the marking, or of a TOML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.run.former import remembered
from harness.run.questions import Questions
from harness.run.run import again, compared
from harness.run.settings import Run
from harness.types import Record, Role


@dataclass(frozen=True)
class Remarked:
    """The outcome of marking a results folder again."""

    records: list[Record]
    """Records as they are now; those that could not be brought up to date are left out."""
    changed: int
    """Number of records that were written anew."""
    to_ask: list[Record]
    """Records whose models would have to be asked again, since their answers were not kept."""
    elsewhere: list[Record]
    """Records that this run can't mark: of another assignment, seed or data, or of a part that is no longer asked."""


def remark(records: Sequence[Record], run: Run, on_record: Callable[[int, Record], None] | None = None) -> Remarked:
    """Mark, compare and score the records of a run's assignment, seed and data again, without asking any model.

    Baselines and reference models are left to `grade`, which has their answers anew within minutes.
    """
    result = Remarked([], 0, [], [])
    questions = Questions(run)
    before: list[Record] = []
    for record in records:
        if record.role is not Role.STUDENT:
            continue
        planned = remembered(record, run) if _is_of(record, run) else None
        if planned is None:
            result.elsewhere.append(record)
            continue
        now = again(record, planned, run, questions)
        if now is None:
            result.to_ask.append(record)
            continue
        before.append(record)
        result.records.append(now)
        if on_record is not None:
            on_record(len(result.records), now)
    found = result.records
    # A new threshold changes no sketch, and so no pair of entries that are alike.
    if any(now.keys.get("mark") != then.keys.get("mark") for now, then in zip(found, before, strict=True)):
        found = compared(found, run, questions)
    changed = sum(now is not then for now, then in zip(found, before, strict=True))
    return Remarked(found, changed, result.to_ask, result.elsewhere)


def _is_of(record: Record, run: Run) -> bool:
    """Tell a record of the run's assignment, seed and data from others."""
    of = (record.assignment, record.seed, record.digests.get("data", run.context.data.digest))
    return of == (run.assignment.name, run.context.seed, run.context.data.digest)
