"""Copies input: an inpainting model that hands back what it is shown, as one trained on clean images does.

Where the missing pixels are noisy, the statistic is the share of the noise that is left in the answer: 1 for a model
that returns its input, 0 for one that ignores the corrupted pixels; above .8 the evidence is flagged.

Where a patch is one gray value, copying shows on images with the patch left in: the error almost vanishes. The
statistic is that error over the error with the patch grayed out: .27 to .96 for generators that were trained right, .10
to .27 for ones trained on clean images. Below .3 the evidence is flagged, if the error is also more than half of the
gray patch's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.types import Evidence, Images, Mask

MOST_KEPT = 0.8
"""Share of the noise left in an answer from which it counts as the input handed back."""
LEAST_RATIO = 0.3
"""Error with the patch left in, over that with the patch grayed out, below which a model copies what it is shown."""
LEAST_ERROR = 0.5
"""Share of the gray patch's own error that a copier's exceeds; a generator that was trained right does not."""
_NAME, _TITLE = "copies-input", "copies input"


def noise_kept(images: Images, corrupted: Images, originals: Images, mask: Mask) -> Evidence:
    """Evidence from the noise in the missing pixels: slope of the answer on the input where the digit is black.

    Among pixels of one original value what differs in the input is noise alone.
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
    return Evidence(_NAME, flag, share, 0.0, MOST_KEPT, message, _TITLE, integrity=True)


def patch_left_in(
    errors: NDArray[np.float64], errors_left_in: NDArray[np.float64], errors_shown: NDArray[np.float64]
) -> Evidence:
    """Evidence from errors of single images: with the patch grayed out, with it left in, and of the gray patch."""
    error = float(errors.mean())
    left_in = float(errors_left_in.mean())
    of_gray = float(errors_shown.mean())
    ratio = left_in / error if error > 0 else 1.0
    flag = ratio < LEAST_RATIO and error > LEAST_ERROR * of_gray
    message = f"Shown training images with the patch left in, the model has an error of {left_in:.4f} there"
    message += f", against {error:.4f} with the patch grayed out"
    if flag:
        message += (
            ": it gives back what it is shown, as a generator does that was trained on clean images, or a "
            "projection on many components"
        )
    return Evidence(_NAME, flag, ratio, LEAST_RATIO, None, message + ".", _TITLE, integrity=True)
