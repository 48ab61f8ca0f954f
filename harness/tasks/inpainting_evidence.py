"""What stands beside the error of a recovered image: known pixels altered, noise kept, batch and range of values.

Images are float32 (N, 1, 28, 28), masks bool of the same shape, True where a pixel is missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness.tasks.corruption import Images, Mask
from harness.types import Evidence

UNCHANGED = 1e-6
"""Largest difference of a known pixel that rounding explains."""
SAME = 1e-4
"""Largest difference between two answers to one question that rounding explains."""
CHANCE = 1e-3
"""Probability at which a mean change is no longer put down to chance."""
LEAST_CHANGE = 0.005
"""Mean change, in gray values or relative to the error, below which it is of no account."""
MOST_KEPT = 0.8
"""Share of the noise left in an answer from which it counts as the input handed back."""
LEAST_VARIED = 0.05
"""How much answers must differ from image to image, as a share of what the digits do."""
OVERSHOOT = 0.01
"""How far outside [0, 1] a value may lie before it is counted."""


def known_pixels(images: Images, corrupted: Images, mask: Mask) -> Evidence:
    """Whether the pixels that were not missing came back as they were shown."""
    # Double: the difference of two float32 may be none.
    difference = np.where(mask, 0, np.abs(images.astype(np.float64) - corrupted)).reshape(len(images), -1)
    largest, altered = float(difference.max()), int((difference.max(axis=1) > UNCHANGED).sum())
    flag = largest > UNCHANGED
    message = (
        f"Known pixels were altered in {altered:,} of {len(images):,} images, by up to {largest:.2g}. "
        "Put them back: torch.where(mask, recovered, images)."
        if flag
        else "All known pixels came back unchanged."
    )
    return Evidence("known-pixels", flag, largest, 0.0, UNCHANGED, message)


def value_range(images: Images, corrupted: Images, mask: Mask) -> Evidence:
    """Whether the values are gray values in [0, 1]; a slight overshoot is, [-1, 1] or 0 to 255 is not."""
    low, high = float(images.min()), float(images.max())
    outside = float(((images < -OVERSHOOT) | (images > 1 + OVERSHOOT)).mean())
    found = f"The values lie in [{low:.4g}, {high:.4g}]"
    if _signed(images, corrupted, mask):
        message = f"{found} and look like [-1, 1], the range of a tanh; they were not rescaled. Return (x + 1) / 2."
    elif low >= -1 and high > 50:
        message = f"{found} and look like 0 to 255; they were not rescaled. Divide by 255."
    elif low < -1 or high > 2:
        message = f"{found}, far outside [0, 1]; they were scored as they are."
    else:
        text = "." if outside == 0 else f", {outside:.2%} of them outside [0, 1]; they were scored as they are."
        return Evidence("value-range", False, outside, 0.0, None, found + text)
    return Evidence("value-range", True, outside, 0.0, None, message)


def _signed(images: Images, corrupted: Images, mask: Mask) -> bool:
    """Whether known pixels x came back as 2x − 1, or many missing ones are far below black."""
    low, high = float(images.min()), float(images.max())
    if low < -1.5 or high > 1.5:
        return False
    known, shown = images[~mask], corrupted[~mask]
    as_signed, as_shown = np.abs(known - (2 * shown - 1)).mean(), np.abs(known - shown).mean()
    return bool(as_signed < 0.5 * as_shown) or float((images[mask] < -0.5).mean()) > 0.1


def noise_kept(images: Images, corrupted: Images, originals: Images, mask: Mask) -> Evidence:
    """How much of the noise is left in the missing pixels: slope of the answer on the input where the digit is black.

    1 for a model that hands back what it was shown, 0 for one that doesn't look at the corrupted pixels. Among pixels
    of one original value what differs in the input is noise alone.
    """
    black = mask & (originals == 0)
    shown, given = corrupted[black].astype(np.float64), images[black].astype(np.float64)
    shown -= shown.mean() if shown.size else 0.0
    # Sums of products, not `@`: BLAS sums in another order with every number of threads.
    power = float((shown * shown).sum())
    share = float((given * shown).sum()) / power if power > 0 else 0.0
    flag = share > MOST_KEPT
    message = f"{share:.0%} of the noise in the missing pixels is left in the answer"
    message += ": the model hands back what it is shown, as one that was trained on clean images does." if flag else "."
    return Evidence("copies-input", flag, share, 0.0, MOST_KEPT, message)


def same_for_all(images: Images, originals: Images, mask: Mask) -> Evidence:
    """Whether every image gets the same answer: how much answers at a pixel differ between images, beside the digits.

    The standard deviation over the images in which a pixel is missing, in quadratic mean over the pixels. A constant or
    the mean image comes near the error of a mediocre model; it has 0 here, a model that completes digits .3 to 1.
    """
    count = mask.sum(axis=0)  # (1, 28, 28)
    asked = count > 1

    def variance(values: Images) -> float:
        wide = values.astype(np.float64)
        mean = np.where(mask, wide, 0).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(mask, (wide - mean) ** 2, 0).sum(axis=0) / np.maximum(count, 1)
        return float(squares[asked].sum())

    of_digits = variance(originals)
    ratio = float(np.sqrt(variance(images) / of_digits)) if of_digits > 0 else 1.0
    flag = ratio < LEAST_VARIED
    message = f"At one and the same pixel, answers about different images differ {ratio:.2g} times as much as digits do"
    message += ": what is filled in does not depend on the image." if flag else "."
    return Evidence("same-for-all", flag, ratio, LEAST_VARIED, None, message)


def batch_dependence(
    first: NDArray[np.floating],
    again: NDArray[np.floating],
    mixed: NDArray[np.floating],
    mask: Mask,
    errors: NDArray[np.float64],
    errors_again: NDArray[np.float64],
) -> Evidence:
    """Whether an answer depends on the images beside it, or on how many they are.

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
    name, limit = "batch-dependence", SAME
    if beside > SAME:
        message = f"The answer about an image changes by up to {beside:.2g} with the images beside it in the batch"
        return Evidence(name, True, beside, 0.0, limit, f"{message}: batch norm in training mode, most likely.")
    brighter = np.where(mask, again - first, 0).sum(axis=(1, 2, 3), dtype=np.float64) / mask.sum(axis=(1, 2, 3))  # (n,)
    worse = (errors_again - errors) / max(float(errors.mean()), 1e-12)
    if by_size > SAME and (_systematic(brighter) or _systematic(worse)):
        message = (
            f"The size of the batch changes the answers: the mean squared error of {len(errors)} images was "
            f"{errors.mean():.4g} in large batches and is {errors_again.mean():.4g} in small ones. A loss or an energy "
            "that is averaged over the batch makes gradients depend on its size: sum it."
        )
        return Evidence(name, True, by_size, 0.0, limit, message)
    message = "The same images gave the same answers beside other images"
    if by_size > SAME:
        message += (
            f". In batches of another size they differ by up to {by_size:.2g} without being better or worse: noise of "
            "the model's own, or rounding that many steps amplify"
        )
    return Evidence(name, False, beside, 0.0, limit, message + ".")


def _systematic(changes: NDArray[np.float64]) -> bool:
    """Whether the mean of (n,) changes is of account and not put down to chance, by Student's t."""
    shift, error = abs(float(changes.mean())), float(changes.std(ddof=1)) / np.sqrt(len(changes))
    return bool(shift > LEAST_CHANGE and shift > stdtrit(len(changes) - 1, 1 - CHANCE / 2) * error)
