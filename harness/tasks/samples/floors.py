"""Floors and ceilings of the measures of samples: what real digits give, and noise.

The floor of a measure is what real digits of other writers give: 20 times, 10,000 consecutive training digits count as
samples, and the reference set is drawn from the rest. Neighbours in the file are of one writer, and half of a
writer's digits would tell the other half. The range of real digits is that in which a further such set lies with a
probability of 95 %, mean ± t s √(1 + 1/20) with Student's t of 19 degrees of freedom. Ceilings are one set each of the
baselines.

All of it belongs to one judge and one set of digits, and is kept in a file beside the judge's weights.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from harness.metrics.frechet import Moments
from harness.metrics.neighbours import Points
from harness.mnist import Digits
from harness.tasks.samples import ceilings, quality
from harness.tasks.samples.real import SAMPLES, RealSet, References, drawn
from harness.types import Images

if TYPE_CHECKING:
    from harness.tasks.base import Judge

SPLITS = 20
"""Sets of consecutive training digits."""
Progress = Callable[[int, int, str], None]


class Range(BaseModel):
    """The values of real digits."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low: float
    mean: float
    high: float


class Floors(BaseModel):
    """Floors and ceilings by measure, for one judge, one set of digits and one version of the measures."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_: Literal[1] = Field(alias="schema")
    version: int
    """`quality.VERSION`"""
    judge: str
    """SHA-256 of the judge's file."""
    data: str
    """SHA-256 of the digits."""
    real: Mapping[str, Range]
    test: Mapping[str, float]
    """Values of the test digits, which belong to neither side of a split."""
    ceilings: Mapping[str, Mapping[str, float]]
    """Values by measure, by the name of a baseline."""
    bounds: tuple[float, ...] = Field(min_length=10, max_length=10)
    """Distance below which an image is a near copy of one of that digit."""
    mean: str
    """Mean of the reference set's features, (F,) float64, little-endian, in base64."""
    factor: str
    """Upper triangle of `frechet.Moments.factor`, row by row, alike."""

    @field_validator("factor")
    @classmethod
    def _of_all_rows(cls, factor: str, info: ValidationInfo) -> str:
        width = len(_numbers(info.data.get("mean", "")))
        if len(_numbers(factor)) != width * (width + 1) // 2:
            raise ValueError(f"holds no triangle of {width} rows")
        return factor

    @field_validator("mean")
    @classmethod
    def _finite(cls, mean: str) -> str:
        _numbers(mean)
        return mean

    def fit(self, judge: str, data: str) -> bool:
        """Tell whether they belong to a judge, to digits, and to the measures of today."""
        return (self.version, self.judge, self.data) == (quality.VERSION, judge, data)

    @cached_property
    def moments(self) -> Moments:
        """Moments of the reference set."""
        mean = _numbers(self.mean)
        factor = np.zeros((len(mean), len(mean)))
        factor[np.triu_indices(len(mean))] = _numbers(self.factor)
        return Moments(mean, factor)


def measured(
    data: Digits, judge: Judge, on_progress: Progress = lambda done, of, what: None, samples: int = SAMPLES
) -> Floors:
    """Measure floors, and ceilings of so many samples, of a judge on some digits; takes minutes for MNIST."""
    done, of = 0, 2 + SPLITS + len(ceilings.CEILINGS)

    def step(what: str) -> None:
        nonlocal done
        on_progress(done, of, what)
        done += 1

    step("training digits through the judge")
    _, features = judge.decide(data.train.images)
    references = References(data, judge, None)
    rows = references.rows
    real = RealSet(features[rows], data.train.labels[rows])
    found = []
    for number, (block, reference, rest) in enumerate(splits(len(data.train))):
        step(f"real digits, {number + 1} of {SPLITS}")
        found.append(of_split(data, features, block, reference, rest, references.bounds))
    step("test digits")
    values = {"test digits": _of_images(data, judge, real, references, data.test.images)}
    for name, (_, draw) in ceilings.CEILINGS.items():
        step(name)
        values[name] = _of_images(data, judge, real, references, draw(data.train, samples))
    on_progress(of, of, "")
    test = values.pop("test digits")
    moments = real.moments
    return Floors(
        schema=1,
        version=quality.VERSION,
        judge=judge.digest,
        data=data.digest,
        real={name: _range(np.array([each[name] for each in found])) for name in found[0]},
        test={name: test[name] for name in found[0]},
        ceilings={name: {kind: own[name] for kind, own in values.items()} for name in found[0]},
        bounds=tuple(float(bound) for bound in references.bounds),
        mean=_text(moments.mean),
        factor=_text(moments.factor[np.triu_indices(len(moments.mean))]),
    )


def splits(count: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield rows of `count` digits that count as samples, as reference set, and all rows but the samples'."""
    size = min(SAMPLES, count // 2)
    for start in np.arange(SPLITS, dtype=np.int64) * count // SPLITS:
        block = (start + np.arange(size)) % count
        rest = np.setdiff1d(np.arange(count), block)
        yield block, rest[drawn(len(rest), min(size, len(rest)))], rest


def of_split(
    data: Digits,
    features: NDArray[np.float32],
    block: NDArray[np.int64],
    reference: NDArray[np.int64],
    rest: NDArray[np.int64],
    bounds: NDArray[np.float64],
) -> dict[str, float]:
    """Measure one split of training digits, whose features (M, F) are known: see `splits`."""
    labels, images = data.train.labels, data.train.images
    real = RealSet(features[reference], labels[reference])
    others = Points(images[rest].reshape(len(rest), -1))
    nearest = others.nearest(images[block].reshape(len(block), -1))
    return {
        **quality.of_features(features[block], labels[block], real),
        **quality.of_images(images[block], nearest, labels[rest], bounds),
    }


def _of_images(data: Digits, judge: Judge, real: RealSet, references: References, images: Images) -> dict[str, float]:
    labels, features = judge.decide(images)
    nearest = references.nearest_training(images)
    return {
        **quality.of_features(features, labels, real),
        **quality.of_images(images, nearest, data.train.labels, references.bounds),
    }


def _range(values: NDArray[np.float64]) -> Range:
    # Imported here, so that a run where all is known reads floors quickly.
    from scipy.stats import t as student

    mean, spread = float(values.mean()), float(values.std(ddof=1))
    half = float(student.ppf(0.975, len(values) - 1)) * spread * math.sqrt(1 + 1 / len(values))
    return Range(low=mean - half, mean=mean, high=mean + half)


def _text(values: NDArray[np.float64]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f8").tobytes()).decode("ascii")


def _numbers(text: str) -> NDArray[np.float64]:
    numbers = np.frombuffer(base64.b64decode(text, validate=True), "<f8").astype(np.float64)
    if not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError("numbers that are missing or not finite")
    return numbers
