"""Copies: samples that are images of the training or the test set.

The statistic is the share of samples whose nearest image is closer than three quarters of the distance that one in a
hundred new real digits falls below, digit by digit (`harness.metrics.near_copies`). Of MNIST's test digits .0001 are so
near to a training image, of a conditional VAE's samples .0001, of a conditional GAN's none; of training images with
noise of standard deviation .02, .05 and .1 on them all, .88 and .60. The evidence is flagged where the whole 95 %
interval of the share lies above .01. A copy that is shifted by a pixel is far away, and is not found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.accuracy import wilson
from harness.metrics.near_copies import near_copies
from harness.types import Evidence

NEARER = 0.75
"""Share of the bound of near copies below which an image counts as copied."""
MOST = 0.01
"""Share of copied samples from which the flag is raised."""


def copies(distances: NDArray[np.float64], digits: NDArray[np.int64], bounds: NDArray[np.float64], of: str) -> Evidence:
    """Evidence from the nearest image of each sample.

    Parameters
    ----------
    distances : to it, (N,); digits : that it shows, (N,)
    bounds : of near copies, (10,)
    of : the set, "training" or "test"
    """
    copied, n = int(near_copies(distances, digits, NEARER * bounds).sum()), len(distances)
    share = copied / n
    flag = wilson(copied, n)[0] > MOST
    message = f"{share:.2%} of the samples are as good as equal to an image of the {of} set"
    message += "; of new real digits and of honest models' samples about .01 % are." if flag else "."
    return Evidence(f"copied-{of}", flag, share, 0.0, MOST, message, f"copied {of} images", integrity=True)
