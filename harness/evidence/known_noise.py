"""Known noise: means of codes that were chosen to fit the draws of the harness.

A bound by sampled codes holds if the noise is independent of what the model returned. Who knows the seed can subtract
the coming noise from the mean, claim a wide and therefore cheap distribution, and hit one code exactly. So some images
are decoded again with noise that is drawn from the digest of the answers: a mean that is chosen by the noise changes
the noise. The statistic is the rise of the negative bound with the second noise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.types import Evidence

LEAST = 0.5
"""Nats by which the bound may rise whatever its standard error."""
STANDARD_ERRORS = 5.0
"""Rise in standard errors that chance explains."""


def known_noise(nats: NDArray[np.float64], nats_again: NDArray[np.float64]) -> Evidence:
    """Evidence from negative bounds (N,) of the same images, by the graded noise and by noise unknown beforehand."""
    rises = nats_again - nats
    rise = float(rises.mean())
    most = max(LEAST, STANDARD_ERRORS * float(rises.std(ddof=1)) / math.sqrt(len(rises)))
    flag = rise > most
    message = (
        f"With noise that depends on the model's own answers the negative ELBO of {len(nats)} test images is "
        f"{rise:+.3g} nats away from that with the graded noise"
    )
    if flag:
        message += ": the means were chosen to fit the graded noise"
    return Evidence("known-noise", flag, rise, None, most, f"{message}.", "known noise")
