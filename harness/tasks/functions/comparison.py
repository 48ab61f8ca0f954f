"""Compares the answers of a student's function with the truth, and with what usual mistakes give.

An error is the distance from the truth over the largest term of the expression, so that neither cancellation nor the
size of a case decides. Single precision is told apart from wrong mathematics: where all numbers that came are float32
numbers, the error that float32 arithmetic explains is not counted. How much that is, is measured for each case: by how
much the truth itself changes when every input is changed by a unit in float32's last place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.tasks.functions.cases import Function, Group, Mistake, Truth, Values
from harness.types import Answer, Array, Outcome

TOLERANCE = 1e-6
"""Largest error of a right function. Double precision gives 1e-12 and less on all cases; usual mistakes give 1e-2."""
RESOLUTION = 1e-12
"""Errors below are 0: rounding, which differs between processors."""
_OF_NOTHING = 1e-9
"""Share of a case's largest term that stands for the term of an element that has none."""
_UNIT = float(np.finfo(np.float32).eps)
_PERTURBATIONS = 3
_ROOM = 16.0
"""Factor on the change of the truth, and units in the last place of the largest term, that float32 may be off by."""
_MOST_ROOM = 0.05
"""Largest error that single precision explains."""


@dataclass(frozen=True)
class Compared:
    """A function's answers to all groups of cases beside the truth."""

    function: Function
    groups: Sequence[Group]
    truths: Sequence[Truth]
    answers: Sequence[Answer]
    errors: Sequence[Values]
    """Error of each case (N,), group by group, at most 1; 1 where no numbers came."""
    single: bool
    """True where the numbers that came are float32 numbers."""
    room: float
    """Largest error that was not counted for that reason."""
    matched: Mistake | None
    """The usual mistake that gives the numbers that came."""
    negated: bool = False
    """True where it gives them with the other sign."""
    alternative: Mistake | None = None
    """The other way in which the numbers are right; None where it is the first."""

    @property
    def missing(self) -> bool:
        return all((answer["outcome"] == Outcome.MISSING).all() for answer in self.answers)

    @property
    def largest(self) -> float:
        """Largest error of any case."""
        return max(float(errors.max()) for errors in self.errors)

    def right(self, extreme: bool) -> bool:
        """True where all random, or all extreme, cases are right."""
        chosen = [e for e, g in zip(self.errors, self.groups, strict=True) if g.extreme == extreme]
        return all(bool((errors <= TOLERANCE).all()) for errors in chosen)

    @property
    def typical(self) -> float:
        """Median error over the random cases."""
        chosen = [e for e, g in zip(self.errors, self.groups, strict=True) if not g.extreme]
        return float(np.median(np.concatenate(chosen)))


def compare(
    function: Function, groups: Sequence[Group], truths: Sequence[Truth], answers: Sequence[Answer]
) -> Compared:
    """Compare a function's answers to its questions, one a group, with the truths."""
    values = [answer["value"] for answer in answers]
    came = [answer["outcome"] == Outcome.NUMBERS for answer in answers]
    single = _is_single(values, came, truths)
    rooms = [np.zeros(len(c)) for c in came]
    if single:
        rooms = [_room(function, group, truth) for group, truth in zip(groups, truths, strict=True)]
    errors = _errors(values, came, truths, rooms)
    if all((e <= TOLERANCE).all() for e in errors):
        room = max(float(r.max()) for r in rooms)
        return Compared(function, groups, truths, answers, errors, single, room, None)
    for other in function.alternatives if all(c.all() for c in came) else ():
        if all(_fits(other, 1.0, *case) for case in zip(groups, truths, values, came, rooms, strict=True)):
            found = [np.zeros(len(e)) for e in errors]
            return Compared(function, groups, truths, answers, found, single, 0.0, None, alternative=other)
    matched, negated = _mistake(function, groups, truths, values, came, rooms)
    return Compared(function, groups, truths, answers, errors, single, 0.0, matched, negated)


def _errors(
    values: Sequence[Array], came: Sequence[Array], truths: Sequence[Truth], rooms: Sequence[Values]
) -> list[Values]:
    found = []
    for value, numbers, truth, room in zip(values, came, truths, rooms, strict=True):
        with np.errstate(over="ignore"):
            error = _by_case(relative_error(value, truth)) - room
        error = np.where(error < RESOLUTION, 0.0, np.minimum(error, 1.0))
        found.append(np.where(numbers, error, 1.0))
    return found


