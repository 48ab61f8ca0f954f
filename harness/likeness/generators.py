"""Sketches of a generator: its answers to the noise that all get, its centres and hidden units.

The distribution of samples is not compared: well-trained models of one recipe have the same one. See docs/evidence.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.likeness import answers, centres
from harness.likeness import units as hidden
from harness.types import Array


def of_samples(
    images: Array,
    labels: NDArray[np.int64] | None = None,
    centre: NDArray[Any] | None = None,
    units: Array | None = None,
) -> dict[str, Array]:
    """Sketch samples (n, …) in [0, 1] of classes (n,), and where there are any, the answers to the code 0 (classes, …)
    and the hidden units before the picture.

    Without `labels`, all samples are of one class. Centres outside [0, 1] are left out: that range is asked of samples.
    """
    found = answers.samples(images, labels)
    if centre is not None and labels is not None and float(centre.min()) >= 0 and float(centre.max()) <= 1:
        found |= centres.sketch(centre, images, labels)
    if units is not None:
        found |= hidden.sketch(units)
    return found
