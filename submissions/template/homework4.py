"""UCL's homework 4 as functions. Fill in the bodies; your names and a notebook do as well (see README.md).

Every function gets one case at a time, float64: numpy arrays if your code uses numpy, else tensors.
"""

from __future__ import annotations

from typing import Any


def one_pixel_posterior(probabilities: Any, images: Any) -> Any:
    """The posterior (2,) of a missing pixel.

    images (2, T) is the image with 0 and with 1 in the missing pixel; column t of probabilities (2, T − 1) is
    P(pixel t + 1 is 1 | pixels 0 … t) for either.
    """
    raise NotImplementedError


def two_by_two_posterior(probabilities: Any, images: Any) -> Any:
    """The posterior (16,) of 2 × 2 missing pixels, for arrays (16, T − 1) and (16, T); the first counts most."""
    raise NotImplementedError


def dirichlet_predictions(one_hot: Any, alpha: Any, period: int) -> Any:
    """P(next symbol | symbols so far) (L − 1, 4) for a stream one_hot (L, 4) of 1, 2, 3 and RESET.

    alpha (3,) is the prior of the letters' probabilities, which are drawn anew after each RESET; every period-th symbol
    is a RESET.
    """
    raise NotImplementedError
