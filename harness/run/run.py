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
from typing import TYPE_CHECKING

from harness import records
from harness.run import beside_results, executors, kept, keys, way
from harness.run.ask import Asked, harness_failure
from harness.run.compare import compare
from harness.run.executors.interface import Examiner
from harness.run.executors.threads import Here
from harness.run.former import forget_former_models, forget_other_parts, former_record, is_verdict, remembered
from harness.run.hand_in import Copies, HandIn
from harness.run.identity import identity
from harness.run.mark import Marked, mark
from harness.run.plan import Plan, Planned, plans
from harness.run.questions import Questions
from harness.run.score import asked_of, marked_of, record_of
from harness.run.settings import RequestError, Run
from harness.run.trial import Choice, choice_of, choose, combinations, is_doubtful, shared
from harness.run.workers import weights_workers
from harness.sandbox.outside import WeightsWorkers
from harness.types import Evidence, GradingError, Record, Role, Submission

if TYPE_CHECKING:
    from harness.run.timing import OnTiming

OnRecord = Callable[[Record, bool], None]
"""Called with each record as it is ready, and whether it was taken over unchanged from an earlier run."""
_NO_KEYS = {"ask": "", "mark": ""}


def grade(
    submissions: Sequence[Submission],
    run: Run,
    on_record: OnRecord | None = None,
    warm: Sequence[WeightsWorkers] = (),
    planned: Sequence[Plan] | None = None,
    on_timing: OnTiming | None = None,
) -> list[Record]:
    """Grade all entries; the records, ordered by role, submission and part.

    The run's executor asks and marks them. Raises ExecutorError where the executor can't be had.

    Parameters
    ----------
    warm : sandboxed processes of an earlier run, for an executor that takes them
    planned : what is planned (`harness.run.plan.plans`), or a part of it, in place of all that `submissions` give
    """
    lock = threading.Lock()
    questions = Questions(run)
    every = planned is None
    planned = plans(submissions, run) if planned is None else planned

    def one(plan: Plan, examiner: Examiner) -> list[Record]:
        graded = []
        with Copies() as copies:
            entries = _Entries(run, questions, examiner, copies)
            for each in plan:
                run.activity.begin(each)
                try:
                    record, known = entries.graded(each)
                    graded.append(record)
                    if on_record is not None:
                        with lock:
                            on_record(record, known)
                finally:
                    run.activity.end()
        if not run.tasks and plan[0].submission.role is Role.STUDENT:
            forget_other_parts(plan[0].submission, graded, run)
        return graded

    with executors.opened(run, questions, warm) as executor:
        run = replace(run, isolation=executor.isolation)
        done = [record for graded in executor.each(one, planned) for record in graded]
    if run.timing or any(each.part.timing for plan in planned for each in plan):
        # Imported here, because it needs PyTorch, which a run where all is known does without.
        from harness.run.timing import time_class

        done = time_class(done, planned, run, questions, on_timing)
    if every and run.beside == "all":
        forget_former_models(planned, run)
    return sorted(compared(done, run, questions), key=_order)


def grade_beside(
    planned: Sequence[Plan],
    run: Run,
    on_record: OnRecord | None = None,
    warm: Sequence[WeightsWorkers] = (),
    before_asking: Callable[[], None] | None = None,
) -> list[Record]:
    """Grade baselines and reference models, as `grade` does; what is known of them is taken over first.

    `before_asking` is called where some are not known, before the first of these is asked, which may take long.
    """
    run = run.beside_class
    found: list[Record] = []
    left: list[list[Planned]] = []
    with weights_workers(run) as never_started, Copies() as copies:
        questions = Questions(run)
        entries = _Entries(run, questions, Here(run, questions, never_started), copies)
        for plan in planned:
            left.append([])
            for each in plan:
                record = entries.recalled(each)
                if record is None:
                    left[-1].append(each)
                    continue
                found.append(record)
                if on_record is not None:
                    on_record(record, True)
    if to_ask := [plan for plan in left if plan]:
        if before_asking is not None:
            before_asking()
        found += grade((), run, on_record, warm, to_ask)
    if run.beside == "all":
        forget_former_models(planned, run)
    return sorted(compared(found, run, questions), key=_order)


def _order(record: Record) -> tuple[int, str, str]:
    return list(Role).index(record.role), record.submission, record.part


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
        run.ready()
        asked = replace(asked, answers=answers)
        marked = mark(run.coursework.task(planned.entry.task), run.context, planned.entry, answers)
    return record_of(planned, run, asked, marked, digests, stage_keys, known, choice)


