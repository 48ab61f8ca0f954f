import numpy as np
import pytest
from scipy.stats import binomtest

from harness.metrics.accuracy import accuracy, confusion, wilson

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (9931, 10_000), (1, 1)])
def test_wilson_equals_scipys_interval(successes, n):
    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_nothing_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10)])
def test_wilson_refuses_impossible_counts(successes, n):
    with pytest.raises(ValueError, match="must lie between"):
        wilson(successes, n)


def test_accuracy_is_the_share_of_hits_with_its_interval():
    metric = accuracy(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 9]))
    assert metric.value == 0.75
    assert metric.low < 0.75 < metric.high
    assert (metric.n, metric.unit, metric.better) == (4, "share", "higher")


def test_accuracy_of_no_samples_is_no_number():
    assert accuracy(np.array([], int), np.array([], int)).value is None


def test_confusion_has_the_asked_label_in_rows():
    counts = confusion(np.array([1, 1, 7]), np.array([1, 7, 7]))
    assert counts[1, 1] == 1
    assert counts[1, 7] == 1
    assert counts[7, 1] == 0
    assert counts.sum() == 3
