"""A task in which a student's functions are asked for random and extreme cases, and held against the truth.

A part of an assignment asks for the functions of one exercise where its name ends in that exercise's letter or word
("mixture-density-a"), else for all. Each function earns by itself: `solved` is the mean, over the part's functions, of
1 for one that is right on all cases, .75 for one that is right on the random cases but not on the extreme ones, and 0.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from harness.tasks.base import Baseline, Context, gates
from harness.tasks.functions.cases import Function, Group, Truth
from harness.tasks.functions.comparison import RESOLUTION, TOLERANCE, Compared, compare
from harness.tasks.functions.sentences import absent, sentences
from harness.types import Answer, ArraySpec, Entry, Evidence, Figure, Marks, Metric, Question, refuse

RANDOM_ALONE = 0.75
"""Worth of a function that is right on the random cases alone: the mathematics is right, its arithmetic is not."""


def _zeros(context: Context, questions: Sequence[Question]) -> list[Answer]:
    return [{name: np.zeros(spec.shape, spec.dtype) for name, spec in q.answers.items()} for q in questions]


class FunctionTask(ABC):
    """Functions of one sheet: what they are, and the cases."""

    name: str
    title: str
    summary: str
    functions: tuple[Function, ...]
    protocol = 1
    primary = "max_error"
    gates: tuple[str, ...] = ()
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = {"zeros": Baseline("Zeros", _zeros, same_for_parts=False)}

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[object, Sequence[Group], dict[str, list[Truth]]] | None = None

    @abstractmethod
    def drawn(self, context: Context) -> Sequence[Group]:
        """Draw the groups of cases; the first must have sizes that differ from each other and from 1."""

    def of_part(self, part: str) -> tuple[Function, ...]:
        """The functions of the exercise that a part's name ends in; all where it ends in none."""
        found = tuple(f for f in self.functions if part.endswith(f"-{f.exercise}"))
        return found or self.functions

    def groups_of(self, function: Function, context: Context) -> Sequence[Group]:
        """The groups of cases that a function is asked: those that have its arguments."""
        return [
            group
            for group in self._groups(context)
            if set(function.inputs) <= set(group.inputs) and group.only in ("", function.name)
        ]

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """One question for each function of the part and each group of cases."""
        return [f.question(g) for f in self.of_part(entry.part) for g in self.groups_of(f, context)]

    def truths(self, function: Function, context: Context) -> list[Truth]:
        """The truth for each group that a function is asked, computed once."""
        groups = self.groups_of(function, context)
        with self._lock:
            kept = self._kept[2] if self._kept is not None else {}
            if function.name not in kept:
                kept[function.name] = [function.truth(group.inputs, group.extreme) for group in groups]
            return kept[function.name]

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """The largest error, the share of functions that are right, and what is wrong with the others."""
        compared, start = list[Compared](), 0
        for function in self.of_part(entry.part):
            groups = self.groups_of(function, context)
            own = answers[start : start + len(groups)]
            start += len(groups)
            compared.append(compare(function, groups, self.truths(function, context), own))
        if all(one.missing for one in compared):
            raise refuse("answers", "missing-function", " ".join(absent(one.function) for one in compared))
        evidence = (_rounding(compared),)
        largest = max(one.largest for one in compared)
        marks = Marks(
            metrics={
                "max_error": Metric(largest, "of the largest term", "lower", 1, title="largest error"),
                "solved": Metric(
                    float(np.mean([_worth(one) for one in compared])),
                    "share",
                    "higher",
                    len(compared),
                    title="solved",
                    beside=True,
                ),
                **{
                    f"error_{one.function.name}": Metric(
                        one.largest, "of the largest term", "lower", _count(one), title=f"error of {one.function.title}"
                    )
                    for one in compared
                },
            },
            primary=self.primary,
            evidence=evidence,
            figures=tuple(_figure(number, one) for number, one in enumerate(compared)),
            gates=gates(evidence),
            scores=np.array([largest]),
        )
        return marks, [note for one in compared for note in sentences(one)]

    def _groups(self, context: Context) -> Sequence[Group]:
        key = (context.seed, context.data.digest)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self.drawn(context), {}
            return self._kept[1]


def _worth(compared: Compared) -> float:
    if compared.right(extreme=False):
        return 1.0 if compared.right(extreme=True) else RANDOM_ALONE
    return compared.matched.worth if compared.matched is not None and not compared.negated else 0.0


def _count(compared: Compared) -> int:
    return sum(len(errors) for errors in compared.errors)


def _rounding(compared: Sequence[Compared]) -> Evidence:
    """Tells apart formulas, which are exact up to rounding, from what only comes near: finite differences, say."""
    exact = [c for c in compared if not c.single and c.largest <= TOLERANCE]
    value = max((one.typical for one in exact), default=0.0)
    message = "Right numbers are right up to rounding."
    if value > RESOLUTION:
        message = (
            f"A typical case is off by {value:.1g} of the largest term: more than rounding explains. Numerical "
            "differentiation, or constants of few digits, give that: look at the code."
        )
    return Evidence(
        "rounding", False, value, None, RESOLUTION, message, "error beyond rounding", unusual=value > RESOLUTION
    )


_LETTERS = "abcdefgh"


def _figure(number: int, compared: Compared) -> Figure:
    errors = np.concatenate([*compared.errors])
    digits = -np.log10(np.maximum(errors, RESOLUTION))
    caption = (
        f"Digits of {compared.function.title} that are right, case by case; the last cases are the extreme ones. "
        f"Right is {-np.log10(TOLERANCE):.0f} and more; {-np.log10(RESOLUTION):.0f} is all that is told apart."
    )
    return Figure(
        f"digits-{_LETTERS[number]}",
        "line",
        f"Right digits of {compared.function.title}",
        {"values": digits},
        caption,
        x="case",
        y="right digits",
        unit="digits",
    )
