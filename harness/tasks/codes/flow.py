"""Densities of flows (Tsinghua's RealNVP): bits per dimension of dequantised pixels.

`forward(values) -> (z, log_det)`, `inverse(z) -> values`, values being logits of pixels. The harness dequantises, takes
the logits and adds their Jacobian and the prior itself. What a model says of its own log-determinant is a claim: it is
measured by differences of the map and of its inverse at points that the harness chooses after the claim was made, in
workers that did not make it; and there and back again, digits, images that are none and random codes have to return.
Where either fails there is no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evidence.batch_dependence import in_smaller_batch
from harness.evidence.jacobian import jacobian
from harness.evidence.memorised import MOST_SLIGHT, memorised
from harness.evidence.round_trip import distance, round_trip
from harness.metrics import bits_per_dim as bits
from harness.metrics import finite_differences
from harness.metrics.mean_interval import mean_interval
from harness.tasks.altered import held_out
from harness.tasks.base import Baseline, Context, TimedQuestion, Trial, fresh_rows, gates
from harness.tasks.codes import pictures
from harness.tasks.codes.digits import PIXELS, altered, normal, shuffled, uniform
from harness.types import Answer, ArraySpec, Entry, Evidence, Images, Marks, Metric, Question

if TYPE_CHECKING:
    import torch

UNIT = "bits a pixel"
BATCH, OTHER_BATCH, SMALL_BATCH = 500, 300, 40
"""Rows in a batch of the first questions, of the later ones, and of those that are asked a second time."""
VALIDATION = 2_000
"""Held-out training images, from the first on."""
REPEATED = 200
"""Test images that are asked about a second time, in small batches."""
RETURNED = 1_000
"""Test images whose codes are taken back."""
OFF_DATA = 200
"""Images that are no digits, and draws of the codes' distribution, that go there and back."""
POINTS = 3
"""Test images that claim the most, and as many drawn at random, at which the Jacobian is measured."""
MOVE = 1e-3
"""Standard deviation by which codes are moved."""
TRIED = 500
"""Training images by which options are chosen that neither weights nor manifest tell."""
DEADLINE = 900.0
"""Seconds for a question."""
SQUEEZE: Mapping[str, float] = MappingProxyType({"dequantised": 1e-6, "coursework": 1e-4})
"""λ by the option `preprocessing`. The coursework's own stretches each image by its darkest and brightest pixel, which
is no density that could be compared; with one λ for all images near to its own, it is."""
_SETS = ("test", "validation", "altered", "altered validation", "off-data", "again")


@dataclass(frozen=True)
class _Asked:
    """One set of images as logits."""

    logits: NDArray[np.float32]
    """(N, 784)."""
    log_det: NDArray[np.float64]
    """Log-determinant of the preprocessing, (N,), in nats."""

    @classmethod
    def of(cls, images: Images, noise: NDArray[np.floating], squeeze: float) -> _Asked:
        """Take the logits of images (N, …), dequantised by noise (N, 784)."""
        values, log_det = bits.logits(images, noise, squeeze)
        return cls(values.astype(np.float32), log_det)


