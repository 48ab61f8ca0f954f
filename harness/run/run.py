"""A run: every entry of every submission is asked, marked, scored and recorded, whatever the others do.

Submissions are graded side by side by `jobs` threads, each with a sandboxed process of its own. Nothing that an entry's
record holds depends on which thread, in which order, or beside whom it was graded. Records are written as soon as they
exist, so an interrupted run loses only what was under way; the next one skips whatever was graded from the same inputs.

House rows, trivial baselines and reference models, are graded after the class, for the parts that it answers.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from harness import intake, provenance, records
from harness.rubric import Assignment, Part, score
from harness.run import references
from harness.sandbox.outside import CODE_LIMITS, Isolation, Limits, Session, WeightsWorkers, Worker
from harness.tasks import TASKS, Baseline, Context, Task
from harness.text import shown
from harness.types import (
    HOUSE,
    Answer,
    ArraySpec,
    Entry,
    Failure,
    GradingError,
    Kind,
    Marks,
    Question,
    Record,
    Status,
    Submission,
    broken,
    refuse,
)

House = Literal["none", "baselines", "all"]
CHECKPOINT_LIMIT = 512 << 20
"""Bytes of the largest checkpoint or answers file that is read."""


@dataclass(frozen=True)
class Run:
    """What all entries of a run share."""

    context: Context
    assignment: Assignment
    results: Path
    isolation: Isolation
    jobs: int = 1
    fresh: bool = False
    """Grade again what is recorded already."""
    trust_code: bool = False
    """Run student code without isolation, where isolation can't be had."""
    limits: Limits = field(default_factory=Limits)
    code_limits: Limits = CODE_LIMITS
    only: frozenset[str] = frozenset()
    """Submission ids; all if empty."""
    tasks: frozenset[str] = frozenset()
    """Task names; all if empty."""
    house: House = "none"
    """Which house rows are graded, too; all are baselines and reference models."""


OnRecord = Callable[[Record, bool], None]
"""Called with each record as it is ready, and whether it was taken over from an earlier run."""


@dataclass(frozen=True)
class _Planned:
    """An entry, the assignment's part that it answers, and why it can't be graded if that is known beforehand."""

    entry: Entry
    part: Part
    failure: Failure | None = None
    baseline: Baseline | None = None
    """What answers in place of a model."""


_Plan = tuple[Submission, list[_Planned]]


@dataclass(frozen=True)
class _Verdict:
    """What grading an entry comes to; `failure` where there are no marks."""

    marks: Marks | None
    failure: Failure | None
    isolation: str
    timings: dict[str, float]
    notes: list[str]


def count(submissions: Sequence[Submission], run: Run) -> int:
    """How many records a run will give, house rows among them."""
    return sum(len(plan) for _, plan in _plans(submissions, run))


def grade(
    submissions: Sequence[Submission],
    run: Run,
    on_record: OnRecord | None = None,
    warm_workers: Sequence[WeightsWorkers] = (),
) -> list[Record]:
    """Grade all entries; the records, ordered by submission and part, those of house rows among them.

    Each of the `jobs` threads takes one of `warm_workers`, the warm sandboxes of an earlier run, or starts its own.
    """
    lock = threading.Lock()
    slots = threading.local()
    warm = list(warm_workers)
    done: list[Record] = []

    def one(submission: Submission, plan: Sequence[_Planned]) -> list[Record]:
        if not hasattr(slots, "warm"):
            with lock:
                slots.warm = warm.pop() if warm else stack.enter_context(WeightsWorkers(run.isolation))
        graded = []
        verdicts: dict[str, _Verdict] = {}
        for planned in plan:
            record, known = _recorded(submission, planned, run, slots.warm, verdicts)
            graded.append(record)
            if on_record is not None:
                with lock:
                    on_record(record, known)
        if not run.tasks and not submission.id.startswith(HOUSE):
            _forget_others(submission, graded, run)
        return graded

    with ExitStack() as stack, ThreadPoolExecutor(max(1, run.jobs)) as pool:
        plans = _plans(submissions, run)
        futures = [pool.submit(one, *plan) for plan in plans]
        try:
            for future in as_completed(futures):
                done += future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if run.house == "all":
        _forget_former_house(plans, run)
    return sorted(done, key=lambda record: (record.submission, record.part))


