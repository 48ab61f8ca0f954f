"""Reconstruction: digits through a code of k numbers (IST, Deep Structured Learning, homework 5).

`encode(images) -> codes (N, k)`, `decode(codes) -> images`. The code really has k numbers: it is rounded to 8 bits a
coordinate, over that coordinate's range on validation images, and decoded by a worker that has seen no image, in
another order and in other batches. The score is the mean squared error over the pixels of all test images, as it comes,
never clipped. The last tenth of the training images is for validation, as on the sheet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.evidence.batch_dependence import in_smaller_batch
from harness.evidence.memorised import MOST_SLIGHT, memorised
from harness.evidence.packed_code import packed_code
from harness.likeness import answers as likeness
from harness.metrics.code_rounding import code_range, rounded
from harness.metrics.cross_entropy_of_images import image_cross_entropy
from harness.metrics.mean_interval import mean_intervals
from harness.metrics.squared_error import histogram, squared_error
from harness.tasks.altered import held_out
from harness.tasks.base import Baseline, Context, Trial, gates
from harness.tasks.codes import pictures
from harness.tasks.codes.components import PRINCIPAL_COMPONENTS, optimum, projections
from harness.tasks.codes.digits import altered, code_size, in_order, normal, shuffled
from harness.types import Along, Answer, Array, ArraySpec, Entry, Evidence, Figure, Images, Marks, Metric, Question

UNIT = "squared gray value"
BATCH, OTHER_BATCH, SMALL_BATCH = 500, 300, 40
"""Images in a batch of `encode`, of `decode`, and of the questions that are asked a second time."""
REPEATED = 200
"""Images and codes that are asked about a second time, in small batches."""
TRIED = 500
"""Training images by which options are chosen that neither weights nor manifest tell."""


class Reconstruction:
    """`encode(images (N, 1, 28, 28)) -> codes (N, k)`, `decode(codes) -> images`; k is the part's option `code`."""

    name = "reconstruction"
    title = "Reconstruction"
    summary = "code digits by k numbers and decode them; mean squared error with codes of 8 bits a number"
    protocol = 1
    primary = "mse"
    """With the code's size behind it, mse_k10, since codes of different sizes are never ranked together."""
    gates: tuple[str, ...] = ("packed-code", "memorised-test-images", "batch-dependence")
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = MappingProxyType({"principal-components": PRINCIPAL_COMPONENTS})

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """Codes of test, validation and altered digits, of those in the pictures, and of some again.

        Those of altered digits, and those that are asked for again, come from a fresh worker.
        """
        k = code_size(entry)
        test, validation = context.data.test.images, held_out(context)
        changed = np.concatenate([altered(context, self.name, images).images for images in (test, validation)])
        shown = context.data.train.images[: pictures.SHOWN]
        again = test[:REPEATED]
        sets = (test, BATCH, 0), (validation, BATCH, 0), (changed, BATCH, 1), (shown, BATCH, 0), (again, SMALL_BATCH, 1)
        return [
            Question("encode", {"images": images}, {"codes": ArraySpec((len(images), k))}, batch, sitting=sitting)
            for images, batch, sitting in sets
        ]

    def follow_up(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Sequence[Question]:
        """The images of these codes, rounded; of the test images' codes also as they came; codes in random order."""
        if len(answers) > 5:
            return ()
        test, validation, changed, shown, _ = (answer["codes"] for answer in answers)
        ranges = code_range(validation)
        order, other = (
            shuffled(context, self.name, f"order {part}", len(test)) for part in ("rounded", "as they came")
        )
        some = rounded(test, ranges)[order][:REPEATED]
        sets = (
            (rounded(test, ranges)[order], OTHER_BATCH, 0),
            (rounded(validation, ranges), OTHER_BATCH, 0),
            (rounded(changed, ranges), OTHER_BATCH, 1),
            (test[other], OTHER_BATCH, 1),
            (self._pictured(context, validation, shown, ranges), OTHER_BATCH, 0),
            (some, SMALL_BATCH, 1),
        )
        return [
            Question("decode", {"codes": codes}, {"images": ArraySpec((len(codes), 1, 28, 28))}, batch, sitting=sitting)
            for codes, batch, sitting in sets
        ]

    def trial(self, context: Context, entry: Entry) -> Trial:
        """Reconstructions of some training images, by one worker; the mean squared error."""
        code_size(entry)
        images = context.data.train.images[:TRIED]
        asked = Question("reconstruct", {"images": images}, {"images": ArraySpec(images.shape)})

        def rate(answers: Sequence[Answer]) -> Metric:
            errors = squared_error(answers[0]["images"], images)
            return Metric(float(errors.mean()), UNIT, "lower", len(errors), title="MSE")

        return Trial([asked], rate)

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Errors with intervals, evidence, reconstructions, interpolations, decoded noise, and where codes lie."""
        k = code_size(entry)
        codes, images = [answer["codes"] for answer in answers[:5]], [answer["images"] for answer in answers[5:]]
        test, validation = context.data.test.images, held_out(context)
        order, other = (
            shuffled(context, self.name, f"order {part}", len(test)) for part in ("rounded", "as they came")
        )
        decoded, unrounded = in_order(images[0], order), in_order(images[3], other)
        changed = [altered(context, self.name, originals) for originals in (test, validation)]
        cut = len(changed[0].rows)
        errors = {
            "test": squared_error(decoded, test),
            "unrounded": squared_error(unrounded, test),
            "pca": optimum(context, k, test),
            "validation": squared_error(images[1], validation),
            "altered": squared_error(images[2][:cut], changed[0].images),
            "altered validation": squared_error(images[2][cut:], changed[1].images),
        }
        evidence = (
            packed_code(errors["test"], errors["unrounded"]),
            memorised(
                errors["test"][changed[0].rows],
                errors["altered"],
                errors["validation"][changed[1].rows],
                errors["altered validation"],
                most=MOST_SLIGHT,
            ),
            self._batch_dependence(codes, images),
        )
        counts, edges = histogram(errors["test"])
        ranges = code_range(codes[1])
        return Marks(
            metrics=self._metrics(context, k, errors, decoded),
            primary=f"mse_k{k}",
            evidence=evidence,
            figures=(
                *pictures.of_reconstructions(context, images[1], images[4]),
                *pictures.of_codes(k, codes[0], context.data.test.labels, ranges, images[4]),
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
            gates=gates(evidence),
            scores=errors["test"],
        ), self._notes(codes[1], ranges)

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The reconstructions less those by principal components, to which every linear autoencoder comes near."""
        test = context.data.test.images
        decoded = in_order(answers[5]["images"], shuffled(context, self.name, "order rounded", len(test)))
        best = projections(context, code_size(entry), test)
        return likeness.predictions(decoded.reshape(best.shape), test.reshape(best.shape), best)

    def _pictured(
        self,
        context: Context,
        validation: NDArray[np.float32],
        shown: NDArray[np.float32],
        ranges: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """The codes of all pictures, one after the other, as `pictures.of_reconstructions` takes them apart."""
        first, last = rounded(shown, ranges), rounded(validation[: pictures.SHOWN], ranges)
        noise = normal(context, self.name, "noise", shape=(pictures.DRAWN, shown.shape[1]))
        return np.concatenate([first, pictures.between(first, last), noise, pictures.manifold(ranges)])

    def _metrics(
        self, context: Context, k: int, errors: Mapping[str, NDArray[np.float64]], decoded: Images
    ) -> dict[str, Metric]:
        columns = np.stack([errors[name] for name in ("test", "unrounded", "pca")], axis=1)  # (N, 3)
        ends = mean_intervals(columns)
        named = {
            f"mse_k{k}": (f"MSE, {k} numbers", errors["test"], ends[0]),
            "mse_unrounded": ("MSE with unrounded codes", errors["unrounded"], ends[1]),
            "mse_pca": ("MSE of principal components", errors["pca"], ends[2]),
            "mse_validation": ("MSE validation", errors["validation"], None),
        }
        curves = {f"mse_k{k}": "", "mse_pca": "principal components"}
        metrics = {
            name: Metric(
                float(values.mean()),
                UNIT,
                "lower",
                len(values),
                None if interval is None else float(interval[0]),
                None if interval is None else float(interval[1]),
                title=title,
                beside=name != f"mse_k{k}",
                along=Along("numbers in a code", k, curves[name]) if name in curves else None,
            )
            for name, (title, values, interval) in named.items()
        }
        entropy = image_cross_entropy(decoded, context.data.test.images)
        if entropy is not None:
            metrics["cross_entropy"] = Metric(
                float(entropy.mean()), "nats a pixel", "lower", len(entropy), title="cross-entropy"
            )
        return metrics

    def _batch_dependence(self, codes: Sequence[NDArray[np.float32]], images: Sequence[Images]) -> Evidence:
        """Evidence from codes in units of their spread, and images, that were asked for twice."""
        spread = np.maximum(codes[0].std(axis=0, dtype=np.float64), 1e-6)
        return in_smaller_batch(
            np.concatenate([(codes[0][:REPEATED] / spread).ravel(), images[0][:REPEATED].ravel()]),
            np.concatenate([(codes[4] / spread).ravel(), images[5].ravel()]),
            "The same images and codes gave the same answers in a smaller batch.",
            "The same images or codes gave other answers in a smaller batch: batch norm or dropout in training mode, "
            "or noise of the model's own.",
        )

    def _notes(self, codes: NDArray[np.float32], ranges: NDArray[np.float64]) -> list[str]:
        idle = int((ranges[:, 0] == ranges[:, 1]).sum())
        if not idle:
            return []
        return [
            f"{idle} of {codes.shape[1]} numbers of the code are the same for all validation images: they carry "
            "nothing, as a unit with a ReLU does that is never active."
        ]
