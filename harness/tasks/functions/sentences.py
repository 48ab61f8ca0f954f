"""Says in a few sentences what is wrong with a student's function: the first case, both values, the likely mistake."""

from __future__ import annotations

import numpy as np

from harness.tasks.functions.cases import Function
from harness.tasks.functions.comparison import TOLERANCE, Compared, constant_factor, relative_error
from harness.types import Outcome

_NO_NUMBERS = {
    Outcome.NAN: "gave NaN",
    Outcome.INFINITE: "gave an infinite number",
    Outcome.RAISED: "raised an error",
    Outcome.MISSHAPEN: "gave something else than numbers of the right shape",
    Outcome.MISSING: "was not found",
    Outcome.DIFFERENTIATED: "called automatic differentiation, where the formula is asked for",
}


def sentences(compared: Compared) -> list[str]:
    """Notes for the student on one function."""
    function = compared.function
    if compared.missing:
        return [absent(function)]
    notes = []
    if compared.alternative is not None:
        notes.append(f"{function.title}: {compared.alternative.sentence}")
    if compared.single:
        room = max(compared.room, 1e-7)
        notes.append(
            f"{function.title}: the answers are float32 numbers, with 7 digits, not float64. Errors that float32 "
            f"arithmetic explains, here up to {room:.1g} of the largest term, are not counted."
        )
    if compared.largest <= TOLERANCE:
        return notes
    if compared.right(extreme=False):
        notes.append(f"{_first(compared, extreme=True)} All random cases are right. {function.hint}".strip())
    else:
        notes.append(f"{_first(compared, extreme=False)} {_because(compared)}".strip())
    return notes


def absent(function: Function) -> str:
    """Says that a function was not found, and how it may be called."""
    also = f" (or {', '.join(function.aliases[:4])})" if function.aliases else ""
    return f"{function.title}: no function {function.signature or function.name} was found{also}."


def _first(compared: Compared, extreme: bool) -> str:
    """The first case that is off, with both values."""
    chosen = [i for i, group in enumerate(compared.groups) if group.extreme == extreme]
    total = sum(len(compared.errors[i]) for i in chosen)
    off = sum(int((compared.errors[i] > TOLERANCE).sum()) for i in chosen)
    before = 0
    for i in chosen:
        wrong = np.flatnonzero(compared.errors[i] > TOLERANCE)
        if len(wrong):
            break
        before += len(compared.errors[i])
    case, group = int(wrong[0]), compared.groups[i]
    kind = "extreme" if extreme else "random"
    start = (
        f"{compared.function.title}: {off:,} of {total:,} {kind} cases are off. The first, case {before + case + 1:,}"
    )
    start += f" ({group.kind}),"
    outcome = (
        Outcome(int(compared.answers[i]["outcome"][case]))
        if compared.answers[i]["outcome"][case] in list(Outcome)
        else Outcome.MISSHAPEN
    )
    if outcome is not Outcome.NUMBERS:
        truth = compared.truths[i].values[case]
        return f"{start} {_NO_NUMBERS[outcome]}; right is {_shown(truth.ravel()[0])}{'' if truth.size == 1 else ', …'}."
    value, truth = compared.answers[i]["value"][case], compared.truths[i].values[case]
    errors = relative_error(compared.answers[i]["value"], compared.truths[i])[case]
    at = np.unravel_index(int(np.argmax(errors)), np.shape(value))
    place = f" at [{', '.join(str(int(n)) for n in at)}]" if at else ""
    return f"{start} gave {_shown(value[at])}{place}; right is {_shown(truth[at])}."


def _because(compared: Compared) -> str:
    """The mistake that gives the numbers that came, if one is known."""
    if compared.matched is not None:
        sign = ", with the sign turned round" if compared.negated else ""
        worth = compared.matched.worth
        return f"The numbers are those {compared.matched.sentence}{sign}." + (
            f" {worth:.0%} of the worth." if worth and not compared.negated else ""
        )
    factor = constant_factor(compared)
    return "" if factor is None else f"Every number is {factor:.6g} times the right one."


def _shown(number: float) -> str:
    return f"{float(number):.7g}"
