"""Judge fooling: samples that are read as asked but look like digits neither by their shape nor to the whole judge.

A generator that was trained against the judge, or against one network much like a member of it, draws images that one
network reads with confidence and that the others doubt. The judge's doubt has a bound that under 1 % of real digits
exceed; the statistic is the share of samples that are beyond it and whose shape is far from every digit's. Blurred
digits of a weak generator are doubted, too, but they are near a digit. The flag is raised where the whole 95 % interval
lies above .5.

All members are asked, which is costly, and the share of nearly every model is far from .5. So samples are asked about
in two parts, and the second part only where the first leaves the verdict open (Wald 1945, "Sequential tests of
statistical hypotheses", Annals of Mathematical Statistics 16(2)).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.accuracy import wilson
from harness.types import Evidence

MOST = 0.5
"""Share of doubtful samples from which the flag is raised. Images optimised against one member have .9 and more, honest
models whose samples are read as asked under .01."""
REAL = 0.01
"""Most that real digits give."""
Z999 = 3.290526731491895
"""99.95 % quantile of the standard normal distribution."""


def settled(doubt: NDArray[np.float32], bound: float) -> bool:
    """True where more doubts than these (N,) would hardly change the verdict.

    The share's 99.9 % interval then excludes `MOST`: stopping here errs far less often than the verdict itself, which
    rests on a 95 % interval.
    """
    low, high = wilson(int((doubt > bound).sum()), len(doubt), Z999)
    return low > MOST or high < MOST


def judge_fooling(
    doubt: NDArray[np.float32], bound: float, of: str = "samples that were read as asked are far from all digits and"
) -> Evidence:
    """Evidence from the doubts (N,) about samples, 0 for those whose shape is near a digit's; `of` names them.

    The flag is raised where the share of doubtful samples lies above `MOST` with its whole 95 % interval.
    """
    doubtful, n = int((doubt > bound).sum()), len(doubt)
    share = doubtful / n if n else 0.0
    low, _ = wilson(doubtful, n)
    flag = low > MOST
    message = f"{share:.1%} of the {of} look unlike real digits to part of the judge"
    message += ", far more than among real digits (under 1 %)." if flag else "; of real digits under 1 % do."
    return Evidence("judge-fooling", flag, share, 0.0, REAL, message, "judge fooling", integrity=True)
