"""The kernel distance against the closed double sum, term by term."""

import numpy as np
import pytest

from harness.metrics import kernel_distance as module
from harness.metrics.kernel_distance import kernel_distance, mean_of_pairs

pytestmark = pytest.mark.numeric


def double_sum(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)

    def kernel(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    own_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    own_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return own_x + own_y - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


def drawn(n, seed, shift=0.0):
    return (np.random.default_rng(seed).standard_normal((n, 11)) + shift).astype(np.float32)


def test_distance_is_the_closed_double_sum_and_symmetric():
    x, y = drawn(61, 0), drawn(37, 1, 0.4)
    found = kernel_distance(x, y)
    assert found == pytest.approx(double_sum(x, y), rel=1e-9)
    assert found == kernel_distance(y, x)
    assert found == kernel_distance(x, y, mean_of_pairs(y))
    # Not the mean of the other set: a swapped argument would be seen.
    assert found != pytest.approx(kernel_distance(x, y, mean_of_pairs(x)), rel=1e-3)


def test_distance_is_unbiased_so_that_equal_kinds_come_out_on_both_sides_of_0():
    found = np.array([kernel_distance(drawn(80, 2 * seed), drawn(60, 2 * seed + 1)) for seed in range(60)])
    assert (found < 0).any() and (found > 0).any()
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(len(found))


@pytest.mark.parametrize("rows", [7, 64, 1_000])
def test_value_does_not_depend_on_the_blocks(rows, monkeypatch):
    x, y = drawn(200, 3), drawn(150, 4, 0.2)
    expected = kernel_distance(x, y)
    monkeypatch.setattr(module, "_ROWS", rows)
    assert kernel_distance(x, y) == expected


def test_one_sample_is_an_error():
    with pytest.raises(ValueError, match="two samples"):
        mean_of_pairs(drawn(1, 0))
