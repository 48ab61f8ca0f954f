"""Evidence from some of the samples, drawn at random: few modes, collapse, copies, shapes that no digit has.

Everything is measured on shapes of digits in the middle of their frame (`harness.metrics.shapes`), so that neither a
shift nor noise hides what a sample is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evidence.copies import copies
from harness.evidence.few_modes import effective, few_modes
from harness.evidence.mode_collapse import BOUNDS, mode_collapse
from harness.evidence.off_manifold import off_manifold
from harness.metrics.alike import RADII, shares
from harness.metrics.shapes import centred, shapes
from harness.tasks.base import Context, hidden_rows
from harness.tasks.samples import marking
from harness.tasks.samples.by_digit import ByDigit, Nearest
from harness.types import Evidence, Images

if TYPE_CHECKING:
    from harness.mnist import Split

OF_A_CLASS = 100
"""Samples of each digit."""
CLASSES = 10
GATES = ("mode-collapse", "few-modes", "off-manifold", "copied-training", "copied-test")
"""Names of the evidence, each of which an assignment may take for a gate."""
ODD = 3.3
"""Distance of shapes from which the judge's doubt counts; 3 % of MNIST's test digits are as far from training ones."""
EARNED_FROM = 0.9
"""Share of samples that are read as asked from which flags count: with fewer there is nothing to have been earned."""


def prepare(context: Context) -> None:
    """Compute the shapes of all digits, which takes a second, before they are needed."""
    for name, split in _splits(context):
        _known(context, name, split)


def _splits(context: Context) -> tuple[tuple[str, Split], ...]:
    return ("training", context.data.train), ("test", context.data.test)


def _known(context: Context, name: str, split: Split) -> ByDigit:
    return context.once(f"shapes of {name} digits", lambda: ByDigit(split))


class Some:
    """Some samples of each class that are read as asked."""

    def __init__(
        self, context: Context, name: str, images: Images, labels: NDArray[np.int64], right: NDArray[np.bool_]
    ) -> None:
        # Hidden, so that nobody can vary these samples and repeat the others.
        order = hidden_rows(context, name, "some", len(images), len(images))
        rows = [order[(labels[order] == digit) & right[order]][:OF_A_CLASS] for digit in range(CLASSES)]
        self._context = context
        self.rows = np.concatenate(rows)
        self._images = centred(images[self.rows])
        self._shapes = np.split(shapes(self._images), np.cumsum([len(one) for one in rows])[:-1])
        self._found: dict[str, Nearest] = {}
        self._earned = float(right.mean()) >= EARNED_FROM

    def evidence(self) -> tuple[Evidence, ...]:
        """All of it; flags are unusual at most where too few samples are read as asked."""
        found = [mode_collapse(self._alike), few_modes(self._alike)]
        if len(self.rows):
            found += self._beside_digits()
        return tuple(self.sheltered(one) for one in found)

    def sheltered(self, one: Evidence) -> Evidence:
        """The evidence; a flag is unusual at most where too few samples are read as asked to have earned anything."""
        return one if self._earned or not one.flag else replace(one, flag=False, unusual=True)

    def effective(self) -> float | None:
        """Effective number of different images of all digits together, where they are few; else None."""
        few = few_modes(self._alike).flag or mode_collapse(self._alike).flag
        return float(effective(self._alike).sum()) if few else None

    @cached_property
    def _alike(self) -> NDArray[np.float64]:
        # A class of which nothing is read as asked has nothing alike.
        return np.stack(
            [
                shares(part, bound) if len(part) > 1 else np.zeros(len(RADII))
                for part, bound in zip(self._shapes, BOUNDS, strict=True)
            ]
        )

    def _beside_digits(self) -> list[Evidence]:
        """Copies, and samples off the manifold: of each the nearest digit by shape, then the distance of the images."""
        bounds = marking.references(self._context).bounds
        found: list[Evidence] = []
        for name, split in _splits(self._context):
            nearest = self._nearest(name, split)
            if name == "training" and self._context.data.name == "mnist":  # whose digits the bound is about
                found.append(off_manifold(nearest.distances))
            apart = self._images.astype(np.float64) - centred(split.images[nearest.rows])
            distances: NDArray[np.float64] = np.sqrt((apart**2).sum(axis=(1, 2, 3)))
            found.append(copies(distances, split.labels[nearest.rows], bounds, name))
        return found

    def odd(self) -> NDArray[np.bool_]:
        """True for the samples of `rows` whose shape is farther from every training digit than most digits' are.

        All are taken for odd where the digits at hand are not those that models imitate, or are none.
        """
        if self._context.data.name != "mnist" or not len(self.rows):
            return np.ones(len(self.rows), np.bool_)
        return self._nearest("training", self._context.data.train).distances > ODD

    def _nearest(self, name: str, split: Split) -> Nearest:
        if name not in self._found:
            self._found[name] = _known(self._context, name, split).nearest(self._shapes)
        return self._found[name]
