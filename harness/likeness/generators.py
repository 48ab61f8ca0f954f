"""Sketches of a generator: of its answers to the noise that all get, of their distribution, and of its centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.likeness import answers, centres, samples
from harness.types import Array


def of_samples(
    images: Array, labels: NDArray[np.int64] | None = None, centre: NDArray[Any] | None = None
) -> dict[str, Array]:
    """Sketch samples (n, …) in [0, 1] of classes (n,), and the answers to the code 0 (classes, …), where there are any.

    Without `labels`, all samples are of one class. Centres outside [0, 1] are left out: that range is asked of samples.
    """
    found = {**answers.samples(images, labels), **samples.sketch(images, labels)}
    if centre is not None and labels is not None and float(centre.min()) >= 0 and float(centre.max()) <= 1:
        found |= centres.sketch(centre, images, labels)
    return found
