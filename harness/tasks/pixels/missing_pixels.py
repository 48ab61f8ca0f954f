"""Holes in binary images and marks for posteriors, shared by one-pixel and two-by-two in-painting.

`missing_posterior(images (N, 784), −1 where missing) -> (N, 2ᵏ)`: logarithms of the probabilities of all values of
the k missing pixels, numbered with the first one, in raster order, as the most significant bit. Models of sequences
need not offer it: it is derived, exactly, from their predictions. p(missing | rest) ∝ p(all 784 pixels), so every
prediction after the hole counts as much as the hole's own.

1,000 test images of which pixels above .3 are lit; the hole's row and column are normal, mean 13 and standard deviation
3, rounded, and clipped so that it lies in rows and columns 4 … 23. Where the coursework's own files are at hand, they
are taken instead.

The published notebook of a student makes two mistakes that are easily repeated: it scores the place-holder −1 of a
missing pixel as if it were a target, and it takes accuracy over all 784 pixels, of which 783 or 780 were given. Here
the cross-entropy is that of the truth under the posterior, and accuracy is over missing pixels only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evidence.memorised import memorised
from harness.likeness import answers as likeness
from harness.metrics import completions
from harness.metrics.pictures import grid
from harness.tasks.altered import Probe, probe
from harness.tasks.base import INK, TOP_FIFTH, Baseline, Context, TimedQuestion, Trial, fresh_rows, gates
from harness.tasks.best_known import beyond_known
from harness.tasks.pixels import baselines
from harness.tasks.pixels.official_cases import CASES, Holes, read_file
from harness.tasks.pixels.sequences import Binary, Measured, batch_dependence, binarised, means, say, trial
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Figure, Images, Marks, Question, refuse

if TYPE_CHECKING:
    import torch

THRESHOLD = 0.3
MEAN, DEVIATION = 13.0, 3.0
FIRST, LAST = 4, 23
"""Rows and columns that a hole may touch."""
EVERY = 20
"""One in 20 cases is asked about again."""
ALTERED = 200
"""Test digits, and held-out training digits, that are asked about altered."""
SMALL_BATCH = 10
DEADLINE = 900.0
SHOWN = 5
ENLARGED = 3
NORMALISED = 1e-3
"""Largest distance from 1 of the sum of a case's probabilities without a note."""
_DARK, _LIT = 0.2, 0.5
"""Gray values of known pixels in a picture; those of the hole go from black to white."""