def _plans(submissions: Sequence[Submission], run: Run) -> list[_Plan]:
    """What to grade, the class first."""
    own: list[_Plan] = [(submission, _plan(submission, run)) for submission in _chosen(submissions, run)]
    answered = {planned.part.id for _, plan in own for planned in plan if planned.failure is None}
    beside = [part for part in run.assignment.part if part.id in answered and not part.earlier_of]
    return own + _house_plans(beside, run)


def _house_plans(parts: Sequence[Part], run: Run) -> list[_Plan]:
    """The house rows of some parts: their tasks' baselines, and the reference models that a student could submit."""
    if run.house == "none":
        return []
    plans: dict[str, _Plan] = {}
    models = references.submissions() if run.house == "all" else []
    for part in parts:
        for name, baseline in TASKS[part.task].baselines.items():
            entry = Entry(part.task, Kind.BASELINE, part.id)
            submission = Submission(HOUSE + name, baseline.title, Path(), (entry,))
            _, plan = plans.setdefault(submission.id, (submission, []))
            plan.append(_Planned(entry, part, baseline=baseline))
        for submission in models:
            for entry in submission.entries:
                if entry.task == part.task and (not part.models or entry.model in part.models):
                    _, plan = plans.setdefault(submission.id, (submission, []))
                    plan.append(_Planned(entry, part))
    return list(plans.values())


def _forget_former_house(plans: Sequence[_Plan], run: Run) -> None:
    """Remove the records of house rows that there no longer are, for the parts of this run."""
    wanted = {(submission.id, planned.part.id) for submission, plan in plans for planned in plan}
    for part in {part for identity, part in wanted if identity.startswith(HOUSE)}:
        for path in run.results.glob(f"{HOUSE}*/{part}.json"):
            if (path.parent.name, part) in wanted:
                continue
            try:
                old = records.load(path)
            except records.RecordError:
                continue
            if old.assignment == run.assignment.name:
                records.remove(run.results, old)


def _chosen(submissions: Sequence[Submission], run: Run) -> list[Submission]:
    return [s for s in submissions if not run.only or s.id in run.only]


def _plan(submission: Submission, run: Run) -> list[_Planned]:
    """What to grade of a submission, each part of the assignment at most once.

    A submission that failed as a whole, or of which nothing answers a part, fails every part. A part that two entries
    answer fails: which of them counts is the student's to say.
    """
    parts = run.assignment.part
    answering: dict[str, list[Entry]] = {}
    for entry in submission.entries:
        part = run.assignment.part_for(entry.part, entry.task)
        if part is not None:
            answering.setdefault(part.id, []).append(entry)
    if answering and submission.failure is None:
        plan = [
            _Planned(answering[part.id][0], part, _several(part, answering[part.id]))
            for part in parts
            if part.id in answering
        ]
    else:
        failure = submission.failure or _no_part(submission, run)
        asked = [part for part in parts if not part.earlier_of]
        plan = [_Planned(Entry(part.task, Kind.WEIGHTS, part.id), part, failure) for part in asked]
    return [planned for planned in plan if not run.tasks or planned.entry.task in run.tasks]


def _several(part: Part, entries: Sequence[Entry]) -> Failure | None:
    if len(entries) == 1:
        return None
    named = ", ".join(shown(entry.file or entry.code or entry.part) for entry in entries[:5])
    message = f"submission.toml: {len(entries)} entries answer the part {part.id} ({named}); one is allowed."
    return Failure("manifest", "equal-parts", message)


