"""Baselines for pixels: tables of how often a pixel is lit, given a few pixels before it (see `tables`).

Each of the 783 places has a table of its own, but for the copier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.tasks.base import Baseline, Context
from harness.types import Answer, Question

if TYPE_CHECKING:
    from harness.tasks.pixels.tables import Offsets

PREVIOUS: Offsets = ((0, 1),)
SIX_NEIGHBOURS: Offsets = ((0, 1), (0, 2), (1, 1), (1, 0), (1, -1), (2, 0))


def baselines(threshold: float, names: Sequence[str]) -> Mapping[str, Baseline]:
    """The named tables, counted in training images of which pixels above `threshold` are lit."""
    return MappingProxyType({name: _baseline(name, threshold) for name in names})


_TABLES: Mapping[str, tuple[str, Offsets, bool]] = {
    "pixel-marginal": ("Each pixel's share of lit ones", (), True),
    "pixel-markov": ("Table of the previous pixel, for each place", PREVIOUS, True),
    "pixel-neighbours": ("Table of six neighbours, for each place", SIX_NEIGHBOURS, True),
    "pixel-copy": ("Repeats the previous pixel, as surely as that is right", PREVIOUS, False),
}


def _baseline(name: str, threshold: float) -> Baseline:
    title, offsets, by_place = _TABLES[name]

    def answer(context: Context, questions: Sequence[Question]) -> Sequence[Answer]:
        from harness.tasks.pixels.tables import answers, fitted

        return answers(fitted(context.data.train.images, threshold, offsets, by_place=by_place), questions)

    return Baseline(title, answer)


NEXT_PIXEL = baselines(0.1, tuple(_TABLES))
COMPLETION = baselines(0.1, ("pixel-marginal", "pixel-markov", "pixel-neighbours"))
INPAINTING = baselines(0.3, ("pixel-marginal", "pixel-markov", "pixel-neighbours"))
"""Counted in images that are binarised as the in-painting sets are."""