def _chosen_again(
    known: Record, planned: Planned, run: Run, choice: Choice, questions: Questions
) -> tuple[Choice, str] | None:
    """The choice of options and its key, as things are now; None where the model has to be asked for it."""
    task = run.coursework.task(planned.entry.task)
    choices = [one.options for one in choice.tried]
    entry = replace(planned.entry, options=shared(choices))
    key = keys.of_trying(planned, run, questions.trial_digest(task, entry), choices, known.digests)
    if key == known.keys.get("try"):
        return replace(choice, doubtful=is_doubtful(task, choice.tried)), key
    answers = kept.load_trial(run.results, known)
    if answers is None or len(answers) != len(choices):
        return None
    now = choose(questions.trial(task, entry), choices, answers)
    if dict(now.options) != dict(known.options):
        return None
    return replace(now, answers=None, file=known.trial_answers, doubtful=is_doubtful(task, now.tried)), key


class _Entries:
    """Grades the entries of one submission; what equal entries have in common is done once."""

    def __init__(self, run: Run, questions: Questions, examiner: Examiner, copies: Copies) -> None:
        self._run, self._questions, self._examiner, self._copies = run, questions, examiner, copies
        self._asked: dict[str, Asked] = {}
        self._marked: dict[str, Marked] = {}

    def graded(self, planned: Planned) -> tuple[Record, bool]:
        """The entry's record, and whether an earlier run left it; whatever goes wrong is in the record."""
        try:
            found = self._graded(planned)
            if found is None:
                raise AssertionError
            return found
        except RequestError:  # data or judge can't be used, for this entry or any other
            raise
        except Exception as error:  # one entry's trouble is never another's
            failed = Asked(None, harness_failure(error), self._run.isolation.level)
            try:
                return record_of(planned, self._run, failed, Marked(None, None), {}, _NO_KEYS), False
            except Exception:  # a full disk, say: the verdict is still told, and the next run tries again
                return record_of(planned, self._run, failed, Marked(None, None), {}, _NO_KEYS, save=False), False

    def recalled(self, planned: Planned) -> Record | None:
        """The record of a baseline or reference model that is known; None where it has to be asked."""
        try:
            found = self._graded(planned, may_ask=False)
        except Exception:
            return None
        return None if found is None else found[0]

    def _graded(self, planned: Planned, may_ask: bool = True) -> tuple[Record, bool] | None:
        run, beside = self._run, planned.submission.role is not Role.STUDENT
        former = former_record(planned, run)
        handed_in = HandIn.of(planned, self._copies)
        if not beside and planned.failure is None and (former is None or run.fresh):
            self._examiner.expect(planned)
        if planned.entry.code is not None and may_ask and (former is None or run.fresh):
            # It will be asked whatever its files' digests are, so these are computed once, while they are copied.
            handed_in.read()
        opening = self._way(handed_in, former, may_ask)
        if opening is None:
            return None
        choice, stage_keys = self._decided(handed_in, former)
        stage_keys |= opening
        asking = keys.of_asking(handed_in.planned, run, self._questions, handed_in.digests)
        valid = former is not None and former.keys.get("ask") == asking and not run.fresh and is_verdict(former)
        # To mark again takes seconds, so it counts as asking.
        if former is not None and valid and (may_ask or self._is_marked(handed_in.planned, former)):
            record = again(former, handed_in.planned, run, self._questions)
            if record is not None:
                return record, record is former
        if beside and not run.fresh and handed_in.planned.failure is None:
            record = beside_results.recalled(handed_in.planned, run, asking)
            if record is not None:
                if former is not None:
                    records.remove_files(run.results, former, record)
                return record, True
        if not may_ask:
            return None
        if handed_in.read():
            asking = keys.of_asking(handed_in.planned, run, self._questions, handed_in.digests)
        planned, digests = handed_in.planned, handed_in.digests
        asked = self._ask(planned, asking, handed_in.content or b"")
        if asked.level not in ("", run.isolation.level):
            asking = keys.of_asking(planned, run, self._questions, digests, asked.level)
        if asked.digest:
            digests["answers"] = asked.digest
        if beside and planned.failure is None:
            digests["questions"] = self._questions.digest(run.coursework.task(planned.entry.task), planned.entry)
        marking = keys.of_marking(planned, run, digests) if asked.digest else ""
        marked = self._mark(planned, marking, asked)
        stage_keys |= {"ask": asking, "mark": marking}
        record = record_of(planned, run, asked, marked, digests, stage_keys, None, choice)
        if former is not None:
            records.remove_files(run.results, former, record)
        if beside:
            beside_results.keep(planned, run, asking, record)
        return record, False

    def _is_marked(self, planned: Planned, former: Record) -> bool:
        return keys.of_marking(planned, self._run, dict(former.digests)) == former.keys.get("mark")

    def _way(self, handed_in: HandIn, former: Record | None, may_ask: bool) -> dict[str, str] | None:
        """The key of the decision how the entry is opened; the plan gets it. None where it would have to be asked."""
        if not way.is_open(handed_in.planned):
            return {}
        key = keys.of_opening(handed_in.planned, self._run, handed_in.digests)
        if former is not None and former.keys.get("open") == key and not self._run.fresh:
            handed_in.planned = way.again(handed_in.planned, former)
            return {"open": key}
        if not may_ask:
            return None
        if handed_in.read():
            if handed_in.planned.failure is not None:
                return {}
            key = keys.of_opening(handed_in.planned, self._run, handed_in.digests)
        handed_in.planned = self._examiner.opened(handed_in.planned, handed_in.content or b"")
        return {"open": key}

    def _decided(self, handed_in: HandIn, former: Record | None) -> tuple[Choice | None, dict[str, str]]:
        """The choice of the options that the entry is graded with, and the key of choosing; the plan gets them."""
        run, entry = self._run, handed_in.planned.entry
        choices = combinations(handed_in.planned, run)
        if len(choices) < 2 or "checkpoint" not in handed_in.digests:
            return None, {}
        task = run.coursework.task(entry.task)
        try:
            digest = self._questions.trial_digest(task, entry)
        except GradingError as error:
            handed_in.planned = replace(handed_in.planned, failure=error.failure)
            return None, {}
        key = keys.of_trying(handed_in.planned, run, digest, choices, handed_in.digests)
        choice = choice_of(former) if former is not None and former.keys.get("try") == key and not run.fresh else None
        if choice is None:
            handed_in.read()
            if handed_in.content is None:
                return None, {}
            key = keys.of_trying(handed_in.planned, run, digest, choices, handed_in.digests)
            trial = self._questions.trial(task, entry)
            answers = self._examiner.try_options(handed_in.planned, trial, choices, handed_in.content)
            choice = choose(trial, choices, answers)
        choice = replace(choice, doubtful=is_doubtful(task, choice.tried))
        handed_in.planned = replace(handed_in.planned, entry=replace(entry, options=choice.options))
        return choice, {"try": key}

    def _ask(self, planned: Planned, key: str, content: bytes) -> Asked:
        if planned.failure is not None:
            return Asked(None, planned.failure, self._run.isolation.level)
        self._run.ready()
        if key not in self._asked:
            asked = self._examiner.ask(planned, content)
            if asked.answers is not None:
                asked = replace(asked, digest=kept.answers_digest(asked.answers))
            # Only reference models and baselines answer several parts alike; a student's answers are let go. Answers
            # that stayed where they were marked are asked for again.
            self._asked = {key: asked} if asked.answers is not None or not asked.digest else {}
            return asked
        return self._asked[key]

    def _mark(self, planned: Planned, key: str, asked: Asked) -> Marked:
        if not asked.digest:
            return Marked(None, None)
        if key not in self._marked:
            self._run.activity.at("marking")
            self._marked = {key: self._examiner.mark(planned, asked)}
        return self._marked[key]


def compared(done: Sequence[Record], run: Run, questions: Questions) -> list[Record]:
    """The records with what the compare stage says of them, over all entries of the results folder.

    Others of the folder are written anew where it says something else of them now.
    """
    every = records.load_all(run.results).records
    found = compare(every, run.results, run.coursework, run.earlier, run.compare_shipped)
    known = {identity(record) for record in done}
    of = (run.assignment.name, run.context.data.digest)
    for record in every:
        its = (record.assignment, record.digests.get("data"))
        if identity(record) not in known and record.role is Role.STUDENT and its == of:
            _with_compared(record, tuple(found.get(identity(record), ())), run, questions)
    return [_with_compared(record, tuple(found.get(identity(record), ())), run, questions) for record in done]


def _with_compared(record: Record, evidence: tuple[Evidence, ...], run: Run, questions: Questions) -> Record:
    if evidence == record.compared:
        return record
    changed = replace(record, compared=evidence)
    planned, own = remembered(changed, run), run.as_recorded(record)
    questions = questions if own is run else Questions(own)
    return (again(changed, planned, own, questions) if planned is not None else None) or changed