def _no_part(submission: Submission, run: Run) -> Failure:
    if not submission.entries:
        return Failure("intake", "empty", "Nothing to grade was found: no submission.toml and no known layout.")
    return Failure("manifest", "unknown-part", " ".join(_unanswering(submission, run)))


def _unanswering(submission: Submission, run: Run) -> list[str]:
    """A sentence about each entry that answers no part of the assignment."""
    return [
        f"submission.toml: the entry with part {shown(entry.part)!r} (task {entry.task}) answers no part of "
        f"{run.assignment.name}; its parts are {', '.join(part.id for part in run.assignment.part)}."
        for entry in submission.entries
        if run.assignment.part_for(entry.part, entry.task) is None
    ]


def _recorded(
    submission: Submission, planned: _Planned, run: Run, warm: WeightsWorkers, verdicts: dict[str, _Verdict]
) -> tuple[Record, bool]:
    """The entry's record, and whether it is one that an earlier run left; whatever goes wrong is in the record.

    `verdicts` holds, by task and entry, what grading the submission came to so far.
    """
    try:
        return _known_or_graded(submission, planned, run, warm, verdicts)
    except Exception as error:  # one entry's trouble is never another's
        record = _record(submission, planned, run, "", {}, failure=_harness_failure(error))
        try:
            return _keep(record, run), False
        except Exception:  # a full disk, say: the verdict is still told, and the next run tries again
            return record, False


def _known_or_graded(
    submission: Submission, planned: _Planned, run: Run, warm: WeightsWorkers, verdicts: dict[str, _Verdict]
) -> tuple[Record, bool]:
    content: bytes | None = None
    if planned.failure is None and planned.entry.file is not None:
        try:
            content = intake.open_file(submission, planned.entry.file, CHECKPOINT_LIMIT)
        except GradingError as error:
            planned = replace(planned, failure=error.failure)
    fingerprint, digests = _fingerprint(submission, planned, run, content)
    path = records.path_of(run.results, submission.id, planned.part.id)
    if not run.fresh and path.exists():
        try:
            known = records.load(path)
        except records.RecordError:
            known = None
        if known is not None and known.digests.get("inputs") == fingerprint and known.status != Status.NOT_GRADABLE:
            return known, True
    # A reference model answers several parts of one task as one entry: it is asked the same, and marked the same.
    # A baseline is another entry for each part, since a task may ask by the part's name (symbol-prediction does).
    everywhere = planned.baseline is not None and planned.baseline.same_for_parts
    same = planned.entry.task if everywhere else f"{planned.entry.task}/{planned.entry.part}"
    verdict = verdicts.get(same) if submission.id.startswith(HOUSE) else None
    if verdict is None:
        verdict = verdicts[same] = _verdict(submission, planned, run, warm, content)
    record = _record(
        submission,
        planned,
        run,
        fingerprint,
        digests,
        verdict.marks,
        verdict.failure,
        verdict.isolation,
        verdict.timings,
        tuple(verdict.notes),
    )
    return _keep(record, run, verdict.marks), False


def _forget_others(submission: Submission, graded: Sequence[Record], run: Run) -> None:
    """Remove what earlier runs recorded for parts that the submission no longer hands in."""
    kept = {record.part for record in graded}
    for path in (run.results / submission.id).glob("*.json"):
        if path.stem in kept:
            continue
        try:
            old = records.load(path)
        except records.RecordError:
            continue
        if old.assignment == run.assignment.name and old.submission == submission.id:
            records.remove(run.results, old)


