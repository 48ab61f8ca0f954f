"""Memorised test images: a model that holds them itself, such as one whose code is an image's number.

Digits of the test set are altered so that they are still digits but no images of any data set, and so are training
digits that were held out. A model that has learnt from digits is about as good at altered ones; one that looks them up
is not. The statistic is the error on altered test digits over that on the same digits unaltered. It is held against the
same ratio of held-out training digits, for a model that holds the test set alone, and against the range that honest
models have, for one that holds the training set as well.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.types import Evidence

MOST_RELATIVE = 1.2
"""Ratio over that of held-out training digits above which the evidence is flagged. Honest models have .7 to 1.06."""
MOST_SLIGHT = 1.6
"""Ratio above which the evidence is flagged where digits were altered slightly. Honest models have .9 to 1.3."""
MOST_STRONG = 2.5
"""The same where they were altered strongly. Honest models have .9 to 1.75."""
STANDARD_ERRORS = 3.0
"""Standard errors of the logarithms of the ratios that are granted to chance: some models have a few huge errors."""
UNUSUAL = 0.85
"""Share of the bound from which the ratio is worth a look."""
LARGEST = 1e6
"""Stands for a ratio to an error of 0."""


def ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> float:
    """The mean of `over` as a multiple of the mean of `under`, both non-negative; at most `LARGEST`."""
    above, below = float(over.mean()), float(under.mean())
    return min(above / below, LARGEST) if below > 0 else LARGEST if above > 0 else 1.0


def _relative_error(over: NDArray[np.float64], under: NDArray[np.float64], paired: bool) -> float:
    """The standard error of the logarithm of a ratio of means, by the delta method.

    0 where an error has no finite ratio; at most 1.
    """
    above, below = float(over.mean()), float(under.mean())
    if not above > 0 < below or len(over) < 2 or len(under) < 2:
        return 0.0
    if paired:
        return min(float((over / above - under / below).std(ddof=1)) / math.sqrt(len(over)), 1.0)
    parts = (float((one / mean).var(ddof=1)) / len(one) for one, mean in ((over, above), (under, below)))
    return min(math.sqrt(sum(parts)), 1.0)


def memorised(
    errors: NDArray[np.float64],
    altered: NDArray[np.float64],
    held_out: NDArray[np.float64],
    held_out_altered: NDArray[np.float64],
    what: str = "squared error",
    *,
    most: float = MOST_STRONG,
    paired: bool = True,
) -> Evidence:
    """Evidence from errors of test digits (N,) and of the same altered (n,), of held-out digits (n,) and the same (n,).

    Parameters
    ----------
    errors … held_out_altered : not negative
    what : names them
    most : ratio of altered test digits to test digits that honest models stay below
    paired : False where the errors are of other questions about the digits, or of other digits, than those of altered
        ones
    """
    found, usual = ratio(altered, errors), ratio(held_out_altered, held_out)
    own, other = _relative_error(altered, errors, paired), _relative_error(held_out_altered, held_out, paired)
    bound = min(
        most * math.exp(STANDARD_ERRORS * own),
        MOST_RELATIVE * usual * math.exp(STANDARD_ERRORS * math.hypot(own, other)),
    )
    flag = found > bound
    message = (
        f"The {what} on altered test digits is {found:.3g} times that on the digits themselves; on held-out training "
        f"digits the same ratio is {usual:.3g}"
    )
    if flag:
        message += ": the model knows the test images better than other digits"
    return Evidence(
        "memorised-test-images",
        flag,
        found,
        None,
        bound,
        f"{message}.",
        "memorised test images",
        integrity=True,
        flagged_from=bound,
        unusual_from=UNUSUAL * bound,
    )
