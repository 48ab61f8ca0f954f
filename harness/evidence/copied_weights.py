"""Copied weights: the entry is another one's, or so like it that it was hardly trained independently.

The statistic is the least distance to another entry of the class or to a shipped reference model, in the unit of the
likeness that it was found by (`harness.likeness`), or 0 for an equal file. docs/evidence.md has what independent
trainings give and what was tried against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.types import Evidence

NAME, TITLE = "copied-weights", "copied weights"
NAMED = 3
"""Others that the sentence names."""
LISTED = 12
"""Others that pages link to."""


@dataclass(frozen=True)
class Other:
    """Another entry that this one is like."""

    entry: tuple[str, str, str]
    """Role, submission and part."""
    name: str
    """As it is shown: "Team Gauss (s1)", "the shipped reference cvae"."""
    title: str = ""
    """The thing that is alike; empty for an equal file."""
    distance: float = 0.0
    threshold: float | None = None
    unit: str = ""


def copied_weights(others: Sequence[Other]) -> Evidence:
    """Evidence from the others that an entry is like, at least one, the most alike first."""
    first = others[0]
    names = _listed([other.name for other in others])
    if first.title:
        message = (
            f"The {first.title} are those of {names}: they differ by {_plain(first.distance)} {first.unit}, where up "
            f"to {first.threshold:g} counts as copied. Independent trainings differ by far more, with equal seed and "
            "recipe, too."
        )
    else:
        message = (
            f"The same file was handed in by {names}. A group that hands in twice does that, and so may two runs of "
            "the same code with the same seed on machines of one kind."
        )
    # Rounded, so that neither the machine's library nor its threads are in a record.
    value = float(f"{first.distance:.4g}")
    listed = tuple(other.entry for other in others[:LISTED])
    return Evidence(
        NAME,
        True,
        value,
        first.threshold,
        None,
        message,
        TITLE,
        others=listed,
        integrity=True,
        flagged_from=first.threshold,
    )


def _plain(distance: float) -> str:
    """A distance by two digits and without an exponent."""
    return np.format_float_positional(float(f"{distance:.2g}"), trim="-")


def _listed(names: Sequence[str]) -> str:
    shown, more = list(names[:NAMED]), len(names) - NAMED
    if more > 0:
        shown.append(f"{more} other{'s' * (more > 1)}")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