def _verdict(
    submission: Submission, planned: _Planned, run: Run, warm: WeightsWorkers, content: bytes | None
) -> _Verdict:
    entry = planned.entry
    timings: dict[str, float] = {}
    notes = [*submission.notes, *_unanswering(submission, run)]
    isolation: str = run.isolation.level
    marks: Marks | None = None
    failure = planned.failure
    if failure is None:
        try:
            task = TASKS[entry.task]
            with _Timed(timings, "answers"):
                answers, said, isolation = _answers(submission, planned, task, run, warm, content)
            notes += said
            with _Timed(timings, "marking"):
                marks, said = task.mark(run.context, entry, answers)
            notes += said
            _refuse_non_finite(marks)
        except GradingError as error:
            failure = error.failure
        except Exception as error:  # whatever else goes wrong is the harness's fault, and this entry's alone
            failure = _harness_failure(error)
    return _Verdict(marks, failure, isolation, timings, notes)


def _harness_failure(error: Exception) -> Failure:
    message = f"The harness failed: {type(error).__name__}: {error}. This is not the submission's fault."
    return Failure("marking", "harness-error", message, "harness", traceback.format_exc())


class _Timed:
    """Adds the seconds that its block takes to `timings[stage]`."""

    def __init__(self, timings: dict[str, float], stage: str) -> None:
        self.timings, self.stage = timings, stage

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.timings[self.stage] = time.perf_counter() - self.start


def _answers(
    submission: Submission, planned: _Planned, task: Task, run: Run, warm: WeightsWorkers, content: bytes | None
) -> tuple[list[Answer], list[str], str]:
    """Ask an entry's model all of its task's questions: answers, notes, and the isolation that held."""
    entry = planned.entry
    name = shown(entry.file or entry.code or entry.part)
    if entry.kind is Kind.OUTPUTS:
        if task.outputs is None:
            raise refuse("manifest", "outputs", f"{task.name} takes no answers-only files.")
        with warm.worker(run.limits) as worker:
            answer = worker.read_outputs(content or b"", name, task.outputs)
            _refuse_out_of_bounds(answer, task.outputs, name)
            return [answer], list(worker.notes), worker.isolation_stamp
    if entry.kind is Kind.ONNX:
        raise broken("worker", "onnx", f"{name}: ONNX entries can't be graded by this version.")
    questions = task.questions(run.context, entry)
    if planned.baseline is not None:
        return list(planned.baseline.answer(run.context, questions)), [], run.isolation.level
    if entry.kind is Kind.WEIGHTS:
        allowed = planned.part.models or task.models
        if not submission.id.startswith(HOUSE) and (entry.model is None or entry.model not in allowed):
            message = (
                f"The part {planned.part.id} takes no architecture {entry.model!r}; it takes {', '.join(allowed)}."
            )
            raise refuse("manifest", "model", message)
        with warm.worker(run.limits) as worker:
            worker.open_weights(entry.model or "", entry.options, content or b"", name)
            answers, missed = _asked(worker, questions, run)
            return answers, [*worker.notes, *missed], worker.isolation_stamp
    with Worker(run.isolation, limits=run.code_limits, trust_code=run.trust_code) as worker:
        worker.open_code(submission.root, entry.code or "", entry.file)
        answers, missed = _asked(worker, questions, run)
        return answers, [*worker.notes, *missed], worker.isolation_stamp


def _asked(worker: Session, questions: Sequence[Question], run: Run) -> tuple[list[Answer], list[str]]:
    """The answers to all questions, empty where an optional one was not answered, and notes on these."""
    answers: list[Answer] = []
    notes = []
    for question in questions:
        try:
            answers.append(worker.ask(question, question.deadline or run.limits.wall_seconds))
        except GradingError as error:
            if not question.optional or error.failure.fault == "harness":
                raise
            answers.append({})
            notes.append(f"A question that doesn't count was not answered: {error.failure.message}")
    return answers, notes


def _refuse_out_of_bounds(answer: Answer, wanted: Mapping[str, ArraySpec], name: str) -> None:
    """Hold arrays that a file brought against the bounds that their specs state."""
    for key, spec in wanted.items():
        low, high = answer[key].min(initial=0), answer[key].max(initial=0)
        if (spec.low is not None and low < spec.low) or (spec.high is not None and high > spec.high):
            message = f"{name}: the values of {key!r} lie in [{low}, {high}]; allowed is [{spec.low:g}, {spec.high:g}]."
            raise refuse("answers", "out-of-range", message)


