"""Too good: a score that no honest model comes near.

Each task states how far it goes for its own metric, as half of the error of the best model that is known for it, or
thereabouts. A better score may be a discovery; far more often the truth was at hand.
"""

from __future__ import annotations

from typing import Literal

from harness.types import Evidence


def too_good(value: float, bound: float, better: Literal["higher", "lower"], title: str) -> Evidence:
    """Evidence from the value of a metric, and the one beyond which no honest model is known."""
    flag = value < bound if better == "lower" else value > bound
    message = f"The {title} is {value:.4g}; no model that is known comes beyond {bound:.4g}"
    if flag:
        message += ": look at how the answers were found"
    return Evidence(
        "too-good",
        flag,
        value,
        bound if better == "lower" else None,
        None if better == "lower" else bound,
        f"{message}.",
        "too good",
        integrity=True,
        flagged_from=bound,
    )
