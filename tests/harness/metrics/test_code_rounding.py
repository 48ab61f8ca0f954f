"""Tests of rounding codes to a number of bits."""

import numpy as np
import pytest

from harness.metrics.code_rounding import code_range, rounded


def test_values_are_the_nearest_of_256_levels():
    generator = np.random.default_rng(0)
    codes = (generator.standard_normal((500, 3)) * [1, 1e-4, 1e6] + [0, 5, -2e6]).astype(np.float32)
    ranges = code_range(codes)
    found = rounded(codes, ranges)
    for column in range(3):
        levels = np.linspace(*ranges[column], 256)
        nearest = levels[np.abs(codes[:, column, None].astype(np.float64) - levels).argmin(1)]
        assert found[:, column] == pytest.approx(nearest, rel=1e-6)
        assert found[:, column].min() == codes[:, column].min()
        assert found[:, column].max() == codes[:, column].max()


def test_rounding_again_changes_nothing_and_the_outside_goes_to_the_ends():
    ranges = np.array([[-1.0, 1.0], [2.0, 2.0]])
    codes = np.array([[-7, 0], [0.3, 2], [9, 1e30]], np.float32)
    found = rounded(codes, ranges)
    # .3 is 165.75 steps of 2/255 above −1.
    assert found[:, 0].tolist() == pytest.approx([-1, -1 + 166 * 2 / 255, 1])
    assert found[:, 1].tolist() == [2, 2, 2]
    assert np.array_equal(rounded(found, ranges), found)


def test_fewer_bits_leave_fewer_values():
    codes = np.linspace(0, 1, 1000, dtype=np.float32)[:, None]
    assert [len(np.unique(rounded(codes, code_range(codes), bits))) for bits in (1, 4, 8)] == [2, 16, 256]
