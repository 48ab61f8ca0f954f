"""Grades a class in stages, ask → mark → compare → score, and keeps each entry's result as soon as it exists.

Submissions are graded side by side. Nothing that an entry's record holds depends on which thread, in which order, or
beside whom it was graded, but for what the compare stage says. A stage whose key (`harness.run.keys`) has not changed
since the record was written is not run again, so an interrupted run loses only what was under way. Baselines and
reference models are graded after the class, for the parts that it answers; then models are timed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness import intake, records
from harness.run import hand_in, kept, keys, way
from harness.run.ask import Asked, ask, harness_failure
from harness.run.compare import compare, identity
from harness.run.executors import in_threads
from harness.run.mark import Marked, mark
from harness.run.plan import Plan, Planned, plans
from harness.run.questions import Questions
from harness.run.score import asked_of, marked_of, record_of
from harness.run.settings import Run
from harness.run.timing import OnTiming, time_class
from harness.run.trial import Choice, choice_of, choose, combinations, is_doubtful
from harness.run.trial import ask as try_options
from harness.sandbox.outside import WeightsWorkers
from harness.types import Entry, GradingError, Kind, Record, Role, Status, Submission

OnRecord = Callable[[Record, bool], None]
"""Called with each record as it is ready, and whether it was taken over unchanged from an earlier run."""
_NO_KEYS = {"ask": "", "mark": ""}


def count(submissions: Sequence[Submission], run: Run) -> int:
    """Return the number of records that a run will give, those of baselines and reference models among them."""
    return sum(len(plan) for plan in plans(submissions, run))


def grade(
    submissions: Sequence[Submission],
    run: Run,
    on_record: OnRecord | None = None,
    warm: Sequence[WeightsWorkers] = (),
    on_timing: OnTiming | None = None,
) -> list[Record]:
    """Grade all entries; the records, ordered by role, submission and part.

    Each of the `jobs` threads takes one of `warm`, the sandboxed processes of an earlier run, or starts its own.
    """
    lock = threading.Lock()
    questions = Questions(run)
    planned = plans(submissions, run)

    def one(plan: Plan, workers: WeightsWorkers) -> list[Record]:
        graded = []
        entries = _Entries(run, questions, workers)
        for each in plan:
            record, known = entries.graded(each)
            graded.append(record)
            if on_record is not None:
                with lock:
                    on_record(record, known)
        if not run.tasks and plan[0].submission.role is Role.STUDENT:
            _forget_other_parts(plan[0].submission, graded, run)
        return graded

    done = [record for graded in in_threads(one, planned, run, warm) for record in graded]
    if run.beside == "all":
        _forget_former_models(planned, run)
    done = time_class(done, planned, run, questions, on_timing)
    roles = list(Role)
    return sorted(_compared(done, run, questions), key=lambda r: (roles.index(r.role), r.submission, r.part))


def again(known: Record, planned: Planned, run: Run, questions: Questions) -> Record | None:
    """Bring a record up to date without asking anybody: mark kept answers, and score, where these have changed.

    None where marking has changed and the answers were not kept, or where other options would be chosen now. The record
    itself where nothing has changed.
    """
    choice = choice_of(known)
    stage_keys = {stage: known.keys[stage] for stage in ("open", "ask") if stage in known.keys}
    if choice is not None:
        chosen = _chosen_again(known, planned, run, choice, questions)
        if chosen is None:
            return None
        choice, stage_keys["try"] = chosen
    asked = asked_of(known)
    digests = dict(known.digests)
    marking = keys.of_marking(planned, run, digests) if asked.digest else ""
    stage_keys["mark"] = marking
    marked = marked_of(known)
    if marking != known.keys.get("mark"):
        answers = kept.load_answers(run.results, known)
        if answers is None:
            return None
        asked = replace(asked, answers=answers)
        marked = mark(run.coursework.task(planned.entry.task), run.context, planned.entry, answers)
    return record_of(planned, run, asked, marked, digests, stage_keys, known, choice)


def _chosen_again(
    known: Record, planned: Planned, run: Run, choice: Choice, questions: Questions
) -> tuple[Choice, str] | None:
    """The choice of options and its key, as things are now; None where the model has to be asked for it."""
    task = run.coursework.task(planned.entry.task)
    trial, digest = questions.trial(task, planned.entry)
    choices = [one.options for one in choice.tried]
    key = keys.of_trying(planned, run, digest, choices, known.digests)
    if key == known.keys.get("try"):
        return replace(choice, doubtful=is_doubtful(trial, choice.tried)), key
    answers = kept.load_trial(run.results, known)
    if answers is None or len(answers) != len(choices):
        return None
    now = choose(trial, choices, answers)
    if dict(now.options) != dict(known.options):
        return None
    return replace(now, answers=None, file=known.trial_answers), key


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


class _Entries:
    """Grades the entries of one submission; what equal entries have in common is done once."""

    def __init__(self, run: Run, questions: Questions, workers: WeightsWorkers) -> None:
        self._run, self._questions, self._workers = run, questions, workers
        self._asked: dict[str, Asked] = {}
        self._marked: dict[str, Marked] = {}

    def graded(self, planned: Planned) -> tuple[Record, bool]:
        """The entry's record, and whether an earlier run left it; whatever goes wrong is in the record."""
        try:
            return self._graded(planned)
        except Exception as error:  # one entry's trouble is never another's
            failed = Asked(None, harness_failure(error), self._run.isolation.level)
            try:
                return record_of(planned, self._run, failed, Marked(None, None), {}, _NO_KEYS), False
            except Exception:  # a full disk, say: the verdict is still told, and the next run tries again
                return record_of(planned, self._run, failed, Marked(None, None), {}, _NO_KEYS, save=False), False

    def _graded(self, planned: Planned) -> tuple[Record, bool]:
        run = self._run
        former = _former(planned, run)
        content: bytes | None = None
        digests = hand_in.digests_of(planned.submission, planned.entry) if planned.failure is None else {}
        if planned.failure is None and planned.entry.file is not None and not digests:
            planned, content, digests = self._opened(planned)
        planned, content, opening = self._way(planned, former, digests, content)
        planned, choice, stage_keys = self._decided(planned, former, digests)
        stage_keys |= opening
        asking = keys.of_asking(planned, run, self._questions, digests)
        if former is not None and former.keys.get("ask") == asking and not run.fresh and _is_verdict(former):
            record = again(former, planned, run, self._questions)
            if record is not None:
                return record, record is former
        if planned.failure is None and planned.entry.file is not None and content is None:
            planned, content, digests = self._opened(planned)
            asking = keys.of_asking(planned, run, self._questions, digests)
        asked = self._ask(planned, asking, content or b"")
        if asked.digest:
            digests["answers"] = asked.digest
        marking = keys.of_marking(planned, run, digests) if asked.digest else ""
        marked = self._mark(planned, marking, asked)
        stage_keys |= {"ask": asking, "mark": marking}
        record = record_of(planned, run, asked, marked, digests, stage_keys, None, choice)
        if former is not None:
            records.remove_files(run.results, former, record)
        return record, False

    def _opened(self, planned: Planned) -> tuple[Planned, bytes, dict[str, str]]:
        """The entry, its file's content and digest; the entry with its failure where the file can't be read."""
        try:
            content = hand_in.content_of(planned.submission, planned.entry)
        except GradingError as error:
            return replace(planned, failure=error.failure), b"", {}
        return planned, content, hand_in.named_digest(planned.entry, intake.digest(content))

    def _way(
        self, planned: Planned, former: Record | None, digests: dict[str, str], content: bytes | None
    ) -> tuple[Planned, bytes | None, dict[str, str]]:
        """The entry as it is opened, its file's content if it was read, and the key of the decision."""
        if not way.is_open(planned):
            return planned, content, {}
        key = keys.of_opening(planned, self._run, digests)
        if former is not None and former.keys.get("open") == key and not self._run.fresh:
            return way.again(planned, former), content, {"open": key}
        if content is None:
            planned, content, found = self._opened(planned)
            digests |= found
        if planned.failure is not None:
            return planned, content, {}
        return way.decide(planned, self._run, self._workers, content), content, {"open": key}

    def _decided(
        self, planned: Planned, former: Record | None, digests: dict[str, str]
    ) -> tuple[Planned, Choice | None, dict[str, str]]:
        """The entry with the options that it is graded with, how they were chosen, and the key of choosing."""
        run, entry = self._run, planned.entry
        choices = combinations(planned, run)
        if len(choices) < 2 or "checkpoint" not in digests:
            return planned, None, {}
        try:
            trial, digest = self._questions.trial(run.coursework.task(entry.task), entry)
        except GradingError as error:
            return replace(planned, failure=error.failure), None, {}
        key = keys.of_trying(planned, run, digest, choices, digests)
        choice = choice_of(former) if former is not None and former.keys.get("try") == key and not run.fresh else None
        if choice is not None:
            choice = replace(choice, doubtful=is_doubtful(trial, choice.tried))
        else:
            try:
                content = hand_in.content_of(planned.submission, entry)
            except GradingError as error:
                return replace(planned, failure=error.failure), None, {}
            choice = choose(trial, choices, try_options(planned, run, trial, choices, self._workers, content))
        return replace(planned, entry=replace(entry, options=choice.options)), choice, {"try": key}

    def _ask(self, planned: Planned, key: str, content: bytes) -> Asked:
        if planned.failure is not None:
            return Asked(None, planned.failure, self._run.isolation.level)
        if key not in self._asked:
            task = self._run.coursework.task(planned.entry.task)
            questions = () if planned.entry.kind is Kind.OUTPUTS else self._questions.of(task, planned.entry)
            asked = ask(planned, self._run, task, questions, self._workers, content)
            if asked.answers is not None:
                asked = replace(asked, digest=kept.answers_digest(asked.answers))
            # Only reference models and baselines answer several parts alike; a student's answers are let go.
            self._asked = {key: asked}
        return self._asked[key]

    def _mark(self, planned: Planned, key: str, asked: Asked) -> Marked:
        if asked.answers is None:
            return Marked(None, None)
        if key not in self._marked:
            entry = planned.entry
            self._marked = {key: mark(self._run.coursework.task(entry.task), self._run.context, entry, asked.answers)}
        return self._marked[key]


