"""Asks: an entry's model gets its task's questions and gives answers, in the sandbox."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.run import workers
from harness.run.deadlines import deadline_of, explained, limits_for
from harness.run.plan import Planned
from harness.run.settings import Run
from harness.sandbox.outside import Session, WeightsWorkers
from harness.tasks.base import AsksAgain, Task
from harness.text import shown
from harness.types import Answer, ArraySpec, Failure, GradingError, Kind, Question, refuse


@dataclass(frozen=True)
class Asked:
    """The result of asking an entry."""

    answers: Sequence[Answer] | None
    """None where the entry failed, or where they are known by their digest alone."""
    failure: Failure | None
    isolation: str
    """The isolation that held: a level, or NOT ISOLATED."""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    digest: str = ""
    """SHA-256 of the answers; empty where there are none."""
    level: str = ""
    """The level that the host of the sandbox offers, where that is another machine; empty for this one."""


def ask(
    planned: Planned, run: Run, task: Task, questions: Sequence[Question], warm: WeightsWorkers, content: bytes
) -> Asked:
    """Ask an entry all of its task's questions. `content` is the entry's file, empty where it has none.

    Never raises: what goes wrong is the result's failure, and this entry's alone.
    """
    started = time.perf_counter()
    try:
        answers, notes, isolation = _answers(planned, run, task, questions, warm, content)
    except GradingError as error:
        return Asked(None, error.failure, run.isolation.level, (), time.perf_counter() - started)
    except Exception as error:
        return Asked(None, harness_failure(error), run.isolation.level, (), time.perf_counter() - started)
    return Asked(answers, None, isolation, tuple(notes), time.perf_counter() - started)


def harness_failure(error: Exception) -> Failure:
    """Return the failure of an entry on which the harness itself broke."""
    message = f"The harness failed: {type(error).__name__}: {error}. This is not the submission's fault."
    return Failure("marking", "harness-error", message, "harness", traceback.format_exc())


def _answers(
    planned: Planned, run: Run, task: Task, questions: Sequence[Question], warm: WeightsWorkers, content: bytes
) -> tuple[list[Answer], list[str], str]:
    """The answers, notes, and the isolation that held."""
    entry = planned.entry
    if entry.kind is Kind.OUTPUTS:
        name = shown(entry.file or entry.part)
        wanted = task.outputs or {}
        with workers.for_weights(run, warm) as worker:
            answer = worker.read_outputs(content, name, wanted)
            _refuse_out_of_bounds(answer, wanted, name)
            return [answer], list(worker.notes), worker.isolation_stamp
    answers, notes, isolation = _in_fresh_workers(planned, run, questions, warm, content)
    while isinstance(task, AsksAgain) and (more := task.follow_up(run.context, entry, answers)):
        further, said, isolation = _in_fresh_workers(planned, run, more, warm, content)
        answers, notes = [*answers, *further], [*notes, *(note for note in said if note not in notes)]
    return answers, notes, isolation


def _in_fresh_workers(
    planned: Planned, run: Run, questions: Sequence[Question], warm: WeightsWorkers, content: bytes
) -> tuple[list[Answer], list[str], str]:
    """The answers of fresh workers, one a sitting; notes; the isolation that held. A baseline answers in the parent."""
    if planned.baseline is not None:
        return list(planned.baseline.answer(run.context, questions)), [], run.isolation.level
    answers: dict[int, Answer] = {}
    notes: list[str] = []
    isolation: str = run.isolation.level
    for sitting in sorted({question.sitting for question in questions}):
        numbers = [number for number, question in enumerate(questions) if question.sitting == sitting]
        with _opened(planned, run, [questions[number] for number in numbers], warm, content) as worker:
            missed = _asked(worker, questions, numbers, planned, run, answers)
            notes += [note for note in (*worker.notes, *missed) if note not in notes]
            isolation = worker.isolation_stamp
    return [answers[number] for number in range(len(questions))], notes, isolation


@contextmanager
def _opened(
    planned: Planned, run: Run, questions: Sequence[Question], warm: WeightsWorkers, content: bytes
) -> Iterator[Session]:
    """A fresh worker that has opened the entry's model, for some questions."""
    entry = planned.entry
    if entry.kind is Kind.WEIGHTS:
        with workers.for_weights(run, warm, limits_for(run.limits, questions, planned, run)) as worker:
            worker.open_weights(entry.model or "", entry.options, content, shown(entry.file or entry.part))
            yield worker
        return
    with workers.for_code(run, limits_for(run.code_limits, questions, planned, run)) as worker:
        worker.open_code(planned.submission.root, entry.code or "", entry.file)
        yield worker


def _asked(
    worker: Session,
    questions: Sequence[Question],
    numbers: Sequence[int],
    planned: Planned,
    run: Run,
    answers: dict[int, Answer],
) -> list[str]:
    """Put the questions of these numbers, and add the answers, empty where an optional one was not answered; notes."""
    notes = []
    run.activity.at("asking")
    for number in numbers:
        question = questions[number]
        deadline = deadline_of(question, planned, run)
        try:
            answers[number] = worker.ask(question, deadline, run.activity.asking(number, questions, deadline))
        except GradingError as error:
            failure = error.failure
            if failure.kind == "timeout":
                failure = explained(failure, question, planned, run)
            if not question.optional or failure.fault == "harness":
                raise GradingError(failure) from error
            answers[number] = {}
            notes.append(f"An optional question was not answered: {failure.message}")
    return notes


def _refuse_out_of_bounds(answer: Answer, wanted: Mapping[str, ArraySpec], name: str) -> None:
    """Hold arrays that a file brought against the bounds that their specs state."""
    for key, spec in wanted.items():
        low, high = answer[key].min(initial=0), answer[key].max(initial=0)
        if (spec.low is not None and low < spec.low) or (spec.high is not None and high > spec.high):
            message = f"{name}: the values of {key!r} lie in [{low}, {high}]; allowed is [{spec.low:g}, {spec.high:g}]."
            raise refuse("answers", "out-of-range", message)
