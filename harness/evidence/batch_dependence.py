"""Batch dependence: answers that change with the other questions in the batch, or with how many they are.

The statistic is the largest difference between two answers to the same question, asked in batches of different size or
beside other questions. Honest models in evaluation mode give rounding, below 1e-4; above that the evidence is flagged.
Inpainting models may draw noise of their own, which differs from batch to batch: for them only a change with the
companions counts, or one that makes the answers brighter or worse on average.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.types import Array, Evidence, Mask

SAME = 1e-4
"""Largest difference between two answers to one question that rounding explains."""
CHANCE = 1e-3
"""Probability at which a mean change is no longer put down to chance."""
LEAST_CHANGE = 0.005
"""Mean change, in gray values or relative to the error, below which it is of no account."""
_NAME, _TITLE = "batch-dependence", "batch dependence"


def in_smaller_batch(first: Array, again: Array, same: str, changed: str) -> Evidence:
    """Evidence from answers (n, …) and those to the same questions in a smaller batch.

    `same` and `changed` are the sentences for the two outcomes, in the words of the task.
    """
    difference = float(np.abs(first.astype(np.float64) - again).max())
    flag = difference > SAME
    return Evidence(_NAME, flag, difference, 0.0, SAME, changed if flag else same, _TITLE)


def among_companions(
    first: NDArray[np.floating],
    again: NDArray[np.floating],
    mixed: NDArray[np.floating],
    mask: Mask,
    errors: NDArray[np.float64],
    errors_again: NDArray[np.float64],
) -> Evidence:
    """Evidence from inpainted images, asked about in large batches, in small ones, and beside other images.

    A model may draw noise of its own, which differs from batch to batch. So equal batches are compared in which only
    the companions differ; and between batches of different size, whether answers become brighter or worse on average.

    Parameters
    ----------
    first, again : the same images, asked about in large and in small batches
    mixed : `again` with every other image replaced; batch and place of the others are the same
    mask : of `first` and `again`
    errors, errors_again : mean squared errors (n,) of `first` and `again`
    """
    first, again, mixed = (answers.astype(np.float64) for answers in (first, again, mixed))
    beside = float(np.abs(again[::2] - mixed[::2]).max())
    by_size = float(np.abs(first - again).max())
    limit = SAME
    if beside > SAME:
        message = f"The answer about an image changes by up to {beside:.2g} with the images beside it in the batch"
        return Evidence(
            _NAME, True, beside, 0.0, limit, f"{message}: batch norm in training mode, most likely.", _TITLE
        )
    brighter = np.where(mask, again - first, 0).sum(axis=(1, 2, 3), dtype=np.float64) / mask.sum(axis=(1, 2, 3))  # (n,)
    worse = (errors_again - errors) / max(float(errors.mean()), 1e-12)
    if by_size > SAME and (_systematic(brighter) or _systematic(worse)):
        message = (
            f"The size of the batch changes the answers: the mean squared error of {len(errors)} images was "
            f"{errors.mean():.4g} in large batches and is {errors_again.mean():.4g} in small ones. A loss or an energy "
            "that is averaged over the batch makes gradients depend on its size: sum it."
        )
        return Evidence(_NAME, True, by_size, 0.0, limit, message, _TITLE)
    message = "The same images gave the same answers beside other images"
    if by_size > SAME:
        message += (
            f". In batches of another size they differ by up to {by_size:.2g} without being better or worse: noise of "
            "the model's own, or rounding that many steps amplify"
        )
    return Evidence(_NAME, False, beside, 0.0, limit, message + ".", _TITLE)


def _systematic(changes: NDArray[np.float64]) -> bool:
    """True where the mean of (n,) changes is of account and not put down to chance, by Student's t."""
    from scipy.special import stdtrit

    shift, error = abs(float(changes.mean())), float(changes.std(ddof=1)) / np.sqrt(len(changes))
    return bool(shift > LEAST_CHANGE and shift > stdtrit(len(changes) - 1, 1 - CHANCE / 2) * error)
