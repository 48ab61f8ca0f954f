import numpy as np
import pytest
from scipy.stats import norm

from harness.evidence.judge_fooling import MOST, Z999, judge_fooling, settled

BOUND = 0.3


def doubts(doubtful, n):
    return np.where(np.arange(n) < doubtful, 0.31, 0.29).astype(np.float32)


def test_the_quantile_is_that_of_a_two_sided_interval_of_999_in_a_thousand():
    assert pytest.approx(norm.ppf(1 - 0.001 / 2)) == Z999


@pytest.mark.parametrize(
    ("doubtful", "n", "expected"),
    [
        (0, 0, False),
        (0, 5, False),
        (0, 150, True),
        (54, 150, True),
        (55, 150, False),
        (95, 150, False),
        (96, 150, True),
    ],
)
def test_it_is_settled_where_the_score_test_rejects_the_bound(doubtful, n, expected):
    """Wilson's interval holds the shares p that the score test |k - n p| > z √(n p (1 - p)) does not reject."""
    found = settled(doubts(doubtful, n), BOUND)
    assert found == (abs(doubtful - n * MOST) > Z999 * (n * MOST * (1 - MOST)) ** 0.5) == expected


def test_what_is_settled_is_what_the_verdict_says():
    for doubtful in range(151):
        some = doubts(doubtful, 150)
        if settled(some, BOUND):
            assert judge_fooling(some, BOUND).flag == (doubtful > 75)