class ContinuousDensity:
    """`forward(values (N, 784)) -> (z (N, 784), log_det (N,))`, `inverse(z) -> values`."""

    name = "continuous-density"
    title = "Density, continuous"
    summary = "density of dequantised digits by a flow; bits per dimension, once its Jacobian and round trips hold"
    protocol = 1
    primary = "bits_per_dim"
    gates: tuple[str, ...] = ("jacobian", "round-trip", "memorised-test-images", "batch-dependence")
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = MappingProxyType({})
    time_reference = "realnvp"
    time_batch = BATCH

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """Codes and log-determinants of test, validation and altered digits, of images that are none, some again.

        All but the first two come from a fresh worker.
        """
        sets = self._sets(context, entry)
        asked = {name: _forward(sets[name].logits, SMALL_BATCH if name == "again" else BATCH) for name in _SETS}
        return [replace(question, sitting=int(name not in _SETS[:2])) for name, question in asked.items()]

    def follow_up(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Sequence[Question]:
        """Differences of the map and its inverse, and codes taken back; then the codes of what came back."""
        first = len(_SETS)
        if len(answers) == first:
            points = self._points(context, entry, answers)
            sets = self._sets(context, entry)
            test, off = sets["test"].logits, sets["off-data"].logits
            forward = np.concatenate([self._probes(context, test[row], row, "forward") for row in points])
            z = answers[0]["z"]
            backward = np.concatenate([self._probes(context, z[row], row, "inverse") for row in points])
            # Neighbours in a batch are of different points, and no batch holds a point's neighbourhood alone.
            order = self._order(context, len(forward))
            returned = z[:RETURNED]
            moved = returned + MOVE * self._noise(context, "moved", len(returned))
            return [
                _forward(forward[order], OTHER_BATCH),
                _inverse(backward[order]),
                _inverse(np.concatenate([returned, moved])),
                _inverse(answers[_SETS.index("off-data")]["z"][: len(off)]),
                _inverse(self._noise(context, "prior", OFF_DATA)),
            ]
        if len(answers) == first + 5:
            return [_forward(answers[-1]["values"], OTHER_BATCH)]
        return ()

    def trial(self, context: Context, entry: Entry) -> Trial:
        """Some training images; their bits per dimension."""
        asked = self._asked(context, entry, context.data.train.images[:TRIED], "trial")

        def rate(answers: Sequence[Answer]) -> Metric:
            found = _bits(answers[0], asked)
            return Metric(float(found.mean()), UNIT, "lower", len(found), title="bits per dimension")

        return Trial([_forward(asked.logits, BATCH)], rate)

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Codes of test images, freshly dequantised; the bits of each."""
        return [
            self._timed(context.data.test.images[rows], entry, generator)
            for rows in fresh_rows(len(context.data.test.images), sizes, generator)
        ]

    def _timed(self, images: Images, entry: Entry, generator: torch.Generator) -> TimedQuestion:
        import torch

        noise = torch.rand(len(images), PIXELS, generator=generator).numpy()
        asked = _Asked.of(images, noise, self._squeeze(entry))
        question = replace(_forward(asked.logits, BATCH), batch=None)
        return TimedQuestion(question, lambda answer: _bits(answer, asked))

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Bits per dimension with the interval, if Jacobian and round trips hold; samples, and single images' bits."""
        sets = self._sets(context, entry)
        found = {name: _bits(answer, sets[name]) for name, answer in zip(_SETS, answers, strict=False)}
        changed = [
            altered(context, self.name, images).rows for images in (context.data.test.images, self._held(context))
        ]
        believed = self._jacobian(context, entry, answers), self._round_trip(context, sets, answers)
        again = answers[_SETS.index("again")]
        evidence = (
            *believed,
            memorised(
                _positive(found["test"][changed[0]]),
                _positive(found["altered"]),
                _positive(found["validation"][changed[1]]),
                _positive(found["altered validation"]),
                "density in bits",
                most=MOST_SLIGHT,
            ),
            in_smaller_batch(
                np.column_stack([answers[0]["z"][:REPEATED], answers[0]["log_det"][:REPEATED] / PIXELS]),
                np.column_stack([again["z"], again["log_det"] / PIXELS]),
                "The same values gave the same codes in a smaller batch.",
                "The same values gave other codes in a smaller batch: batch norm or dropout in training mode.",
            ),
        )
        notes = [f"There is no density: {each.message}" for each in believed if each.flag]
        low, high = mean_interval(found["test"])
        return Marks(
            metrics=_metrics(found, (low, high), not notes),
            primary=self.primary,
            evidence=evidence,
            figures=pictures.of_flow(
                bits.images(answers[-2]["values"][: pictures.DRAWN], self._squeeze(entry)),
                _positive(found["test"]),
                UNIT,
            ),
            gates=gates(evidence),
            scores=found["test"] if not notes else None,
        ), notes

    def _held(self, context: Context) -> Images:
        return held_out(context)[:VALIDATION]

    def _squeeze(self, entry: Entry) -> float:
        return SQUEEZE.get(entry.options.get("preprocessing", ""), SQUEEZE["dequantised"])

    def _asked(self, context: Context, entry: Entry, images: Images, purpose: str) -> _Asked:
        noise = uniform(context, self.name, "noise", purpose, shape=(len(images), PIXELS))
        return _Asked.of(images, noise, self._squeeze(entry))

    def _sets(self, context: Context, entry: Entry) -> dict[str, _Asked]:
        """All sets of images whose codes are asked for, by name."""
        test, validation = context.data.test.images, self._held(context)
        drawn = uniform(context, self.name, "off-data", shape=(OFF_DATA, 1, 28, 28))
        off_data = (np.floor(drawn * bits.LEVELS) / (bits.LEVELS - 1)).astype(np.float32)
        test_set = self._asked(context, entry, test, "test")
        return {
            "test": test_set,
            "validation": self._asked(context, entry, validation, "validation"),
            "altered": self._asked(context, entry, altered(context, self.name, test).images, "altered"),
            "altered validation": self._asked(
                context, entry, altered(context, self.name, validation).images, "altered validation"
            ),
            "off-data": self._asked(context, entry, off_data, "off-data"),
            "again": _Asked(test_set.logits[:REPEATED], test_set.log_det[:REPEATED]),
        }

    def _points(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> list[int]:
        """Rows of the test images at which the Jacobian is measured: the highest claims, and as many others."""
        claims = answers[0]["log_det"].astype(np.float64) + bits.log_normal(answers[0]["z"])
        highest = np.argsort(-claims, kind="stable")[:POINTS]
        others = [row for row in shuffled(context, self.name, "points", len(claims)) if row not in highest]
        return [int(row) for row in (*highest, *others[:POINTS])]

    def _probes(self, context: Context, point: NDArray[np.float32], row: int, way: str) -> NDArray[np.float32]:
        generator = context.generator(self.name, "directions", way, row)
        return finite_differences.probes(point, *finite_differences.directions(PIXELS, generator))

    def _order(self, context: Context, n: int) -> NDArray[np.int64]:
        return shuffled(context, self.name, "probes", n)

    def _noise(self, context: Context, purpose: str, n: int) -> NDArray[np.float32]:
        return normal(context, self.name, purpose, shape=(n, PIXELS))

    def _jacobian(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Evidence:
        points = self._points(context, entry, answers)
        test, z = self._sets(context, entry)["test"].logits, answers[0]["z"]
        measured: dict[str, list[float]] = {"forward": [], "inverse": []}
        given = {"forward": answers[len(_SETS)]["z"], "inverse": answers[len(_SETS) + 1]["values"]}
        for way, at in (("forward", test), ("inverse", z)):
            values = np.empty_like(given[way])
            values[self._order(context, len(values))] = given[way]
            for row, own in zip(points, np.split(values, len(points)), strict=True):
                asked = self._probes(context, at[row], row, way)
                measured[way].append(finite_differences.log_determinant(own, asked))
        stated = [float(answers[0]["log_det"][row]) for row in points]
        return jacobian(stated, measured["forward"], measured["inverse"])

    def _round_trip(self, context: Context, sets: Mapping[str, _Asked], answers: Sequence[Answer]) -> Evidence:
        back, off = (answer["values"] for answer in answers[len(_SETS) + 2 : len(_SETS) + 4])
        test, moved = back[: len(back) // 2], back[len(back) // 2 :]
        prior = self._noise(context, "prior", OFF_DATA)
        distances = {
            "test digits": distance(test, sets["test"].logits[: len(test)]),
            "images that are no digits": distance(off, sets["off-data"].logits),
            "random codes": distance(answers[-1]["z"], prior),
        }
        return round_trip(distances, distance(moved, test) / MOVE)


def _forward(values: NDArray[np.float32], batch: int) -> Question:
    specs = {"z": ArraySpec(values.shape), "log_det": ArraySpec((len(values),))}
    return Question("forward", {"values": values}, specs, batch, DEADLINE)


def _inverse(z: NDArray[np.float32]) -> Question:
    return Question("inverse", {"z": z}, {"values": ArraySpec(z.shape)}, OTHER_BATCH, DEADLINE)


def _bits(answer: Answer, asked: _Asked) -> NDArray[np.float64]:
    """Bits per dimension of each image, (N,), as the model states its log-determinant."""
    nats = bits.log_normal(answer["z"]) + answer["log_det"].astype(np.float64) + asked.log_det
    return bits.bits_per_dim(nats, PIXELS)


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bits of which ratios can be taken; below 0 a model claims more than the 8 bits that a pixel has."""
    return np.maximum(values, 0.0)


def _metrics(
    found: Mapping[str, NDArray[np.float64]], interval: tuple[float, float], believed: bool
) -> dict[str, Metric]:
    """The mean bits of test and validation images; without a value where the model is not believed."""

    def metric(values: NDArray[np.float64], title: str) -> Metric:
        value = float(values.mean()) if believed else None
        return Metric(value, UNIT, "lower", len(values), title=title)

    test = metric(found["test"], "bits per dimension")
    validation = metric(found["validation"], "bits per dimension validation")
    low, high = interval if believed else (None, None)
    return {
        "bits_per_dim": replace(test, low=low, high=high),
        "bits_per_dim_validation": replace(validation, beside=True),
    }
