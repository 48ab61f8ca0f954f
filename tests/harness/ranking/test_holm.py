"""Holm's procedure against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from harness.ranking import holm

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("seed", range(20))
def test_the_smallest_are_rejected_up_to_the_first_that_is_not_small_enough(seed: int) -> None:
    chances = np.random.default_rng(seed).beta(0.2, 4, size=12)
    expected = np.zeros(12, dtype=bool)
    for step, place in enumerate(np.argsort(chances)):
        if chances[place] > 0.05 / (12 - step):
            break
        expected[place] = True
    assert (holm.rejected(chances) == expected).all()


def test_nothing_and_one() -> None:
    assert holm.rejected(np.empty(0)).tolist() == []
    assert holm.rejected(np.array([0.05, 1.0])).tolist() == [False, False]
    assert holm.rejected(np.array([0.05])).tolist() == [True]
