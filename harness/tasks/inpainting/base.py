"""Questions about corrupted images and marks for the recovered ones, shared by the inpainting tasks.

`inpaint(images, mask) -> images`: the mask is True where a pixel is corrupted. The score is a mean squared error in
units of squared gray values, pixels in [0, 1]. Answers are scored as they come, never clipped or rescaled: the
courseworks' own figures are of unclipped values, too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evidence.batch_dependence import among_companions
from harness.evidence.copies_input import noise_kept
from harness.evidence.known_pixels import known_pixels
from harness.evidence.memorised import MOST_STRONG, memorised
from harness.evidence.same_for_all import LEAST, same_for_all
from harness.evidence.value_range import value_range
from harness.likeness import answers as likeness
from harness.metrics import accuracy
from harness.metrics.mean_interval import mean_intervals
from harness.metrics.pictures import grid
from harness.metrics.squared_error import histogram, squared_error
from harness.tasks.altered import Probe, probe
from harness.tasks.base import INK, TOP_FIFTH, Baseline, Context, TimedQuestion, Trial, fresh_rows, gates
from harness.tasks.best_known import beyond_known, most_ratio
from harness.tasks.inpainting.corruption import Corrupted
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Figure, Gate, Images, Kind, Marks, Metric, Question

if TYPE_CHECKING:
    import torch

UNIT = "squared gray value"
SHOWN = 5
"""Images in each picture."""
FOLLOWS = "follows-image"
"""Gate that shuts where the answers explain less of the missing parts than `same_for_all.LEAST`."""
CHECKED = 4
"""Questions that all these tasks ask, before those of one task."""
JUDGED = 2_000
"""Completed images that are shown to the judge, where a task asks it."""


class Inpainting(ABC):
    """`inpaint(images, mask) -> images` (N, 1, 28, 28), known pixels unchanged."""

    name: str
    title: str
    summary: str
    protocol = 1
    primary: str
    gates: tuple[str, ...] = (
        FOLLOWS,
        "known-pixels",
        "batch-dependence",
        "copies-input",
        "same-for-all",
        "memorised-test-images",
        "value-range",
    )
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline]
    beside: tuple[str, ...] = ()
    """Metrics that compact tables show beside the primary one."""
    images: int | None = None
    """Test images that are asked about, from the first on; None for all."""
    batch: int
    repeated: int
    """Images that are asked about a second and a third time, a multiple of `small_batch`, which is even."""
    small_batch: int
    """Batch size for those questions."""
    altered: int = 200
    """Test digits, and held-out training digits, that are asked about altered."""
    tried: int = 200
    """Training images by which options are chosen that neither weights nor manifest tell."""
    deadline: float
    """Seconds for the main question."""
    time_reference: str = ""
    too_good: float | None = None
    """Error on MNIST below which no honest model is known to come."""

    @property
    def time_batch(self) -> int:
        """Images in a call."""
        return self.batch

    @abstractmethod
    def corrupt(self, originals: Images, generator: torch.Generator) -> Corrupted:
        """Take pixels away from images; the same generator takes the same everywhere."""

    def asked(self, context: Context) -> Corrupted:
        """The images of the main question."""
        originals = context.data.test.images[: self.images]
        return self.corrupt(originals, context.generator(self.name, "corruption"))

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """All images; in a second sitting some again in smaller batches, those once more with every other one replaced,
        and altered digits.
        """
        case = self.asked(context)
        again, mixed = self.asked_again(context, len(case.shown))
        checks = [
            self.ask(case[again], self.small_batch),
            self.ask(case[mixed], self.small_batch),
            self.ask(self._probed(context)[1], self.batch),
        ]
        return [
            self.ask(case, self.batch),
            *(replace(question, sitting=1) for question in checks),
            *self.further_questions(context),
        ]

    def _probed(self, context: Context) -> tuple[Probe, Corrupted]:
        """Altered and held-out digits, corrupted as the test images are."""

        def make() -> tuple[Probe, Corrupted]:
            found = probe(context, self.name, context.data.test.images[: self.images], self.altered)
            return found, self.corrupt(found.images, context.hidden(self.name, "corruption of altered"))

        return context.once(f"{self.name} altered {context.secret is not None}", make)

    def further_questions(self, context: Context) -> Sequence[Question]:
        """Questions of this task alone."""
        return []

    def ask(self, case: Corrupted, batch: int, *, optional: bool = False) -> Question:
        """The question that a case makes, without its originals."""
        spec = ArraySpec(case.shown.shape)
        inputs = {"images": case.shown, "mask": case.mask}
        return Question("inpaint", inputs, {"images": spec}, batch, self.deadline, optional)

    def trial(self, context: Context, entry: Entry) -> Trial:
        """Some training images; the mean error."""
        originals = context.data.train.images[: self.tried]
        case = self.corrupt(originals, context.generator(self.name, "trial"))

        def rate(answers: Sequence[Answer]) -> Metric:
            errors = self.errors(answers[0]["images"], case)
            return Metric(float(errors.mean()), UNIT, "lower", len(errors), title="MSE")

        return Trial([self.ask(case, self.batch)], rate)

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Test images, freshly corrupted; the error of each."""
        images = context.data.test.images
        rows = fresh_rows(len(images), sizes, generator)
        return [self._timed(self.corrupt(images[own], generator), entry) for own in rows]

    def _timed(self, case: Corrupted, entry: Entry) -> TimedQuestion:
        question = replace(self.ask(case, self.batch), batch=None)
        return TimedQuestion(question, lambda answer: self.errors(_mapped(answer["images"], entry, []), case))

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Errors with intervals, evidence, a histogram, and the best, median and worst images."""
        notes: list[str] = []
        case = self.asked(context)
        given = [_mapped(answer["images"], entry, notes) if answer else None for answer in answers]
        main, again, mixed, other = given[:CHECKED]
        if main is None or again is None or mixed is None or other is None:
            raise ValueError("only the questions of one task may be optional")
        rows, _ = self.asked_again(context, len(main))
        errors = self.errors(main, case)
        probed, of_probed = self._probed(context)
        altered, held_out, held_out_altered = probed.split(self.errors(other, of_probed))
        follows = same_for_all(main, case.originals, case.mask)
        evidence: tuple[Evidence, ...] = (
            known_pixels(main, case.shown, case.mask),
            among_companions(main[rows], again, mixed, case.mask[rows], errors[rows], self.errors(again, case[rows])),
            self.copies_input(context, main, case, given[CHECKED:]),
            follows,
            memorised(
                errors[probed.test_rows], altered, held_out, held_out_altered, most=most_ratio(context, MOST_STRONG)
            ),
            value_range(main, case.shown, case.mask),
        )
        metrics = self.metrics(context, main, case)
        evidence += beyond_known(context, metrics[self.primary], self.too_good)
        explained = follows.value or 0.0
        metrics["explained"] = Metric(explained, "share", "higher", len(errors), title="explained")
        if evidence[0].flag:
            clamped = squared_error(_clamped(main, case), case.originals)
            metrics |= intervals({"mse_clamped": ("MSE clamped", clamped)})
        metrics |= self.further_metrics(context, given[CHECKED:])
        counts, edges = histogram(errors)
        return Marks(
            metrics={name: replace(metric, beside=name in self.beside) for name, metric in metrics.items()},
            primary=self.primary,
            evidence=evidence,
            figures=(
                *_pictures(main, case, errors),
                Figure(
                    "errors",
                    "histogram",
                    "Error of single images",
                    {"counts": counts, "edges": edges},
                    x="mean squared error of an image",
                    y="images",
                    unit=UNIT,
                ),
            ),
            gates=gates(evidence, {FOLLOWS: Gate(explained >= LEAST, "follows the image")}),
            scores=errors,
        ), notes

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The errors of the missing pixels."""
        case = self.asked(context)
        main = _mapped(answers[0]["images"], entry, [])
        return likeness.predictions(main, case.originals, asked=case.mask, shown=case.shown)

    def errors(self, images: Images, case: Corrupted) -> NDArray[np.float64]:
        """Mean squared error of each image (N,), by which entries are ranked."""
        return squared_error(images, case.originals, case.mask)

    def metrics(self, context: Context, images: Images, case: Corrupted) -> dict[str, Metric]:
        """Errors over the missing and over all pixels, of the answer and of what was shown."""
        return intervals(
            {
                "masked_mse": ("masked MSE", squared_error(images, case.originals, case.mask)),
                "mse": ("MSE", squared_error(images, case.originals)),
                "masked_mse_corrupted": (
                    "masked MSE corrupted",
                    squared_error(case.shown, case.originals, case.mask),
                ),
                "mse_corrupted": ("MSE corrupted", squared_error(case.shown, case.originals)),
            }
        )

    def further_metrics(self, context: Context, answers: Sequence[Images | None]) -> dict[str, Metric]:
        """Metrics from the answers to `further_questions`."""
        return {}

    def copies_input(
        self, context: Context, images: Images, case: Corrupted, answers: Sequence[Images | None]
    ) -> Evidence:
        """Evidence that the model hands back what it is shown; `answers` are those to `further_questions`."""
        return noise_kept(images, case.shown, case.originals, case.mask)

    def asked_again(self, context: Context, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows, drawn from n, that are asked about again, and the same with every other one replaced."""
        import torch

        count = min(self.repeated, n // self.small_batch * self.small_batch)
        drawn = torch.randperm(n, generator=context.hidden(self.name, "asked again", n)).numpy()
        again, mixed = drawn[:count], drawn[:count].copy()
        mixed[1::2] = np.roll(drawn, -count)[1:count:2]
        return again, mixed


def intervals(errors: Mapping[str, tuple[str, NDArray[np.float64]]]) -> dict[str, Metric]:
    """Means of per-image errors (N,), each with its title and its interval."""
    columns = np.stack([values for _, values in errors.values()], axis=1)  # (N, M)
    ends = mean_intervals(columns)
    means = columns.mean(axis=0)
    return {
        key: Metric(float(mean), UNIT, "lower", len(columns), float(low), float(high), title=title)
        for (key, (title, _)), mean, (low, high) in zip(errors.items(), means, ends, strict=True)
    }


def plausibility(context: Context, images: Images, case: Corrupted) -> Metric:
    """Share of completed images that the judge reads as the digit that the original shows, with Wilson's interval.

    The first 2,000 images are judged: all of the judge's members are asked about the many that look odd to the first.
    """
    first = slice(0, JUDGED)
    completed = _clamped(images[first], case[first]).clip(0, 1)
    judged = context.judge.decide(completed)[0]
    return accuracy.accuracy(context.data.test.labels[: len(judged)], judged, "plausibility")


def _clamped(images: Images, case: Corrupted) -> Images:
    """The answer with the known pixels put back."""
    put_back: Images = np.where(case.mask, images, case.shown)
    return put_back


def _mapped(images: Images, entry: Entry, notes: list[str]) -> Images:
    if entry.kind is not Kind.CODE or entry.options.get("value_range") != "-1,1":
        return images
    note = "The answers were mapped from [-1, 1] to [0, 1], as the option value_range says."
    if note not in notes:
        notes.append(note)
    mapped: Images = ((images + 1) / 2).astype(np.float32)
    return mapped


def _pictures(images: Images, case: Corrupted, errors: NDArray[np.float64]) -> list[Figure]:
    """The first, best, median and worst images: a row each with original, corrupted, recovered and absolute error."""
    order = np.argsort(errors, kind="stable")
    shown = min(SHOWN, len(order))
    middle = (len(order) - shown) // 2
    chosen = {
        "first": np.arange(shown),
        "best": order[:shown],
        "median": order[middle : middle + shown],
        "worst": order[::-1][:shown],
    }
    figures = []
    for name, rows in chosen.items():
        one = case[rows]
        columns = [one.originals, one.shown, images[rows], np.abs(images[rows] - one.originals)]
        figures.append(
            Figure(
                name,
                "picture",
                name.capitalize(),
                {"pixels": grid(np.concatenate(columns, axis=1))},  # (rows, 4, 28, 28)
                "Each row is one image: as it was, as it was shown to the model, as the model recovered it, and the "
                f"absolute error. {INK}",
                columns=("original", "corrupted", "recovered", "error"),
                group="First, best, median and worst images",
                # Strips of all entries show the same images.
                strip=TOP_FIFTH if name == "first" else (0.0, 0.0),
            )
        )
    return figures
