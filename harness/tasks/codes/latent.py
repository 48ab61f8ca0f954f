"""Densities of latent-variable models (IST's VAE, Tsinghua's cVAE): negative ELBO in nats an image.

`encode(images) -> (mean, log_variance)`, `decode(codes) -> probabilities`, both with the one-hot label behind where the
density is conditional. The harness draws the codes, asks a fresh worker for the pixels' probabilities of these codes in
random order, and computes divergence, likelihood and bounds itself. Targets are gray values, as on the sheet; binarised
ones, drawn once with the gray values as probabilities, stand beside. Densities of pixels that are 0 or 1, of continuous
ones, and of those given a label, are different quantities: each has a task of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.evidence.batch_dependence import in_smaller_batch
from harness.evidence.known_noise import known_noise
from harness.evidence.memorised import MOST_SLIGHT, memorised
from harness.metrics import elbo
from harness.metrics.mean_interval import mean_intervals
from harness.tasks.altered import held_out
from harness.tasks.base import Baseline, Context, Trial, gates
from harness.tasks.codes import pictures
from harness.tasks.codes.digits import altered, code_size, digest_of, in_order, normal, shuffled, uniform
from harness.tasks.codes.latent_answers import probabilities, refuse_overflow
from harness.types import Along, Answer, ArraySpec, Entry, Evidence, Images, Marks, Metric, Question

UNIT = "nats an image"
BATCH, OTHER_BATCH, SMALL_BATCH = 500, 300, 40
"""Images in a batch of `encode`, of `decode`, and of the questions that are asked a second time."""
REPEATED = 200
"""Images that are encoded a second time, in small batches."""
WEIGHED, CODES = 1_000, 64
"""Images of the importance-weighted bound, and codes for each."""
AGAIN = 4
"""Codes for each of these images that are drawn by noise which depends on the answers."""
DRAWN = 100
"""Samples that are shown."""
TRIED = 500
"""Training images by which options are chosen that neither weights nor manifest tell."""
ACTIVE = 0.01
"""Variance of a coordinate's mean over test images above which it is active (Burda et al. 2016)."""
_SETS = ("test", "validation", "altered", "altered validation", "binarised", "again")
"""The sets that are encoded, in the order of the questions."""
_CHECKS = ("altered", "altered validation", "again")
"""Those that a fresh worker is asked about, which has not seen the others."""
_DECODED = ("test", "validation", "altered", "altered validation", "binarised")
"""The sets that are decoded, in the order of the questions."""


@dataclass(frozen=True)
class _Asked:
    """One set of images, their labels, and the random order in which their codes are decoded."""

    images: Images
    labels: NDArray[np.int64]
    order: NDArray[np.int64]


