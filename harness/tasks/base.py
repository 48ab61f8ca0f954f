"""The interface of tasks, and the context that they mark in: digits, judge and seed."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.metrics.diversity import diversity
from harness.mnist import Digits
from harness.secret import Secret
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Gate, Marks, Metric, Question

if TYPE_CHECKING:
    import torch

Made = TypeVar("Made")
First = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]
"""A first member's probabilities (N, 10) and features (N, F), and True where it is unsure (N,)."""


class Judge(Protocol):
    """The classifier that says which digit an image shows. Images are float32 in [0, 1], (N, 1, 28, 28)."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""

    @property
    def most_doubt(self) -> float:
        """The doubt that less than one in a hundred real digits exceeds."""

    def decide(self, images: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Most probable digits (N,), and penultimate features (N, F)."""

    def first(self, images: NDArray[np.float32]) -> First:
        """The answer of the judge's first member alone; where it is unsure, the others have to be asked."""

    def settled(
        self, images: NDArray[np.float32], first: First, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Digits (N,) as `decide` gives them, and those that each member reads alone in `rows`, (members, n)."""

    def doubt(self, images: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Doubt of the least convinced member in the judge's labels (N,) of the images, (N,) in [0, 1]."""


@dataclass(frozen=True)
class Baseline:
    """A trivial answer that every real model should beat; it stands unranked on the leaderboards."""

    title: str
    answer: Callable[[Context, Sequence[Question]], Sequence[Answer]]
    """Answers all questions of its task, from their inputs and the training data. Runs in the parent."""
    same_for_parts: bool = False
    """True where its task asks and marks the same in every part of an assignment: one answer serves them all."""


class Cases(Protocol):
    """A coursework's own test cases, read from its files, which are asked instead of drawn ones."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""

    @property
    def file(self) -> Path | None:
        """The file; another host gets a copy of it, and reads it by the task's `own_cases`."""


@dataclass(frozen=True)
class Context:
    """Data, judges and seed, shared by the marking of all entries of a run. Held by the parent alone."""

    data: Digits
    judge: Judge
    seed: int
    second: Judge | None = None
    """The public judge, where a private one judges: how far the two agree is shown."""
    official: Mapping[str, Cases] = field(default_factory=dict)
    """A coursework's own test cases by task, where its files are at hand."""

    floors: object = None
    """Floors and ceilings of the measures of samples (`harness.tasks.samples.floors.Floors`), where they were measured
    for this judge and these digits. Typed by the tasks that use them, so that others do not depend on their code."""
    full: bool = False
    """Measure all that can be measured, what takes seconds an entry included."""
    secret: Secret | None = field(default=None, repr=False)
    """Seed that those who hand in can't know; None where the models are the harness's own, which have no need of it."""
    _held: dict[str, object] = field(default_factory=dict, init=False, compare=False, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, compare=False, repr=False)

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """Make a value of a task's own once a run; later calls with this name give the same one."""
        with self._lock:
            if name not in self._held:
                self._held[name] = make()
            made: Made = self._held[name]  # type: ignore[assignment]  # a name is one task's, and of one type
            return made

    def generator(self, *parts: object) -> torch.Generator:
        """A CPU generator for `parts` (task, purpose …): the same seed and parts give the same draws everywhere."""
        import torch

        digest = hashlib.sha256("/".join(map(str, (self.seed, *parts))).encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)

    def hidden(self, *parts: object) -> torch.Generator:
        """A generator for `parts` whose draws those who hand in can't know; of the seed where there is no secret."""
        return self.generator(*parts) if self.secret is None else self.secret.generator(*parts)

    def openly(self) -> Context:
        """The same context without the secret; what was made once for one is there for the other."""
        shared = copy.copy(self)
        object.__setattr__(shared, "secret", None)
        return shared

    def resampler(self, *parts: object) -> np.random.Generator:
        """A numpy generator for `parts`, for samples of samples; as repeatable as `generator`."""
        return np.random.default_rng(self.generator(*parts).initial_seed())

    @cached_property
    def real_diversity(self) -> NDArray[np.float64]:
        """Diversity of the test images, by digit (10,)."""
        return diversity(self.data.test.images, self.data.test.labels)


INK = "On paper and on light screens ink is shown dark; in the data it is bright."
"""Closes the caption of every picture of digits."""
TOP_FIFTH = (0.0, 0.2)
"""Strip of a picture of samples: two rows of a 10 × 10 grid, enough to see a model that repeats itself."""


def gates(evidence: Sequence[Evidence], own: Mapping[str, Gate] = MappingProxyType({})) -> dict[str, Gate]:
    """A task's own gates, and one for each evidence, of its name, which a flag shuts."""
    return {**own, **{one.name: Gate(not one.flag, one.title) for one in evidence}}


def hidden_rows(context: Context, task: str, purpose: str, of: int, count: int) -> NDArray[np.int64]:
    """Draw `count` different row numbers below `of` that those who hand in can't know."""
    import torch

    drawn: NDArray[np.int64] = torch.randperm(of, generator=context.hidden(task, purpose))[:count].numpy()
    return drawn


@dataclass(frozen=True)
class Trial:
    """A few questions by which options are chosen that neither weights nor manifest tell."""

    questions: Sequence[Question]
    rate: Callable[[Sequence[Answer]], Metric]
    """Measures the answers; the best value by the metric's own direction is taken."""


@dataclass(frozen=True)
class TimedQuestion:
    """A question whose answer is timed, and the task's own score of the answer, by which it may count."""

    question: Question
    """One call of the model: its rows are the inputs' first dimension, and it has no batch."""
    rate: Callable[[Answer], NDArray[np.float64]]
    """Scores the answer row by row, (rows,), as `Marks.scores` has it; GradingError where it can't be marked."""


@runtime_checkable
class AsksAgain(Protocol):
    """A task with questions that depend on earlier answers; see `Task`."""

    def follow_up(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Sequence[Question]:
        """The next questions, to a fresh worker; none where all has been asked. `answers` are all so far, in order."""


@runtime_checkable
class PreparesMarking(Protocol):
    """A task whose marking takes something that is made once a run, which may be made while models are asked."""

    @property
    def name(self) -> str:
        """Name of the task."""

    def prepare_marking(self, context: Context) -> None:
        """Make it, by `Context.once` or by asking the judge; marking makes it itself where this was not called."""


@runtime_checkable
class Sketched(Protocol):
    """A task whose entries are compared with each other by sketches of their answers; see `Task`."""

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """A few kB of arrays, as the kinds of likeness (`harness.likeness`) make them. `answers` could be marked."""


class Task(Protocol):
    """An exam: questions from a seed, marks for the answers.

    Architectures say themselves which tasks their weights answer (`reference.architecture`). A task whose coursework
    has published test cases may also have `own_cases(folder) -> Cases | None`, which reads them from the data folder. A
    task that may be answered by weights may have `trial(context, entry) -> Trial`; without it, options that a manifest
    does not state take their defaults. Beside it may stand `trusted_from`, the value that the best choice has to reach
    for flags to count: below it, the model may have an option, or be of a kind, that the trial doesn't know. A task
    whose models can be timed is a `TimedTask`, too.

    A task that leaves models some freedom may have `sketch(context, entry, answers) -> arrays`, by which entries that
    are copies of each other are found. Without it, only equal files are.

    A task whose later questions depend on earlier answers may have `follow_up(context, entry, answers) -> questions`.
    It is called with all answers so far, the first time with those to `questions`, until it returns none. Each time a
    fresh worker is asked, which has seen none of what came before. The same answers must give the same questions;
    `mark` gets the answers to all of them, in order.
    """

    name: str
    title: str
    summary: str
    """One line for `gradebench tasks`; the same as in `harness.tasks.TASKS`."""
    protocol: int
    """Version; a change of what is asked or how it is marked bumps it."""
    primary: str
    """The metric that entries are ranked by."""
    gates: tuple[str, ...]
    """Conditions that an assignment may name: the task's own, and its evidence, of which no flag may be raised."""
    outputs: Mapping[str, ArraySpec] | None
    """Arrays that an answers-only file holds; None where the task takes none."""
    baselines: Mapping[str, Baseline]
    """Trivial answers by name: letters, digits and hyphens, none of them a reference model's."""

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """The questions to the model, in order."""

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Marks for the answers to `questions`, or to an answers-only file (one answer: `outputs`), and notes for
        the student. Raises GradingError where an answer can't be marked and the submission is at fault.
        """


@runtime_checkable
class TimedTask(Protocol):
    """The part of a task by which its models are timed. Optional."""

    time_reference: str
    """Name of a shipped reference weight file (`reference/weights`) that answers the task: what entries are timed
    against. Empty where they are not timed: no such model answers within a second in a fresh process, say."""
    time_batch: int
    """Rows in a call, the same as a graded question has in a batch."""

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Draw a fresh question of each number of rows, distributed as the graded ones.

        `generator` has a secret seed. What is drawn in one call goes to one process, which should be asked nothing
        twice.
        """


def fresh_rows(of: int, sizes: Sequence[int], generator: torch.Generator) -> list[NDArray[np.int64]]:
    """Draw row numbers below `of` for questions of some sizes; none comes twice before all have come.

    >>> import torch
    >>> first, second = fresh_rows(10, [4, 6], torch.Generator().manual_seed(0))
    >>> len(first), sorted({*first, *second}) == list(range(10))
    (4, True)
    """
    import torch

    total = sum(sizes)
    drawn = [torch.randperm(of, generator=generator) for _ in range(-(-total // of))]
    rows = torch.cat(drawn)[:total].numpy() if drawn else np.empty(0, np.int64)
    return np.split(rows, np.cumsum(sizes)[:-1]) if len(sizes) else []
