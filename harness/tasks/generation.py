"""Generation: draw digits, of whatever class (IST Austria, DLWT, homework 5; GANs, VAEs, flows, energy-based models).

10,000 samples are compared with 10,000 training digits in the judge's features. Entries are ranked by the Fréchet judge
distance; beside it stand measures that tell fidelity from variety, and evidence of copied images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.evidence import judge_fooling
from harness.evidence.batch_dependence import in_smaller_batch
from harness.likeness import generators as likeness
from harness.likeness import units
from harness.metrics import diversity
from harness.metrics.neighbours import Neighbours
from harness.metrics.pictures import grid
from harness.mnist import Split
from harness.tasks.base import INK, TOP_FIFTH, Baseline, Context, Trial, gates, hidden_rows
from harness.tasks.samples import ceilings, marking
from harness.tasks.samples.gray_values import gray_values
from harness.tasks.samples.real import SAMPLES
from harness.tasks.samples.some import GATES, Some
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Figure, Images, Kind, Marks, Metric, Question

CLASSES = 10
NOISE = 784
"""Numbers of noise for each image; a model takes as many as it says."""
REPEATED = 200
"""Samples that are asked for a second time, in smaller batches."""
TRIED = 300
"""Samples by which options are chosen that neither weights nor manifest tell."""
DOUBTED = 500
"""Samples, drawn at random, about which all members of the judge are asked."""
FAR = 7.0
"""Distance to the nearest training image from which doubt counts: 95 % of MNIST's test digits are closer than 6.06."""
SHOWN = 10


def _answer(draw: Callable[[Context, int], Images]) -> Callable[[Context, Sequence[Question]], Sequence[Answer]]:
    """A baseline's answer to all questions: the first images for the repeated ones."""

    def answer(context: Context, questions: Sequence[Question]) -> Sequence[Answer]:
        images = draw(context, SAMPLES)
        return [{"images": images[: len(question.inputs["noise"])]} for question in questions]

    return answer


def _training_digits(context: Context, n: int) -> Images:
    """Training digits outside the reference set, in the file's order, repeated where there are too few."""
    others = np.setdiff1d(np.arange(len(context.data.train)), marking.references(context).rows)
    return context.data.train.images[np.resize(others, n)]


def _of(draw: Callable[[Split, int], Images]) -> Callable[[Context, int], Images]:
    return lambda context, n: draw(context.data.train, n)


