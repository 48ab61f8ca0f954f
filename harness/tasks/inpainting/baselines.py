"""Trivial answers to the inpainting tasks, from the corrupted images and the training set alone.

What is missing is filled with one gray value, the mean image, neighbouring rows, the nearest training image or a linear
regression. A real model has to beat them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread
from harness.tasks.base import Baseline, Context
from harness.tasks.inpainting.corruption import noisy_rows
from harness.types import Answer, Images, Mask, Question

Fill = Callable[[Images, Mask], Images]
"""Values for all pixels (N, 1, 28, 28), of which the missing ones are taken."""

HELD_OUT = 100
"""Training images, from the first on, that half inpainting asks about: nothing here is fitted to them."""
FITTED = 20_000
"""Training images that patches and noisy rows are regressed on; all of them gain 2 % in three times the time."""
PENALTY = 1.0
"""Penalty of the regressions, on sums of squares over the training set."""
RELATIVE_PENALTY = 1e-3
"""Penalty of the regression of patches, on variances."""


def baseline(title: str, fit: Callable[[Context], Fill]) -> Baseline:
    """A baseline that pastes into the missing pixels what `fit` gives for them.

    Matrix products take one thread, since the last digits of their sums change with the number of threads.
    """

    def answer(context: Context, questions: Sequence[Question]) -> Sequence[Answer]:
        answers = []
        with one_thread():
            fill = fit(context)
            for question in questions:
                images, mask = question.inputs["images"], question.inputs["mask"]
                answers.append({"images": np.where(mask, fill(images, mask), images).astype(np.float32)})
        return answers

    return Baseline(title, answer, same_for_parts=True)


def _shown(context: Context) -> Fill:
    return lambda images, mask: images


def _black(context: Context) -> Fill:
    return lambda images, mask: np.zeros_like(images)


def _mean(context: Context) -> Fill:
    mean = _training(context).mean(axis=0, dtype=np.float64).astype(np.float32)
    return lambda images, mask: np.broadcast_to(mean, images.shape)


def _nearest(context: Context) -> Fill:
    training = _training(context).reshape(-1, 784)

    def fill(images: Images, mask: Mask) -> Images:
        found = np.empty_like(images)
        for pattern, rows in _patterns(mask):
            known = training[:, ~pattern]
            shown = images[rows].reshape(-1, 784)[:, ~pattern]
            # |a − b|² without |b|², which is the same for all a.
            distance = (known**2).sum(axis=1) - 2 * shown @ known.T  # (rows, training images)
            found[rows] = training[distance.argmin(axis=1)].reshape(-1, 1, 28, 28)
        return found

    return fill


def _from_known_pixels(context: Context) -> Fill:
    """Linear regression of the missing pixels on the known ones, for any mask.

    The weights for one mask are −Λ_mm⁻¹ Λ_mk, Λ the inverse of the penalised covariance: one large inversion serves
    all masks (Bishop 2006, Pattern Recognition and Machine Learning, eq. 2.96).
    """
    training = _training(context)[:FITTED].reshape(-1, 784).astype(np.float64)
    mean = training.mean(axis=0)
    centred = training - mean
    precision = np.linalg.inv(centred.T @ centred / len(centred) + RELATIVE_PENALTY * np.eye(784))

    def fill(images: Images, mask: Mask) -> Images:
        found = np.zeros((len(images), 784))
        for missing, rows in _patterns(mask):
            known = ~missing
            own, other = precision[np.ix_(missing, missing)], precision[np.ix_(missing, known)]
            weights = -np.linalg.solve(own, other)  # (missing, known)
            shown = images[rows].reshape(-1, 784)[:, known]
            found[np.ix_(rows, missing)] = (shown - mean[known]) @ weights.T + mean[missing]
        return found.clip(0, 1).astype(np.float32).reshape(-1, 1, 28, 28)

    return fill


def _bottom_from_top(context: Context) -> Fill:
    from sklearn.linear_model import Ridge

    training = _training(context).reshape(-1, 784)
    fitted = Ridge(alpha=PENALTY, solver="cholesky").fit(training[:, :392], training[:, 392:])

    def fill(images: Images, mask: Mask) -> Images:
        rows = images.reshape(-1, 784)
        bottom = fitted.predict(rows[:, :392]).clip(0, 1)
        return np.concatenate([rows[:, :392], bottom], axis=1).reshape(-1, 1, 28, 28)

    return fill


def _neighbours(context: Context) -> Fill:
    return lambda images, mask: between_rows(images)


def _blended(context: Context) -> Fill:
    return lambda images, mask: 0.3 * images + 0.7 * between_rows(images)


def between_rows(images: Images) -> Images:
    """Each even row as the mean of the two rows beside it; the first as its only neighbour."""
    filled = images.copy()
    filled[:, :, 2::2] = (images[:, :, 1:27:2] + images[:, :, 3::2]) / 2
    filled[:, :, 0] = images[:, :, 1]
    return filled


def _rows_from_all_pixels(context: Context) -> Fill:
    from sklearn.linear_model import Ridge

    case = noisy_rows(_training(context)[:FITTED], context.generator("row-inpainting", "ridge"))
    targets = case.originals[:, 0, ::2].reshape(-1, 392)
    fitted = Ridge(alpha=PENALTY, solver="cholesky").fit(case.shown.reshape(-1, 784), targets)

    def fill(images: Images, mask: Mask) -> Images:
        filled = images.copy()
        filled[:, 0, ::2] = fitted.predict(images.reshape(-1, 784)).clip(0, 1).reshape(-1, 14, 28)
        return filled

    return fill


def _training(context: Context) -> Images:
    return context.data.train.images[HELD_OUT:]


def _patterns(mask: Mask) -> list[tuple[Mask, NDArray[np.int64]]]:
    """Each different mask (784,), and the rows that have it."""
    flat = mask.reshape(len(mask), -1)
    different, which = np.unique(np.packbits(flat, axis=1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    rows = [np.flatnonzero(which == index) for index in range(len(different))]
    return [(flat[own[0]], own) for own in rows]


PATCH: Mapping[str, Baseline] = MappingProxyType(
    {
        "gray": baseline("Gray patch, as shown", _shown),
        "black": baseline("Black", _black),
        "mean-image": baseline("Mean training image", _mean),
        "ridge": baseline("Ridge regression", _from_known_pixels),
    }
)
ROW: Mapping[str, Baseline] = MappingProxyType(
    {
        "noisy": baseline("Noisy rows, as shown", _shown),
        "neighbour-rows": baseline("Mean of the neighbouring rows", _neighbours),
        "blended-rows": baseline(".3 noisy + .7 neighbouring rows", _blended),
        "ridge": baseline("Ridge regression", _rows_from_all_pixels),
    }
)
HALF: Mapping[str, Baseline] = MappingProxyType(
    {
        "coin-flips": baseline("Coin flips, as shown", _shown),
        "black": baseline("Black", _black),
        "mean-image": baseline("Mean training image", _mean),
        "nearest-image": baseline("Nearest training image", _nearest),
        "ridge": baseline("Ridge regression", _bottom_from_top),
    }
)
