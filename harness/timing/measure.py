"""Measures the time of one entry beside its reference, in an order and with questions that nobody can foresee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from harness.sandbox.outside import Isolation
from harness.secret import Secret
from harness.tasks.base import Context, TimedQuestion, TimedTask
from harness.timing import calls, core, operations, order, protocol, verdict, wire
from harness.timing.calls import Open, Pilot, Process
from harness.timing.order import AGAIN, ENTRY, REFERENCE
from harness.types import Entry, GradingError, Question, Timing


class Machine:
    """The core that is timed on, its peak, and the cost of transport on it; each is measured once."""

    def __init__(self, isolation: Isolation) -> None:
        self.core = core.chosen()
        self.name = core.processor()
        self._isolation = isolation
        self._peak = 0.0
        self._wire: dict[object, float] = {}
        self._work: dict[object, operations.Work] = {}

    @property
    def peak(self) -> float:
        """Floating-point operations in a second of one thread."""
        if not self._peak:
            with core.pinned(self.core):
                self._peak = operations.peak()
        return self._peak

    def wire_seconds(self, question: Question) -> float:
        """Seconds of a call with a question's shapes to a model that does nothing."""
        inputs = tuple((array.dtype.str, array.shape) for array in question.inputs.values())
        shapes = (inputs, tuple((spec.dtype, spec.shape) for spec in question.answers.values()))
        if shapes not in self._wire:
            self._wire[shapes] = wire.seconds(question, self._isolation, self.core)
        return self._wire[shapes]

    def work(self, name: object, build: Callable[[], nn.Module], question: Question) -> operations.Work:
        """Size and work of an architecture, which `name` tells from others, for questions of a size."""
        key = (name, question.method, len(next(iter(question.inputs.values()))))
        if key not in self._work:
            self._work[key] = operations.work_of(build(), question)
        return self._work[key]


@dataclass(frozen=True)
class Subject:
    """An entry that is to be timed, and what its timed answers are held against."""

    task: TimedTask
    context: Context
    entry: Entry
    model: Open
    """Starts the entry's model in a fresh worker."""
    graded: NDArray[np.float64]
    """Scores of the graded answers, question by question; empty where they are not known."""
    better: Literal["higher", "lower"]
    """Direction of these scores."""
    graded_questions: Callable[[], Sequence[Question]]
    graded_seconds: float
    """Seconds that the graded answers took."""
    runs_code: bool
    """True where code of the submission runs, which could tell timing from grading."""
    architecture: tuple[object, Callable[[], nn.Module]] | None = None
    """Name and constructor of a known architecture whose sizes do not depend on the submission."""


@dataclass(frozen=True)
class Reference:
    """The model that entries are timed against."""

    title: str
    model: Open


class Plan(NamedTuple):
    """The calls of each process."""

    rows: int
    calls: int
    singles: int


@dataclass
class Measured:
    """All that was measured of an entry and its reference."""

    plan: Plan
    processes: dict[str, list[Process]] = field(default_factory=lambda: {who: [] for who in order.WHO})
    questions: list[list[TimedQuestion]] = field(default_factory=list)
    """The timed questions of each round."""

    def seconds(self, who: str, single: bool = False) -> NDArray[np.float64]:
        """Seconds of the calls with the batch, or with a single row, (rounds, calls)."""
        part = slice(self.plan.calls, None) if single else slice(0, self.plan.calls)
        return np.array([[call.seconds for call in process.calls[part]] for process in self.processes[who]])


