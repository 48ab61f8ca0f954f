"""Plans a run: which entry answers which part of the assignment, and what is known to fail beforehand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import intake
from harness.rubric import Assignment, Part
from harness.run import references
from harness.run.identity import Identity
from harness.run.likely import likeliest
from harness.run.settings import Run
from harness.tasks.base import Baseline
from harness.text import shown
from harness.types import NOTHING_HANDED_IN, Entry, Failure, GradingError, Kind, Role, Submission


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
    opened: str = ""
    """A sentence on how the model was opened, where it has weights and code beside them (`harness.run.way`)."""
    copied: str = ""
    """SHA-256 of all files below the submission's root, where that is a private copy; empty where it is none."""

    @property
    def identity(self) -> Identity:
        """Role, submission and part, as `harness.run.compare.identity` gives them of the record to be."""
        return self.submission.role, self.submission.id, self.part.id


Plan = Sequence[Planned]
"""All that is planned of one submission."""


def plans(submissions: Sequence[Submission], run: Run) -> list[Plan]:
    """Plan the chosen submissions, then the baselines and reference models of the parts that they answer."""
    own = [_of_submission(s, run) for s in submissions if not run.only or s.id in run.only]
    own = [plan for plan in own if plan]
    answered = {planned.part.id for plan in own for planned in plan if planned.failure is None}
    beside = [part for part in run.assignment.part if part.id in answered and not part.earlier_of]
    return own + _beside(beside, run)


def beside(run: Run) -> list[Plan]:
    """Plan the baselines and reference models of all parts, as for a class that answers every one of them."""
    return _beside([part for part in run.assignment.part if not part.earlier_of], run)


def _of_submission(submission: Submission, run: Run) -> Plan:
    """Plan each part of the assignment at most once, and each required part.

    A submission that failed as a whole, or of which nothing answers a part, fails every part. A part that two entries
    answer fails: which of them counts is the student's to say.
    """
    answering: dict[str, list[Entry]] = {}
    for entry in submission.entries:
        part = run.assignment.part_for(entry.part, entry.task, entry.options)
        if part is not None:
            answering.setdefault(part.id, []).append(entry)
    unanswering = tuple(_unanswering(submission, run))
    whole = submission.failure
    if whole is None and not answering:
        whole = _no_part(submission, unanswering)
    missing = _missing(run.assignment, answering)
    files = _files(submission) if whole is not None or missing else ()
    plan: list[Planned] = []
    for part in run.assignment.part:
        entries = answering.get(part.id, []) if whole is None else []
        if entries:
            refused = _refused(part, entries, submission, run)
            entry = replace(entries[0], options={**entries[0].options, **part.options})
            plan.append(Planned(submission, entry, part, refused))
        elif whole is not None and not part.earlier_of:
            plan.append(Planned(submission, _no_entry(part), part, _with_lines(whole, part, files, run)))
        elif submission.role is Role.STUDENT and part in missing:
            plan.append(Planned(submission, _no_entry(part), part, _nothing(part, files, run)))
    return _noted(
        [planned for planned in plan if not run.tasks or planned.entry.task in run.tasks],
        (*submission.notes, *unanswering),
    )


def _noted(plan: Sequence[Planned], notes: Sequence[str]) -> Plan:
    """The plan with each note at the part that it begins with, the others at the first part."""
    parts = [planned.part.id for planned in plan]
    own: dict[str, list[str]] = {part: [] for part in parts}
    for note in notes:
        about = note.partition(":")[0]
        if parts:
            own[about if about in own else parts[0]].append(note)
    return [replace(planned, notes=tuple(own[planned.part.id])) for planned in plan]


def _no_entry(part: Part) -> Entry:
    return Entry(part.task, Kind.WEIGHTS, part.id)


def _missing(assignment: Assignment, answered: Collection[str]) -> list[Part]:
    """The required parts that nothing answers: no optional one, and of alternatives none once one is answered."""
    chosen = {part.choice for part in assignment.part if part.id in answered and part.choice}
    return [
        part
        for part in assignment.part
        if part.id not in answered
        and not part.earlier_of
        and not part.optional
        and not (part.choice and part.choice in chosen)
    ]


def _files(submission: Submission) -> Sequence[str]:
    """The submission's files that no entry names, as far as they can be listed."""
    if submission.role is not Role.STUDENT or not submission.root.is_dir():
        return ()
    named = {entry.file for entry in submission.entries}
    try:
        return [file for file in intake.listed(submission.root).files if file not in named]
    except (GradingError, OSError):
        return ()


