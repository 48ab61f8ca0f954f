"""Accuracy by each single member of a committee that judges, from few samples: a stratified difference estimator.

W. G. Cochran 1977, "Sampling Techniques", 3rd ed., chapters 5 and 7: the accuracy by the whole committee is known;
by how much a member's differs from it is estimated in strata, of samples that may well be read in two ways and of those
that are hardly ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stratum:
    """Some samples of a stratum, that all members were asked about."""

    size: int
    """Samples in the stratum."""
    by_committee: NDArray[np.bool_]
    """(n,), True where the committee reads what was asked for."""
    by_member: NDArray[np.bool_]
    """(members, n), the same of each member."""


def member_accuracies(accuracy: float, strata: Sequence[Stratum]) -> NDArray[np.float64]:
    """Estimate the accuracy by each member, (members,) in [0, 1], where the committee's over all strata is known."""
    total = sum(stratum.size for stratum in strata)
    found = np.asarray(accuracy, dtype=np.float64)
    for stratum in strata:
        if stratum.by_member.shape[1]:
            differences = stratum.by_member.mean(axis=1) - stratum.by_committee.mean()
            found = found + stratum.size / total * differences
    return np.clip(found, 0.0, 1.0)
