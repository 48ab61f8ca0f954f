"""Plans a run: which entry answers which part of the assignment, and what is known to fail beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.rubric import Part
from harness.run import references
from harness.run.settings import Run
from harness.tasks.base import Baseline
from harness.text import shown
from harness.types import Entry, Failure, Kind, Role, Submission


@dataclass(frozen=True)
class Planned:
    """One record to be: a submission's entry, and the part of the assignment that it answers."""

    submission: Submission
    entry: Entry
    part: Part
    failure: Failure | None = None
    """The reason that it can't be graded, where that is known beforehand."""
    baseline: Baseline | None = None
    """The baseline that answers in place of a model."""
    notes: tuple[str, ...] = ()
    """Sentences for the student about what was handed in."""


Plan = Sequence[Planned]
"""All that is planned of one submission."""


def plans(submissions: Sequence[Submission], run: Run) -> list[Plan]:
    """Plan the chosen submissions, then the baselines and reference models of the parts that they answer."""
    own = [_of_submission(s, run) for s in submissions if not run.only or s.id in run.only]
    own = [plan for plan in own if plan]
    answered = {planned.part.id for plan in own for planned in plan if planned.failure is None}
    beside = [part for part in run.assignment.part if part.id in answered and not part.earlier_of]
    return own + _beside(beside, run)


def _of_submission(submission: Submission, run: Run) -> Plan:
    """Plan each part of the assignment at most once.

    A submission that failed as a whole, or of which nothing answers a part, fails every part. A part that two entries
    answer fails: which of them counts is the student's to say.
    """
    parts = run.assignment.part
    answering: dict[str, list[Entry]] = {}
    for entry in submission.entries:
        part = run.assignment.part_for(entry.part, entry.task)
        if part is not None:
            answering.setdefault(part.id, []).append(entry)
    unanswering = tuple(_unanswering(submission, run))
    notes = (*submission.notes, *unanswering)
    if answering and submission.failure is None:
        plan = [
            Planned(
                submission,
                answering[part.id][0],
                part,
                _refused(part, answering[part.id], submission, run),
                None,
                notes,
            )
            for part in parts
            if part.id in answering
        ]
    else:
        failure = submission.failure or _no_part(submission, unanswering)
        asked = [part for part in parts if not part.earlier_of]
        plan = [
            Planned(submission, Entry(part.task, Kind.WEIGHTS, part.id), part, failure, None, notes) for part in asked
        ]
    return [planned for planned in plan if not run.tasks or planned.entry.task in run.tasks]


def _refused(part: Part, entries: Sequence[Entry], submission: Submission, run: Run) -> Failure | None:
    """Return the reason that the part's entry can't be graded, or None."""
    if len(entries) > 1:
        named = ", ".join(shown(entry.file or entry.code or entry.part) for entry in entries[:5])
        message = f"submission.toml: {len(entries)} entries answer the part {part.id} ({named}); one is allowed."
        return Failure("manifest", "equal-parts", message)
    entry, task = entries[0], run.coursework.task(part.task)
    if entry.kind is Kind.OUTPUTS and task.outputs is None:
        return Failure("manifest", "outputs", f"{task.name} takes no answers-only files.")
    allowed = part.models or run.coursework.answering(task)
    if entry.kind is Kind.WEIGHTS and submission.role is Role.STUDENT and entry.model not in allowed:
        known = ", ".join(allowed) or "none"
        message = f"The part {part.id} takes no architecture {entry.model!r}; it takes {known}."
        return Failure("manifest", "model", message)
    return None


def _no_part(submission: Submission, unanswering: Sequence[str]) -> Failure:
    if not submission.entries:
        return Failure("intake", "empty", "Nothing to grade was found: no submission.toml and no known layout.")
    return Failure("manifest", "unknown-part", " ".join(unanswering))


def _unanswering(submission: Submission, run: Run) -> list[str]:
    """A sentence about each entry that answers no part of the assignment."""
    return [
        f"submission.toml: the entry with part {shown(entry.part)!r} (task {entry.task}) answers no part of "
        f"{run.assignment.name}; its parts are {', '.join(part.id for part in run.assignment.part)}."
        for entry in submission.entries
        if run.assignment.part_for(entry.part, entry.task) is None
    ]


def _beside(parts: Sequence[Part], run: Run) -> list[Plan]:
    """Plan the tasks' baselines, and the reference models that a student could submit, for some parts."""
    if run.beside == "none":
        return []
    found: dict[tuple[Role, str], list[Planned]] = {}
    models = references.submissions() if run.beside == "all" else []
    for part in parts:
        for name, baseline in run.coursework.task(part.task).baselines.items():
            # Where a task asks and marks the same in every part, equal entries are asked and marked once.
            entry = Entry(part.task, Kind.BASELINE, part.task if baseline.same_for_parts else part.id)
            submission = Submission(name, baseline.title, Path(), (entry,), role=Role.BASELINE)
            found.setdefault((Role.BASELINE, name), []).append(Planned(submission, entry, part, baseline=baseline))
        for submission in models:
            for entry in submission.entries:
                if entry.task == part.task and (not part.models or entry.model in part.models):
                    found.setdefault((Role.REFERENCE, submission.id), []).append(Planned(submission, entry, part))
    return list(found.values())