class PixelInpainting:
    """Posteriors of the pixels in a square hole of `side` pixels."""

    name: str
    title: str
    summary: str
    side: int
    too_good: float
    """Nats a case, on MNIST, below which no honest model is known to come; half of the best reference's."""
    file: str
    """Name of the coursework's own file of cases."""
    protocol = 1
    primary = "cross_entropy"
    gates: tuple[str, ...] = ("batch-dependence", "memorised-test-images")
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = baselines.INPAINTING
    time_reference = "pixel-lstm"

    @property
    def time_batch(self) -> int:
        """Cases in a call."""
        return 512 if self.side == 1 else 256

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """All cases; in a second sitting some again in small batches, and altered digits with holes."""
        case = self.cases(context)
        checks = [
            self._ask(case.cropped[self._again(context)], SMALL_BATCH),
            self._ask(self._probed(context)[1].cropped, self.time_batch),
        ]
        return [self._ask(case.cropped, self.time_batch), *(replace(question, sitting=1) for question in checks)]

    def _again(self, context: Context) -> NDArray[np.int64]:
        """Rows of the cases that are asked about again; in their order, so that a batch's have much in common."""
        import torch

        count = len(self.cases(context).cropped)
        drawn = torch.randperm(count, generator=context.hidden(self.name, "again"))[: -(-count // EVERY)]
        again: NDArray[np.int64] = drawn.sort().values.numpy()
        return again

    def _probed(self, context: Context) -> tuple[Probe, Holes]:
        """Altered and held-out digits, in order of their holes as the cases are."""

        def make() -> tuple[Probe, Holes]:
            found = probe(context, self.name, context.data.test.images, ALTERED)
            case = self._with_holes(found.images, context.hidden(self.name, "holes in altered"))
            order = _order(case)
            return replace(found, order=found.order[order]), _sorted(case, order)

        return context.once(f"{self.name} altered {context.secret is not None}", make)

    def _ask(self, images: Binary, batch: int | None) -> Question:
        spec = ArraySpec((len(images), 1 << self.side**2))
        return Question("missing_posterior", {"images": images}, {"log_posterior": spec}, batch, DEADLINE)

    def trial(self, context: Context, entry: Entry) -> Trial:
        """Predictions of some training images."""
        return trial(context, self.name)

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Test images with fresh holes, in order of these as the graded ones; the cross-entropy of each truth."""
        rows = fresh_rows(len(context.data.test.images), sizes, generator)
        images = context.data.test.images
        return [self._timed(_in_order(self._with_holes(images[own], generator))) for own in rows]

    def _timed(self, case: Holes) -> TimedQuestion:
        def rate(answer: Answer) -> NDArray[np.float64]:
            number = completions.number_of(_missing(case, self.side**2))
            nats: NDArray[np.float64] = completions.cross_entropy(_checked(answer["log_posterior"], []), number)
            return nats

        return TimedQuestion(self._ask(case.cropped, None), rate)

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Cross-entropy of the truth, accuracy, share of cases got whole; pictures of posteriors."""
        case, notes = self.cases(context), list[str]()
        if case.digest:
            notes.append("The cases are those of the coursework's own file.")
        posterior, again, of_probe = (_checked(answer["log_posterior"], notes) for answer in answers)
        k = self.side**2
        probed, holes = self._probed(context)
        nats_of_probe = completions.cross_entropy(of_probe, completions.number_of(_missing(holes, k)))
        values = _missing(case, k)
        number = completions.number_of(values)
        nats = completions.cross_entropy(posterior, number)
        best = posterior.argmax(axis=1)
        measured = {
            "cross_entropy": Measured("cross-entropy", nats, "nats/case", "lower"),
            "accuracy": Measured(
                "accuracy", (completions.values_of(best, k) == values).mean(axis=1), "share", "higher", beside=True
            ),
            "whole_cases": Measured("whole cases", (best == number).astype(np.float64), "share", "higher"),
        }
        evidence: tuple[Evidence, ...] = (
            batch_dependence(np.exp(posterior[self._again(context)]), np.exp(again)),
            memorised(nats, *probed.split(nats_of_probe), "cross-entropy", paired=False),
        )
        metrics = means(measured)
        evidence = (*evidence, *beyond_known(context, metrics[self.primary], self.too_good))
        return Marks(
            metrics=metrics,
            primary=self.primary,
            evidence=evidence,
            figures=_pictures(case, posterior, nats),
            gates=gates(evidence),
            scores=nats,
        ), notes

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The probabilities of all completions, less 1 for the true one."""
        posterior = np.exp(_checked(answers[0]["log_posterior"], []))
        true = completions.number_of(_missing(self.cases(context), self.side**2))
        return likeness.predictions(posterior, np.eye(posterior.shape[1])[true])

    def own_cases(self, folder: Path) -> Holes | None:
        """Read the coursework's own cases where their file lies in `folder`; GradingError if it is damaged."""
        path = folder / self.file
        return read_file(path, self.side) if path.is_file() else None

    def cases(self, context: Context) -> Holes:
        """The cases in order of their first missing pixel, so that a batch's images have most in common."""
        own = context.official.get(self.name)
        return _in_order(own if isinstance(own, Holes) else self._drawn(context))

    def _drawn(self, context: Context) -> Holes:
        import torch

        generator = context.generator(self.name, "cases")
        rows = torch.randperm(len(context.data.test.images), generator=generator)[:CASES].numpy()
        return self._with_holes(context.data.test.images[rows], generator)

    def _with_holes(self, images: Images, generator: torch.Generator) -> Holes:
        import torch

        # In double precision the last bit of a logarithm, which differs between machines, is rounded away.
        drawn = MEAN + DEVIATION * torch.randn(len(images), 2, generator=generator, dtype=torch.float64)
        corners = drawn.round().clamp(FIRST, LAST + 1 - self.side).long().numpy()
        truth = binarised(images, THRESHOLD)
        return Holes(with_holes(truth, corners, self.side), truth)


def with_holes(truth: Binary, corners: NDArray[np.int64], side: int) -> Binary:
    """Images (N, 784) with −1 in squares whose upper left pixels are at rows and columns `corners` (N, 2)."""
    square = corners[:, :, None] + np.arange(side)  # (N, 2, side): rows, columns
    cropped = truth.reshape(-1, 28, 28).copy()
    image = np.arange(len(truth))[:, None, None]
    cropped[image, square[:, 0, :, None], square[:, 1, None, :]] = -1
    return cropped.reshape(-1, 784)


def _in_order(found: Holes) -> Holes:
    """Cases in order of their first missing pixel."""
    return _sorted(found, _order(found))


def _order(found: Holes) -> NDArray[np.int64]:
    """The rows in order of their first missing pixel."""
    order: NDArray[np.int64] = (found.cropped < 0).argmax(axis=1).argsort(kind="stable")
    return order


def _sorted(found: Holes, order: NDArray[np.int64]) -> Holes:
    return Holes(found.cropped[order], found.truth[order], found.digest)


def _missing(case: Holes, k: int) -> NDArray[np.int64]:
    """The true values of the missing pixels, (N, k)."""
    return case.truth[case.cropped < 0].reshape(-1, k).astype(np.int64)


def _checked(log_posterior: NDArray[np.float32], notes: list[str]) -> NDArray[np.float64]:
    values = log_posterior.astype(np.float64)
    sums = values.sum(axis=1)
    if values.min() >= 0 and np.abs(sums - 1).max() < NORMALISED:
        message = "missing_posterior returned probabilities; their logarithms are asked for (log_softmax, or log)."
        raise refuse("answers", "not-logarithms", message)
    rows = completions.normalised(values)
    if np.abs(rows - values).max() > NORMALISED:
        say(notes, "The posteriors didn't sum to 1; they were normalised, for p(missing | rest) ∝ p(missing, rest).")
    return rows


def _pictures(case: Holes, posterior: NDArray[np.float64], nats: NDArray[np.float64]) -> tuple[Figure, ...]:
    """The first cases, those that were known best and worst, and the least decided ones.

    Of each the hole in white, P(lit) of its pixels, the most probable values, and the truth.
    """
    order = nats.argsort(kind="stable")
    undecided = (-completions.entropy(posterior)).argsort(kind="stable")
    chosen = {"first": np.arange(len(nats)), "known-best": order, "undecided": undecided, "known-worst": order[::-1]}
    return tuple(
        Figure(
            name,
            "picture",
            name.replace("-", " ").capitalize(),
            {"pixels": _picture(case, posterior, rows[:SHOWN])},
            "Each row is one image: where pixels are missing, the probability of each to be lit given all others, the "
            f"most probable values, and the true ones. {INK}",
            columns=("hole", "lit?", "answer", "truth"),
            group="Missing pixels",
            # Strips of all entries show the same images.
            strip=TOP_FIFTH if name == "first" else (0.0, 0.0),
        )
        for name, rows in chosen.items()
    )


def _picture(case: Holes, posterior: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    missing = case.cropped[rows] < 0
    k = int(missing[0].sum())
    background = (_DARK + (_LIT - _DARK) * case.truth[rows]).astype(np.float32)
    values = completions.values_of(posterior[rows].argmax(axis=1), k)
    columns = []
    for filling in (np.ones(missing.sum()), completions.marginals(posterior[rows]), values, case.truth[rows][missing]):
        tile = background.copy()
        tile[missing] = filling.reshape(-1)
        columns.append(tile.reshape(-1, 28, 28).repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2))
    return grid(np.stack(columns, axis=1))