class BernoulliDensity:
    """`encode(images) -> (mean, log_variance) (N, k)`, `decode(codes) -> probabilities`; k is the option `code`."""

    name = "bernoulli-density"
    title = "Density, Bernoulli"
    summary = "bound the likelihood of digits by a latent-variable model; negative ELBO in nats, gray targets"
    protocol = 1
    primary = "negative_elbo"
    """With the code's size behind it, negative_elbo_k10, since codes of different sizes are never ranked together."""
    gates: tuple[str, ...] = ("memorised-test-images", "known-noise", "batch-dependence")
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = MappingProxyType({})

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """Means and log-variances of test, validation, altered and binarised digits, and of some again.

        Those of altered digits, and those that are asked for again, come from a fresh worker.
        """
        k = self.code_size(entry)
        sets = self._sets(context)
        asked = {
            name: self._encode(sets[name].images, sets[name].labels, k, SMALL_BATCH if name == "again" else BATCH)
            for name in _SETS
        }
        return [replace(question, sitting=int(name in _CHECKS)) for name, question in asked.items()]

    def follow_up(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Sequence[Question]:
        """The pixels of one code an image, of 64 for 1,000 images, of 4 by unknown noise, and of codes of the prior."""
        if len(answers) > len(_SETS):
            return ()
        k = self.code_size(entry)
        sets = self._sets(context)
        found = dict(zip(_SETS, answers, strict=True))
        for name, answer in found.items():
            refuse_overflow(answer, name)
        asked = []
        for name in _DECODED:
            order = sets[name].order
            codes = self._codes(context, name, found[name])[0]
            asked.append(replace(self._decode(codes[order], sets[name].labels[order]), sitting=int(name in _CHECKS)))
        first, labels = _first(found["test"], WEIGHED), sets["test"].labels[:WEIGHED]
        for codes in (self._codes(context, "weighed", first, CODES), self._unknown(context, found["test"])):
            asked.append(self._decode(codes.reshape(-1, k), np.tile(labels, len(codes))))
        noise = normal(context, self.name, "prior", shape=(DRAWN, k))
        return [*asked, self._decode(noise, np.arange(DRAWN) % 10)]

    def trial(self, context: Context, entry: Entry) -> Trial:
        """Some training images; what their divergence and the cross-entropy of the mean code's image sum up to."""
        k = self.code_size(entry)
        images, labels = context.data.train.images[:TRIED], context.data.train.labels[:TRIED]
        asked = [
            self._encode(images, labels, k, BATCH),
            Question("reconstruct", self._inputs("images", images, labels), {"images": ArraySpec(images.shape)}),
        ]

        def rate(answers: Sequence[Answer]) -> Metric:
            refuse_overflow(answers[0], "training")
            rate = elbo.divergence(answers[0]["mean"], answers[0]["log_variance"]).sum(axis=1)
            nats = rate - elbo.log_bernoulli(probabilities(answers[1]["images"]), images)
            return Metric(float(nats.mean()), UNIT, "lower", len(nats), title="nats with mean codes")

        return Trial(asked, rate)

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Negative ELBO with its two terms, the importance-weighted bound, evidence, samples and reconstructions."""
        sets = self._sets(context)
        found = dict(zip(_SETS, answers, strict=False))
        decoded = answers[len(_SETS) :]
        pixels = {
            name: in_order(probabilities(answer["images"]), sets[name].order)
            for name, answer in zip(_DECODED, decoded, strict=False)
        }
        rates = {n: elbo.divergence(found[n]["mean"], found[n]["log_variance"]) for n in _DECODED}  # (N, k)
        losses = {name: -elbo.log_bernoulli(pixels[name], sets[name].images) for name in _DECODED}
        nats = {name: losses[name] + rates[name].sum(axis=1) for name in _DECODED}
        changed = [altered(context, self.name, images).rows for images in (sets["test"].images, held_out(context))]
        # Altered digits have more gray pixels, which no model could do anything about.
        excess = {name: np.maximum(nats[name] - elbo.gray_entropy(sets[name].images), 0) for name in _DECODED[:4]}
        evidence = (
            memorised(
                excess["test"][changed[0]],
                excess["altered"],
                excess["validation"][changed[1]],
                excess["altered validation"],
                "negative ELBO less the entropy of gray pixels",
                most=MOST_SLIGHT,
            ),
            known_noise(nats["test"][:WEIGHED], self._again(sets["test"].images, rates["test"], decoded[-2])),
            self._batch_dependence(found),
        )
        weighed = self._weighed(context, sets["test"].images, _first(found["test"], WEIGHED), decoded[len(_DECODED)])
        primary = self.metric_name(self.code_size(entry))
        metrics = self._metrics(primary, nats, losses["test"], rates["test"], weighed)
        metrics["active"] = Metric(
            float((found["test"]["mean"].var(axis=0, dtype=np.float64) > ACTIVE).sum()),
            "numbers",
            "higher",
            len(nats["test"]),
            title="active numbers of the code",
        )
        return Marks(
            metrics=metrics,
            primary=primary,
            evidence=evidence,
            figures=pictures.of_density(sets["test"].images, pixels["test"], decoded[-1]["images"], rates["test"]),
            gates=gates(evidence),
            scores=nats["test"],
        ), []

    def code_size(self, entry: Entry) -> int:
        """The numbers in a code that an entry is asked for."""
        return code_size(entry)

    def metric_name(self, k: int) -> str:
        """The name of the metric that entries with a code of k numbers are ranked by."""
        return f"{self.primary}_k{k}"

    def _sets(self, context: Context) -> dict[str, _Asked]:
        """All sets of images that are encoded, by name."""
        test, train = context.data.test, context.data.train
        validation = held_out(context)
        of_validation = train.labels[len(train.labels) - len(validation) :]
        changed = altered(context, self.name, test.images), altered(context, self.name, validation)
        drawn = uniform(context, self.name, "binarised", shape=test.images.shape)
        found = {
            "test": (test.images, test.labels),
            "validation": (validation, of_validation),
            "altered": (changed[0].images, test.labels[changed[0].rows]),
            "altered validation": (changed[1].images, of_validation[changed[1].rows]),
            "binarised": ((drawn < test.images).astype(np.float32), test.labels),
            "again": (test.images[:REPEATED], test.labels[:REPEATED]),
        }
        return {
            name: _Asked(images, labels, shuffled(context, self.name, f"order {name}", len(images)))
            for name, (images, labels) in found.items()
        }

    def _inputs(
        self, name: str, rows: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        """The arguments of a method of the model."""
        return {name: rows}

    def _encode(self, images: Images, labels: NDArray[np.int64], k: int, batch: int) -> Question:
        spec = ArraySpec((len(images), k))
        inputs = self._inputs("images", images, labels)
        return Question("encode", inputs, {"mean": spec, "log_variance": spec}, batch)

    def _decode(self, codes: NDArray[np.float32], labels: NDArray[np.int64]) -> Question:
        spec = ArraySpec((len(codes), 1, 28, 28))
        return Question("decode", self._inputs("codes", codes, labels), {"images": spec}, OTHER_BATCH)

    def _codes(self, context: Context, purpose: str, answer: Answer, draws: int = 1) -> NDArray[np.float32]:
        """Codes (draws, N, k) of q(z | x), by the harness's own noise."""
        shape = (draws, *answer["mean"].shape)
        noise = normal(context, self.name, "codes", purpose, shape=shape)
        return elbo.drawn_codes(answer["mean"], answer["log_variance"], noise)

    def _unknown(self, context: Context, encoded: Answer) -> NDArray[np.float32]:
        """Codes (AGAIN, N, k) of the first test images, by noise that depends on all that was encoded."""
        return self._codes(context, f"unknown {digest_of(encoded)}", _first(encoded, WEIGHED), AGAIN)

    def _again(self, test: Images, rates: NDArray[np.float64], decoded: Answer) -> NDArray[np.float64]:
        """The negative bound (N,) of the first test images with the codes of `_unknown`, a mean over these."""
        pixels = probabilities(decoded["images"]).reshape(AGAIN, -1, 1, 28, 28)
        likelihoods = [elbo.log_bernoulli(each, test[: len(each)]) for each in pixels]
        nats: NDArray[np.float64] = rates[: pixels.shape[1]].sum(axis=1) - np.mean(likelihoods, axis=0)
        return nats

    def _weighed(self, context: Context, test: Images, encoded: Answer, decoded: Answer) -> NDArray[np.float64]:
        """The importance-weighted bound of the first test images, (N,) in nats."""
        codes = self._codes(context, "weighed", encoded, CODES)  # (CODES, N, k)
        images = probabilities(decoded["images"]).reshape(CODES, -1, 1, 28, 28)
        likelihoods = np.stack([elbo.log_bernoulli(each, test[: codes.shape[1]]) for each in images])
        return elbo.importance_bound(likelihoods, encoded["mean"], encoded["log_variance"], codes)

    def _metrics(
        self,
        primary: str,
        nats: Mapping[str, NDArray[np.float64]],
        losses: NDArray[np.float64],
        rates: NDArray[np.float64],
        weighed: NDArray[np.float64],
    ) -> dict[str, Metric]:
        rate = rates.sum(axis=1)
        columns = np.stack([nats["test"], losses, rate, nats["binarised"]], axis=1)  # (N, 4)
        ends = mean_intervals(columns)
        low, high = mean_intervals(-weighed[:, None])[0]
        titles = {
            primary: f"negative ELBO, {rates.shape[1]} numbers",
            "reconstruction": "reconstruction",
            "divergence": "divergence",
            "negative_elbo_binarised": "negative ELBO binarised",
        }
        curves = {primary: "negative ELBO", "reconstruction": "reconstruction", "divergence": "divergence"}
        metrics = {
            name: Metric(
                float(columns[:, i].mean()),
                UNIT,
                "lower",
                len(columns),
                float(ends[i, 0]),
                float(ends[i, 1]),
                title=title,
                beside=name != primary,
                along=Along("numbers in a code", rates.shape[1], curves[name]) if name in curves else None,
            )
            for i, (name, title) in enumerate(titles.items())
        }
        metrics["importance_bound"] = Metric(
            float(-weighed.mean()),
            UNIT,
            "lower",
            len(weighed),
            float(low),
            float(high),
            title=f"bound by {CODES} codes",
            beside=True,
        )
        validation = nats["validation"]
        metrics["negative_elbo_validation"] = Metric(
            float(validation.mean()), UNIT, "lower", len(validation), title="negative ELBO validation"
        )
        return metrics

    def _batch_dependence(self, found: Mapping[str, Answer]) -> Evidence:
        first, again = found["test"], found["again"]
        spread = np.maximum(first["mean"].std(axis=0, dtype=np.float64), 1.0)
        return in_smaller_batch(
            np.concatenate([first["mean"][:REPEATED] / spread, first["log_variance"][:REPEATED]]),
            np.concatenate([again["mean"] / spread, again["log_variance"]]),
            "The same images gave the same means and log-variances in a smaller batch.",
            "The same images gave other means or log-variances in a smaller batch: batch norm or dropout in training "
            "mode, or noise of the model's own.",
        )


def _first(answer: Answer, n: int) -> Answer:
    return {name: array[:n] for name, array in answer.items()}