def _former(planned: Planned, run: Run) -> Record | None:
    """The record that an earlier run left, if it can be read."""
    path = records.path_of(run.results, planned.submission.role, planned.submission.id, planned.part.id)
    try:
        return records.load(path) if path.exists() else None
    except records.RecordError:
        return None


def _is_verdict(record: Record) -> bool:
    """Tell a record whose answers or failure count from one of an entry on which the harness itself failed."""
    return record.status is not Status.NOT_GRADABLE or (
        record.failure is not None and record.failure.stage == "scoring"
    )


def _compared(done: Sequence[Record], run: Run, questions: Questions) -> list[Record]:
    """The records with what the compare stage says of them, over all entries of the results folder."""
    found = compare(run.results)
    result = []
    for record in done:
        evidence = tuple(found.get(identity(record), ()))
        if evidence == record.compared:
            result.append(record)
            continue
        changed = replace(record, compared=evidence)
        planned = remembered(changed, run)
        result.append((again(changed, planned, run, questions) if planned is not None else None) or changed)
    return result


def _forget_other_parts(submission: Submission, graded: Sequence[Record], run: Run) -> None:
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


def _forget_former_models(planned: Sequence[Plan], run: Run) -> None:
    """Delete records of baselines and reference models that no longer exist, for the parts of this run."""
    wanted = {(p.submission.role, p.submission.id, p.part.id) for plan in planned for p in plan}
    parts = {part for role, _, part in wanted if role is not Role.STUDENT}
    for record in records.load_all(run.results).records:
        gone = record.role is not Role.STUDENT and identity(record) not in wanted
        if gone and record.part in parts and record.assignment == run.assignment.name:
            records.remove(run.results, record)