def _with_lines(failure: Failure, part: Part, files: Sequence[str], run: Run) -> Failure:
    """The failure of a whole submission, with the lines of a manifest that would hand in a part."""
    if failure.fault != "submission":
        return failure
    lines = "\n".join(suggested(part, run, files))
    return replace(failure, detail=f"{failure.detail}\n\nTo hand in this part:\n\n{lines}".strip())


def _nothing(part: Part, files: Sequence[str], run: Run) -> Failure:
    """The failure of a part for which nothing was handed in, with the lines of a manifest that would hand it in."""
    lines = suggested(part, run, files)
    message = (
        f"Nothing was handed in for the part {part.id}, {part.title}. To hand it in, add to submission.toml an "
        f"[[entry]] with {', '.join(lines[1:])}."
    )
    return Failure("intake", NOTHING_HANDED_IN, message, "submission", "\n".join(lines))


def suggested(part: Part, run: Run, files: Sequence[str] = ()) -> list[str]:
    """Return the lines of an [[entry]] that would hand in a part, with the likeliest file, or a name to replace."""
    task = run.coursework.task(part.task)
    models = part.models or list(run.coursework.answering(task))
    lines = ["[[entry]]", f'task = "{part.task}"', f'part = "{part.id}"']
    if models:
        file = likeliest(part, models[0], files)
        return [*lines, f'model = "{models[0]}"', f'checkpoint = "{shown(file, 200) or "YOUR-FILE.pt"}"']
    return [*lines, 'code = "YOUR-FILE.py:load"']


def _refused(part: Part, entries: Sequence[Entry], submission: Submission, run: Run) -> Failure | None:
    """Return the reason that the part's entry can't be graded, or None."""
    if len(entries) > 1:
        named = ", ".join(shown(entry.file or entry.code or entry.part) for entry in entries[:5])
        message = f"submission.toml: {len(entries)} entries answer the part {part.id} ({named}); one is allowed."
        return Failure("manifest", "equal-parts", message)
    entry, task = entries[0], run.coursework.task(part.task)
    if entry.kind is Kind.OUTPUTS and task.outputs is None:
        return Failure("manifest", "outputs", f"{task.name} takes no answers-only files.")
    for name, value in part.options.items():
        if entry.options.get(name, value) != value:
            message = f"The part {part.id} has {name} = {value}; submission.toml states {shown(entry.options[name])}."
            return Failure("manifest", "part-option", message)
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
        f"{_told_apart(entry, run.assignment)}"
        for entry in submission.entries
        if run.assignment.part_for(entry.part, entry.task, entry.options) is None
    ]


def _told_apart(entry: Entry, assignment: Assignment) -> str:
    """A sentence on how an entry tells the parts apart that differ by their options; empty where none would fit."""
    parts = [part for part in assignment.part if part.task == entry.task and part.options and entry.part in part.models]
    if not parts:
        return ""
    options = ", ".join(f'{name} = "{value}"' for name, value in parts[0].options.items())
    return (
        f" Several take {shown(entry.part)}; write which it is, "
        f'for example part = "{parts[0].id}" or options = {{ {options} }}.'
    )


def _beside(parts: Sequence[Part], run: Run) -> list[Plan]:
    """Plan the tasks' baselines, and the reference models that a student could submit, for some parts."""
    if run.beside == "none":
        return []
    found: dict[tuple[Role, str], list[Planned]] = {}
    models = references.submissions() if run.beside == "all" else []
    for part in parts:
        for name, baseline in run.coursework.task(part.task).baselines.items():
            # Where a task asks and marks the same in every part, equal entries are asked and marked once.
            same = part.task if baseline.same_for_parts else part.id
            entry = Entry(part.task, Kind.BASELINE, same, options=part.options)
            submission = Submission(name, baseline.title, Path(), (entry,), role=Role.BASELINE)
            found.setdefault((Role.BASELINE, name), []).append(Planned(submission, entry, part, baseline=baseline))
        for submission in models:
            for entry in submission.entries:
                fits = entry.task == part.task and (not part.models or entry.model in part.models)
                if fits and part.options.items() <= entry.options.items():
                    found.setdefault((Role.REFERENCE, submission.id), []).append(Planned(submission, entry, part))
    return list(found.values())
