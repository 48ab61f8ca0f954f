"""Conditional generation: draw the digit that is asked for (Tsinghua, Deep Learning, homework 3).

10,000 samples, labels cycling 0 … 9; the harness draws the noise. The score is the share of samples that the judge
classifies as asked; the coursework's pass mark is 98 %. Beside it stand the coursework's diversity gate and evidence of
mode collapse, since a generator that draws one good image a digit reaches 100 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evidence import judge_fooling
from harness.evidence.batch_dependence import in_smaller_batch
from harness.likeness import generators as likeness
from harness.likeness import units
from harness.metrics import accuracy as accuracy_metric
from harness.metrics import diversity
from harness.metrics.member_accuracy import Stratum, member_accuracies
from harness.metrics.pictures import grid
from harness.tasks.base import INK, TOP_FIFTH, Baseline, Context, Judge, TimedQuestion, Trial, gates, hidden_rows
from harness.tasks.samples import marking
from harness.tasks.samples.gray_values import gray_values
from harness.tasks.samples.some import GATES, Some, prepare
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Figure, Gate, Kind, Marks, Metric, Question, refuse

if TYPE_CHECKING:
    import torch

SAMPLES = 10_000
BATCH = 500
CLASSES = 10
LATENT = 100
REPEATED = 200
"""Samples that are asked for a second time, in smaller batches."""
DOUBTED = (150, 350)
"""Samples, drawn at random, about which all members of the judge are asked; the second part only where the first leaves
the verdict open."""
BY_ALL = (60, 40)
"""Most samples about which all members of the judge are asked: of those that the first is unsure of, and of the others.
All members take 8 to 12 times as long as the first, so that asking them about all would cost more than all else."""
BY_ALL_OF_FEW = (30, 20)
"""The same where the first is unsure of at most `FEW`: a member's accuracy then has a standard error of .1 % at most by
the samples that are drawn of these, and all members answer in one batch."""
FEW = 100
TRIED = 500
"""Samples by which options are chosen that neither weights nor manifest tell."""
TRUSTED_FROM = 0.9
"""Accuracy that the best choice of options has to reach for flags to count."""


class ConditionalGeneration:
    """`sample(noise (N, 100), labels_one_hot (N, 10)) -> images (N, 1, 28, 28)` in [0, 1]."""

    name = "conditional-generation"
    title = "Conditional generation"
    summary = "draw the digit that is asked for; share that the judge recognises, pass mark 98 %"
    protocol = 2
    measures_samples = True
    primary = "accuracy"
    gates: tuple[str, ...] = ("diversity", *GATES, "judge-fooling", "batch-dependence")
    trusted_from = TRUSTED_FROM
    outputs: Mapping[str, ArraySpec] | None = MappingProxyType(
        {
            "imgs": ArraySpec((SAMPLES, 1, 28, 28)),
            "labels": ArraySpec((SAMPLES,), "int64", 0, CLASSES - 1),
        }
    )
    baselines: Mapping[str, Baseline] = MappingProxyType({})
    time_reference = "cvae"
    time_batch = BATCH

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """10,000 samples in batches of 500; in a second sitting 200 again in batches of 40, each digit at code 0, and
        the hidden units of weights.
        """
        import torch

        generator = context.generator(self.name, "noise")
        noise = torch.randn(SAMPLES, LATENT, generator=generator).numpy()
        one_hot = np.eye(CLASSES, dtype=np.float32)[_cycling_labels(SAMPLES)]
        asked = [
            Question(
                "sample",
                {"noise": noise[rows], "labels_one_hot": one_hot[rows]},
                {"images": ArraySpec((len(rows), 1, 28, 28))},
                batch,
                sitting=sitting,
            )
            for rows, batch, sitting in (
                (np.arange(SAMPLES), BATCH, 0),
                (hidden_rows(context, self.name, "again", SAMPLES, REPEATED), 40, 1),
            )
        ]
        centre = {"noise": np.zeros((CLASSES, LATENT), np.float32), "labels_one_hot": np.eye(CLASSES, dtype=np.float32)}
        spec = ArraySpec((CLASSES, 1, 28, 28))
        asked.append(Question("sample", centre, {"images": spec}, optional=True, sitting=1))
        return [*asked, units.question()] if entry.kind is Kind.WEIGHTS else asked

    def trial(self, context: Context, entry: Entry) -> Trial:
        """500 samples; the share that the judge reads as asked."""
        import torch

        noise = torch.randn(TRIED, LATENT, generator=context.generator(self.name, "trial")).numpy()
        labels = _cycling_labels(TRIED)
        one_hot = np.eye(CLASSES, dtype=np.float32)[labels]
        asked = Question(
            "sample", {"noise": noise, "labels_one_hot": one_hot}, {"images": ArraySpec((TRIED, 1, 28, 28))}
        )

        def rate(answers: Sequence[Answer]) -> Metric:
            judged = context.judge.decide(answers[0]["images"].clip(0, 1))[0]
            return accuracy_metric.accuracy(labels, judged)

        return Trial([asked], rate)

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Fresh noise and random labels; the judge says which samples show what was asked for."""
        return [self._timed(context, entry, generator, size) for size in sizes]

    def _timed(self, context: Context, entry: Entry, generator: torch.Generator, size: int) -> TimedQuestion:
        import torch

        noise = torch.randn(size, LATENT, generator=generator).numpy()
        labels = torch.randint(CLASSES, (size,), generator=generator).numpy()
        inputs = {"noise": noise, "labels_one_hot": np.eye(CLASSES, dtype=np.float32)[labels]}

        def rate(answer: Answer) -> NDArray[np.float64]:
            images = gray_values(answer["images"], entry, [])
            right: NDArray[np.float64] = context.judge.decide(images)[0] == labels
            return right.astype(np.float64)

        return TimedQuestion(Question("sample", inputs, {"images": ArraySpec((size, 1, 28, 28))}), rate)

    def prepare_marking(self, context: Context) -> None:
        """Lay out the judge's networks for this processor, and compute the shapes of all digits."""
        context.judge.first(np.zeros((1, 1, 28, 28), np.float32))
        prepare(context)

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The samples less the mean of their class, their distribution, the answers to the code 0, and hidden units."""
        if entry.kind is Kind.OUTPUTS:
            return likeness.of_samples(gray_values(answers[0]["imgs"], entry, []), answers[0]["labels"])
        images, labels = gray_values(answers[0]["images"], entry, []), _cycling_labels(SAMPLES)
        centres = answers[2].get("images") if len(answers) > 2 else None
        hidden = answers[3].get("units") if len(answers) > 3 else None
        return likeness.of_samples(images, labels, centres, hidden)

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Accuracy with Wilson's interval, per class; confusion; diversity against gate and real digits."""
        notes: list[str] = []
        evidence: list[Evidence] = []
        if entry.kind is Kind.OUTPUTS:
            images, labels = answers[0]["imgs"], answers[0]["labels"]
            _check_labels(labels)
        else:
            images, labels = answers[0]["images"], _cycling_labels(SAMPLES)
            evidence.append(
                in_smaller_batch(
                    images[hidden_rows(context, self.name, "again", SAMPLES, REPEATED)],
                    answers[1]["images"],
                    "The same noise and labels gave the same images in a smaller batch.",
                    "The same noise and labels gave other images in a smaller batch: batch norm in training mode, or "
                    "noise of the model's own.",
                )
            )
        images = gray_values(images, entry, notes)

        first = context.judge.first(images)
        _, features, unsure = first
        strata = _strata(context, unsure)
        judged, by_member = context.judge.settled(images, first, np.concatenate(strata))
        counts = accuracy_metric.confusion(labels, judged)
        spread = diversity.diversity(images, labels)
        right = judged == labels
        some = Some(context, self.name, images, labels, right)
        evidence += some.evidence()
        drawn = hidden_rows(context, self.name, "doubt", len(some.rows), sum(DOUBTED))
        doubts = _doubts(context.judge, images[some.rows], judged[some.rows], np.split(drawn, DOUBTED[:1]), some.odd())
        evidence.append(some.sheltered(judge_fooling.judge_fooling(doubts, context.judge.most_doubt)))
        accuracy = _with_effective(accuracy_metric.accuracy(labels, judged), some.effective())
        metrics = {
            "accuracy": replace(accuracy, by_member=_by_member(labels, judged, unsure, strata, by_member)),
            "diversity": Metric(
                float(spread.mean()), "gray value", "higher", len(images), title="diversity", beside=True
            ),
        }
        if context.full:
            found = marking.measure(context, images, features, labels)
            metrics |= found.metrics
            # Copies were looked for among some samples already, more thoroughly.
        metrics[marking.PRIMARY] = marking.distance(context, features).metric
        if context.second is not None:
            public = context.second.decide(images)[0]
            metrics["accuracy_public_judge"] = accuracy_metric.accuracy(labels, public, "accuracy public judge")
            metrics["judges_agree"] = accuracy_metric.accuracy(judged, public, "judges agree")
        return Marks(
            metrics=metrics,
            primary=self.primary,
            evidence=tuple(evidence),
            figures=(
                *_figures(images, labels, counts, spread, context.real_diversity),
                *marking.between(context, metrics),
            ),
            gates=gates(evidence, {"diversity": Gate(bool((spread > diversity.GATE).all()), "diversity")}),
            scores=right.astype(np.float64),
        ), notes