def _fingerprint(
    submission: Submission, planned: _Planned, run: Run, content: bytes | None
) -> tuple[str, dict[str, str]]:
    """A digest of all that decides an entry's record, and the digests that the receipt shows."""
    entry = planned.entry
    digests = {
        "data": run.context.data.digest,
        "judge": run.context.judge.digest,
        "grader": provenance.grader_digest(),
    }
    if run.context.second is not None:
        digests["public judge"] = run.context.second.digest
    if entry.task in run.context.official:
        digests["official cases"] = run.context.official[entry.task].digest
    if content is not None:
        digests["outputs" if entry.kind is Kind.OUTPUTS else "checkpoint"] = intake.digest(content)
    if entry.kind is Kind.CODE:
        digests["code"] = intake.tree_digest(submission)
    decides = {
        "digests": digests,
        "submission": [submission.name, submission.notes, _unanswering(submission, run)],
        "entry": {k: (dict(v) if k == "options" else v) for k, v in asdict(entry).items()},
        "failure": None if planned.failure is None else asdict(planned.failure),
        "part": planned.part.model_dump(),
        "assignment": run.assignment.name,
        "protocol": TASKS[entry.task].protocol,
        "seed": run.context.seed,
        "versions": dict(provenance.versions()),
        "isolation": run.isolation.level,
        "trusted": run.trust_code,
    }
    fingerprint = hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()
    return fingerprint, digests


def _record(
    submission: Submission,
    planned: _Planned,
    run: Run,
    fingerprint: str,
    digests: dict[str, str],
    marks: Marks | None = None,
    failure: Failure | None = None,
    isolation: str = "",
    timings: dict[str, float] | None = None,
    notes: tuple[str, ...] = (),
) -> Record:
    entry, part = planned.entry, planned.part
    good = marks if failure is None else None
    return Record(
        submission=submission.id,
        name=submission.name,
        part=part.id,
        task=entry.task,
        kind=entry.kind.value,
        model=entry.model,
        assignment=run.assignment.name,
        protocol=TASKS[entry.task].protocol,
        status=failure.status if failure is not None else Status.SCORED,
        failure=failure,
        score=score(part, good) if good is not None else None,
        primary=good.primary if good is not None else None,
        metrics=good.metrics if good is not None else {},
        evidence=good.evidence if good is not None else (),
        gates=good.gates if good is not None else {},
        tables={name: table.tolist() for name, table in good.tables.items()} if good is not None else {},
        pictures=(
            {name: records.picture_name(submission.id, part.id, name) for name in good.pictures}
            if good is not None
            else {}
        ),
        data=run.context.data.name,
        seed=run.context.seed,
        digests=digests | ({"inputs": fingerprint} if fingerprint else {}),
        versions=provenance.versions(),
        device="cpu",
        isolation=isolation or run.isolation.level,
        timings=timings or {},
        notes=notes,
        epochs=entry.epochs if submission.id.startswith(HOUSE) else part.epochs,
        earlier_of=part.earlier_of,
    )


def _keep(record: Record, run: Run, marks: Marks | None = None) -> Record:
    stamped = replace(record, graded_at=datetime.now(UTC).isoformat(timespec="seconds"))
    pictures = marks.pictures if marks is not None and record.status is Status.SCORED else {}
    records.save(run.results, stamped, pictures)
    return stamped


def _refuse_non_finite(marks: Marks) -> None:
    for name, metric in marks.metrics.items():
        for number in (metric.value, metric.low, metric.high):
            if number is not None and not np.isfinite(number):
                raise broken("marking", "not-finite", f"The metric {name} came out as {number}.")
