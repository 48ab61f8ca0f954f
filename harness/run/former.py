"""Finds what earlier runs left in a results folder, and deletes what there is no longer a reason to keep."""

from __future__ import annotations

from collections.abc import Sequence

from harness import records
from harness.run.identity import identity
from harness.run.plan import Plan, Planned
from harness.run.settings import Run
from harness.types import Entry, Kind, Record, Role, Status, Submission


def former_record(planned: Planned, run: Run) -> Record | None:
    """Return the record that an earlier run left, if it can be read."""
    path = records.path_of(run.results, *planned.identity)
    try:
        return records.load(path) if path.exists() else None
    except records.RecordError:
        return None


def is_verdict(record: Record) -> bool:
    """Tell a record whose answers or failure count from one of an entry on which the harness itself failed."""
    return record.status is not Status.NOT_GRADABLE or (
        record.failure is not None and record.failure.stage == "scoring"
    )


def remembered(record: Record, run: Run) -> Planned | None:
    """Plan a record again from what it says itself, without the hand-in; None where its part is no longer asked."""
    part = next((part for part in run.assignment.part if part.id == record.part), None)
    if part is None or part.task != record.task or record.role is Role.BASELINE:
        return None
    entry = Entry(
        record.task,
        Kind(record.kind),
        record.entry or record.part,
        record.model,
        None,
        None,
        record.options,
        record.epochs,
    )
    submission = Submission(record.submission, record.name, run.results, (entry,), role=record.role, place=record.place)
    notes, opened = record.stage_notes.get("intake", ()), record.stage_notes.get("open", ())
    return Planned(submission, entry, part, notes=tuple(notes), opened=next(iter(opened), ""))


def forget_other_parts(submission: Submission, graded: Sequence[Record], run: Run) -> None:
    """Delete what earlier runs recorded for parts that the submission no longer hands in."""
    kept_parts = {record.part for record in graded}
    for path in records.folder_of(run.results, submission.role, submission.id).glob("*.json"):
        if path.stem in kept_parts:
            continue
        try:
            old = records.load(path)
        except records.RecordError:
            continue
        if old.assignment == run.assignment.name and old.submission == submission.id:
            records.remove(run.results, old)


def forget_former_models(planned: Sequence[Plan], run: Run) -> None:
    """Delete records of baselines and reference models that no longer exist, for the parts of this run."""
    wanted = {each.identity for plan in planned for each in plan}
    parts = {part for role, _, part in wanted if role is not Role.STUDENT}
    for record in records.load_all(run.results).records:
        gone = record.role is not Role.STUDENT and identity(record) not in wanted
        if gone and record.part in parts and record.assignment == run.assignment.name:
            records.remove(run.results, record)