def timed(subject: Subject, reference: Reference, machine: Machine) -> Timing:
    """Time an entry. Never raises GradingError: what goes wrong is the timing's reason."""
    secret = Secret()
    numbers = secret.numbers("order")
    try:
        plan = _plan(subject, reference, machine, secret)
    except GradingError as error:
        # A model that is too slow for this clock is not at fault: it met its deadlines when it was graded.
        return verdict.failed(error.failure, "before it was timed", harness=error.failure.kind == "timeout")
    if isinstance(plan, str):
        return Timing("not-measurable", plan, reference=reference.title, machine=machine.name)
    measured = Measured(plan)
    for number, whose in enumerate(order.balanced(protocol.ROUNDS, numbers)):
        questions = _drawn(subject, secret, number, plan)
        warm = questions[: protocol.WARM_CALLS]
        measured.questions.append(questions[protocol.WARM_CALLS :])
        for who in whose:
            model = subject.model if who == ENTRY else reference.model
            try:
                process = calls.run(
                    model,
                    machine.core,
                    [one.question for one in warm],
                    [one.question for one in measured.questions[-1]],
                    numbers,
                    keep_answers=who == ENTRY,
                )
            except GradingError as error:
                if who != ENTRY:
                    return verdict.failed(error.failure, "of the reference model", harness=True)
                return verdict.failed(error.failure, "while it was timed")
            measured.processes[who].append(process)
    return verdict.conclude(subject, reference.title, machine, measured, secret)


def _plan(subject: Subject, reference: Reference, machine: Machine, secret: Secret) -> Plan | str:
    """The calls that fit into an entry's time; a sentence where not even single rows do."""
    one = iter(range(1 << 20))

    def draw(rows: int) -> Question:
        generator = secret.generator("pilot", next(one))
        return subject.task.timed(subject.context, subject.entry, generator, [rows])[0].question

    batch, triples = subject.task.time_batch, protocol.ROUNDS * (protocol.LEAST_CALLS + protocol.WARM_CALLS)
    allowed = protocol.SECONDS / triples / 4
    theirs = calls.pilot(reference.model, machine.core, draw, batch, allowed)
    own = calls.pilot(subject.model, machine.core, draw, min(batch, max(theirs.rows, 1)), 2 * allowed)
    for pilot, whose in ((own, "the model"), (theirs, "the reference model")):
        if not pilot.rows:
            return (
                f"A call with a single row takes {whose} {pilot.single_seconds:.3g} s; of processes that can be "
                f"repeated often enough within {protocol.SECONDS:g} s, it takes {allowed:.2g} s at most."
            )
    rows = min(own.rows, theirs.rows)
    if own.start_seconds > protocol.LONGEST_START:
        return (
            f"Until it has answered once, the model takes {own.start_seconds:.3g} s; with {protocol.ROUNDS} fresh "
            f"processes to start, {protocol.LONGEST_START:g} s are allowed."
        )
    starts = protocol.ROUNDS * (own.start_seconds + 2 * theirs.start_seconds)
    seconds = max(protocol.SECONDS - starts, protocol.SECONDS / 3)
    triple = _scaled(own, rows) + 2 * _scaled(theirs, rows)
    single = own.single_seconds + 2 * theirs.single_seconds
    singles = int(seconds * protocol.SINGLES_SHARE / (protocol.ROUNDS * single)) if rows > 1 else 0
    singles = min(max(singles, protocol.LEAST_SINGLES), protocol.MOST_SINGLES) if rows > 1 else 0
    left = seconds - protocol.ROUNDS * (singles + 1) * single
    count = int(left / (protocol.ROUNDS * triple)) - 1
    return Plan(rows, min(max(count, protocol.LEAST_CALLS), protocol.MOST_CALLS), singles)


def _scaled(pilot: Pilot, rows: int) -> float:
    """Seconds of a call with fewer rows than the pilot's, on the straight line through its single row's."""
    if pilot.rows <= 1:
        return pilot.seconds
    share = (rows - 1) / (pilot.rows - 1)
    return pilot.single_seconds + share * max(pilot.seconds - pilot.single_seconds, 0.0)


def _drawn(subject: Subject, secret: Secret, number: int, plan: Plan) -> list[TimedQuestion]:
    """The questions of a round, those for warming first: no process is asked anything twice."""
    sizes = [1, *[plan.rows] * (protocol.WARM_CALLS - 1), *[plan.rows] * plan.calls, *[1] * plan.singles]
    generator = secret.generator("questions", number)
    return list(subject.task.timed(subject.context, subject.entry, generator, sizes))


__all__ = ["AGAIN", "REFERENCE", "Machine", "Measured", "Plan", "Reference", "Subject", "timed"]