def relative_error(value: Array, truth: Truth) -> Values:
    """The distance from the truth over the largest term, element by element."""
    found: Values = np.abs(value - truth.values) / _scale(truth)
    return found


def _scale(truth: Truth) -> Values:
    """The largest term of each element; where all terms are 0, as in the gradient of saturated units, a small share of
    the case's largest one.
    """
    scale = np.asarray(truth.scale, dtype=np.float64)
    largest = scale.reshape(len(scale), -1).max(axis=1).reshape(-1, *[1] * (scale.ndim - 1))
    return np.where(scale > 0, scale, np.maximum(_OF_NOTHING * largest, np.finfo(np.float64).tiny))


def _by_case(values: Values) -> Values:
    largest: Values = values.reshape(len(values), -1).max(axis=1)
    return largest


def _is_single(values: Sequence[Array], came: Sequence[Array], truths: Sequence[Truth]) -> bool:
    """True where all finite numbers that came are float32 numbers, and the true ones are not."""

    def all_single(arrays: Sequence[Array]) -> bool:
        with np.errstate(over="ignore"):
            return all(bool((a == a.astype(np.float32)).all()) for a in arrays)

    given = [value[numbers] for value, numbers in zip(values, came, strict=True)]
    return any(np.any(g) for g in given) and all_single(given) and not all_single([t.values for t in truths])


def _room(function: Function, group: Group, truth: Truth) -> Values:
    """The error (N,) of each case that float32 arithmetic explains."""
    generator = np.random.default_rng(0)
    changed = np.zeros(len(truth.values))
    plain = function.truth(group.inputs, False).values
    for _ in range(_PERTURBATIONS):
        near = {
            name: array * (1 + _UNIT * generator.choice([-1.0, 1.0], array.shape)) if array.dtype.kind == "f" else array
            for name, array in group.inputs.items()
        }
        away = np.abs(function.truth(near, False).values - plain) / _scale(truth)
        changed = np.maximum(changed, _by_case(away))
    return np.minimum(_ROOM * (changed + _UNIT), _MOST_ROOM)


def _mistake(
    function: Function,
    groups: Sequence[Group],
    truths: Sequence[Truth],
    values: Sequence[Array],
    came: Sequence[Array],
    rooms: Sequence[Values],
) -> tuple[Mistake | None, bool]:
    """The usual mistake that gives all numbers that came for random cases, and whether with the other sign."""
    chosen = [i for i, group in enumerate(groups) if not group.extreme and came[i].any()]
    if not chosen:
        return None, False
    for sign in (1.0, -1.0):
        for mistake in function.mistakes:
            if all(_fits(mistake, sign, groups[i], truths[i], values[i], came[i], rooms[i]) for i in chosen):
                return mistake, sign < 0
    return None, False


def _fits(mistake: Mistake, sign: float, group: Group, truth: Truth, value: Array, came: Array, room: Values) -> bool:
    """True where a mistake, with a sign, gives all numbers of a group that came."""
    with np.errstate(all="ignore"):
        other = mistake.values(group.inputs)
        # Where a mistake's numbers are far larger than the right ones, so is their rounding.
        error = _by_case(np.abs(value - sign * other) / np.maximum(_scale(truth), np.abs(other))) - room
    return bool((error[came] <= TOLERANCE).all())


def constant_factor(compared: Compared) -> float | None:
    """The factor by which all numbers of the random cases differ from the truth; None where there is none."""
    ratios = []
    for group, truth, answer in zip(compared.groups, compared.truths, compared.answers, strict=True):
        if group.extreme:
            continue
        came = answer["outcome"] == Outcome.NUMBERS
        value, right = answer["value"][came], truth.values[came]
        large = np.abs(right) > 1e-3 * np.broadcast_to(truth.scale, truth.values.shape)[came]
        ratios.append((value[large] / right[large]).ravel())
    together = np.concatenate(ratios) if ratios else np.empty(0)
    if len(together) < 2 or not abs(together[0]) > TOLERANCE or abs(together[0] - 1) <= TOLERANCE:
        return None
    return float(together[0]) if np.allclose(together, together[0], rtol=TOLERANCE, atol=0) else None