def _with_effective(accuracy: Metric, effective: float | None) -> Metric:
    """The accuracy with the interval that so many different samples give, where that is known."""
    if effective is None or accuracy.value is None:
        return accuracy
    n = max(round(effective), 1)
    low, high = accuracy_metric.wilson(round(accuracy.value * n), n)
    return replace(accuracy, low=min(low, accuracy.value), high=max(high, accuracy.value))


def _cycling_labels(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64) % CLASSES


def _doubts(
    judge: Judge,
    images: NDArray[np.float32],
    judged: NDArray[np.int64],
    parts: Sequence[NDArray[np.int64]],
    odd: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """The judge's doubts about the images of `parts`, part after part until they settle the verdict.

    Only those that are `odd` by their shape are asked about; the others are near a digit, so that doubt would be about
    which digit it is, not about whether it is one.
    """
    doubts = np.empty(0, np.float32)
    for part in parts:
        some, found = np.sort(part[odd[part]]), np.zeros(len(part), np.float32)
        if len(some):
            found[: len(some)] = judge.doubt(images[some], judged[some])
        doubts = np.concatenate([doubts, found])
        if judge_fooling.settled(doubts, judge.most_doubt):
            break
    return doubts


def _strata(context: Context, unsure: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Rows of samples about which all members of the judge are asked: of those it is unsure of, and of the others."""
    generator = context.resampler(ConditionalGeneration.name, "members")
    rows = np.flatnonzero(unsure), np.flatnonzero(~unsure)
    counts = BY_ALL_OF_FEW if len(rows[0]) <= FEW else BY_ALL
    return [np.sort(generator.permutation(some)[:count]) for some, count in zip(rows, counts, strict=True)]


def _by_member(
    labels: NDArray[np.int64],
    judged: NDArray[np.int64],
    unsure: NDArray[np.bool_],
    rows: Sequence[NDArray[np.int64]],
    by_member: NDArray[np.int64],
) -> tuple[float, float]:
    """The lowest and the highest accuracy by a single member of the judge, which read `by_member` in `rows`."""
    right = judged == labels
    of_rows = np.split(by_member == labels[np.concatenate(rows)], [len(rows[0])], axis=1)
    sizes = int(unsure.sum()), int((~unsure).sum())
    strata = [Stratum(size, right[own], each) for size, own, each in zip(sizes, rows, of_rows, strict=True)]
    found = member_accuracies(float(right.mean()), strata)
    return float(found.min()), float(found.max())


def _check_labels(labels: NDArray[np.int64]) -> None:
    counts = np.bincount(labels, minlength=CLASSES)
    if (counts != SAMPLES // CLASSES).any():
        found = ", ".join(f"{digit}: {count}" for digit, count in enumerate(counts))
        raise refuse("answers", "labels", f"'labels' must name each digit {SAMPLES // CLASSES} times; found {found}.")


def _figures(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    counts: NDArray[np.int64],
    spread: NDArray[np.float64],
    real: NDArray[np.float64],
) -> tuple[Figure, ...]:
    digits = tuple(map(str, range(CLASSES)))
    return (
        Figure(
            "samples",
            "picture",
            "Samples",
            {"pixels": grid(_columns(images, labels))},
            f"One column a digit, as it was asked for. {INK}",
            columns=digits,
            strip=TOP_FIFTH,
        ),
        Figure(
            "confusion",
            "matrix",
            "Confusion",
            {"counts": counts},
            "Rows: what was asked for. Columns: what the judge saw. Shaded by share of the row.",
            columns=digits,
            x="judged",
            y="asked",
        ),
        Figure(
            "per-class-accuracy",
            "bars",
            "Per-class accuracy",
            {"values": counts.diagonal() / counts.sum(axis=1)},
            "One row a class.",
            x="class",
            unit="share",
        ),
        Figure(
            "diversity",
            "bars",
            "Diversity",
            {"values": spread, "gate": np.array(diversity.GATE), "real": real},
            "One row a class. The value must exceed its gate.",
            x="class",
            unit="gray value",
        ),
    )


def _columns(images: NDArray[np.float32], labels: NDArray[np.int64], rows: int = 10) -> NDArray[np.float32]:
    """The first `rows` samples of each class, (rows, classes, 28, 28): one class a column."""
    return np.stack([images[labels == digit][:rows, 0] for digit in range(CLASSES)], axis=1)