class Generation:
    """`sample(noise (N, d)) -> images (N, 1, 28, 28)` in [0, 1], or `sample_images(n, seed) -> images`."""

    name = "generation"
    title = "Generation"
    summary = "draw digits; distance of 10,000 samples from real digits in the judge's features"
    protocol = 1
    primary = marking.PRIMARY
    measures_samples = True
    gates: tuple[str, ...] = (*GATES, "judge-fooling", "batch-dependence")
    outputs: Mapping[str, ArraySpec] | None = MappingProxyType({"imgs": ArraySpec((SAMPLES, 1, 28, 28))})
    baselines: Mapping[str, Baseline] = MappingProxyType(
        {
            "training-digits": Baseline("Training digits", _answer(_training_digits), same_for_parts=True),
            **{
                name: Baseline(title, _answer(_of(draw)), same_for_parts=True)
                for name, (title, draw) in ceilings.CEILINGS.items()
            },
        }
    )

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """10,000 samples in batches of 500, 200 again in batches of 40 from models that take noise, and the hidden
        units of weights.
        """
        import torch

        generator = context.generator(self.name, "noise")
        noise = torch.randn(SAMPLES, NOISE, generator=generator).numpy()
        seeds = torch.randint(2**31, (SAMPLES,), generator=context.generator(self.name, "seeds")).numpy()
        asked = [
            Question(
                "generate", {"noise": noise, "seeds": seeds}, {"images": ArraySpec((SAMPLES, 1, 28, 28))}, batch=500
            ),
            Question(
                "generate_from_noise",
                {"noise": noise[hidden_rows(context, self.name, "again", SAMPLES, REPEATED)]},
                {"images": ArraySpec((REPEATED, 1, 28, 28))},
                batch=40,
                optional=True,
                sitting=1,
            ),
        ]
        return [*asked, units.question()] if entry.kind is Kind.WEIGHTS else asked

    def trial(self, context: Context, entry: Entry) -> Trial:
        """300 samples; their Fréchet judge distance, too large for so few, but by as much for all options."""
        import torch

        noise = torch.randn(TRIED, NOISE, generator=context.generator(self.name, "trial")).numpy()
        seeds = torch.randint(2**31, (TRIED,), generator=context.generator(self.name, "trial seeds")).numpy()
        asked = Question("generate", {"noise": noise, "seeds": seeds}, {"images": ArraySpec((TRIED, 1, 28, 28))})

        def rate(answers: Sequence[Answer]) -> Metric:
            _, features = context.judge.decide(answers[0]["images"].clip(0, 1))
            return marking.distance(context, features).metric

        return Trial([asked], rate)

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The samples less their mean, their distribution, and hidden units."""
        images = gray_values(answers[0]["imgs" if entry.kind is Kind.OUTPUTS else "images"], entry, [])
        hidden = answers[2].get("units") if len(answers) > 2 else None
        return likeness.of_samples(images, units=hidden)

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """All measures of sample quality, copies, and pictures of samples beside their nearest training images."""
        notes: list[str] = []
        evidence: list[Evidence] = []
        first = answers[0]["imgs" if entry.kind is Kind.OUTPUTS else "images"]
        again = answers[1].get("images") if len(answers) > 1 else None
        if again is not None:
            evidence.append(
                in_smaller_batch(
                    first[hidden_rows(context, self.name, "again", SAMPLES, REPEATED)],
                    again,
                    "The same noise gave the same images in a smaller batch.",
                    "The same noise gave other images in a smaller batch: batch norm in training mode, or noise of "
                    "the model's own.",
                )
            )
        images = gray_values(first, entry, notes)
        judged, features = context.judge.decide(images)
        found = marking.measure(context, images, features, judged)
        evidence += Some(context, self.name, images, judged, np.ones(len(images), np.bool_)).evidence()
        evidence.append(_fooling(context, images, judged, found.training))
        distance = marking.distance(context, features)
        spread = diversity.diversity(images, judged)
        metrics = {
            **found.metrics,
            self.primary: distance.metric,
            "diversity": Metric(float(spread.mean()), "gray value", "higher", len(images), title="diversity"),
        }
        figures = (
            *_pictures(context, images, found.training),
            *marking.between(context, metrics),
            *_by_class(context, judged, spread),
        )
        return Marks(
            metrics=metrics,
            primary=self.primary,
            evidence=tuple(evidence),
            figures=figures,
            gates=gates(evidence),
            scores=distance.scores,
        ), notes


def _fooling(context: Context, images: Images, judged: NDArray[np.int64], nearest: Neighbours) -> Evidence:
    """Evidence from samples that are far from all digits: honest ones that the judge doubts are near some."""
    drawn = np.sort(hidden_rows(context, Generation.name, "doubt", len(images), DOUBTED))
    doubt = context.judge.doubt(images[drawn], judged[drawn])
    far = nearest.distances[drawn, 0] > FAR
    counted = np.where(far, doubt, np.float32(0))
    return judge_fooling.judge_fooling(counted, context.judge.most_doubt, "samples are far from all known digits and")


def _pictures(context: Context, images: Images, nearest: Neighbours) -> tuple[Figure, Figure]:
    order = np.argsort(nearest.distances[:, 0], kind="stable")
    places = np.concatenate([order[:SHOWN], order[np.linspace(0, len(order) - 1, SHOWN).astype(np.int64)]])
    beside = np.stack([images[places, 0], context.data.train.images[nearest.indices[places, 0], 0]])
    # (2, 20, 28, 28) -> rows: nearest samples, their images, samples of all distances, their images
    rows = beside.reshape(2, 2, SHOWN, 28, 28).transpose(1, 0, 2, 3, 4).reshape(4, SHOWN, 28, 28)
    return (
        Figure(
            "samples",
            "picture",
            "Samples",
            {"pixels": grid(images[: SHOWN * SHOWN, 0].reshape(SHOWN, SHOWN, 28, 28))},
            f"The first {SHOWN * SHOWN} samples. {INK}",
            strip=TOP_FIFTH,
        ),
        Figure(
            "nearest-training-images",
            "picture",
            "Nearest training images",
            {"pixels": grid(rows)},
            "First row: the ten samples that are closest to a training image; second row: these training images. Third "
            "and fourth rows: the same for samples of all distances, from the closest to the farthest.",
        ),
    )


def _by_class(context: Context, judged: NDArray[np.int64], spread: NDArray[np.float64]) -> tuple[Figure, Figure]:
    counts = np.bincount(judged, minlength=CLASSES) / len(judged)
    real = np.bincount(context.data.train.labels, minlength=CLASSES) / len(context.data.train)
    return (
        Figure(
            "classes",
            "bars",
            "Digits that were drawn",
            {"values": counts, "real": real},
            "One row a digit, as the judge reads the samples, beside the training set's share.",
            x="class",
            unit="share",
        ),
        Figure(
            "diversity",
            "bars",
            "Diversity",
            {"values": spread, "real": context.real_diversity},
            "One row a digit, as the judge reads the samples.",
            x="class",
            unit="gray value",
        ),
    )
