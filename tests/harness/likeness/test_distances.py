"""Distances and projections against computation pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from harness.likeness import answers, centres
from harness.likeness.distances import squared_distances
from harness.likeness.projection import NUMBERS, count_sketch


def test_all_pairs_are_what_each_pair_is_alone():
    rows = np.random.default_rng(0).standard_normal((7, 30))
    alone = [[((a - b) ** 2).sum() for b in rows] for a in rows]
    np.testing.assert_allclose(squared_distances(rows), alone, rtol=1e-12, atol=1e-12)


def test_a_row_with_huge_values_costs_no_other_pair_its_precision():
    rows = np.random.default_rng(0).standard_normal((4, 30))
    alone = squared_distances(rows)
    rows[3] = 1e30
    np.testing.assert_array_equal(squared_distances(rows)[:3, :3], alone[:3, :3])


def test_sketches_are_linear_and_keep_distances():
    draw = np.random.default_rng(0)
    one, other = draw.random((2, 500, 1, 28, 28)).astype(np.float32)
    near = one + np.float32(0.01) * draw.standard_normal(one.shape).astype(np.float32)
    a, b, c = (count_sketch(images) for images in (one, near, other))
    assert a.shape == (NUMBERS,)
    assert np.array_equal(a, count_sketch(one.copy()))
    np.testing.assert_allclose(a - c, count_sketch(one.astype(np.float64) - other), atol=1e-3)
    # Squared distances of sketches estimate those of the answers, here within a third.
    assert np.sum((a - c) ** 2) == pytest.approx(np.sum((one - other) ** 2), rel=0.3)
    assert np.sum((a - b) ** 2) == pytest.approx(np.sum((one - near) ** 2), rel=0.3)


def test_answers_are_measured_by_the_smaller_of_their_residuals():
    draw = np.random.default_rng(1)
    small = draw.standard_normal((400, 50))
    large = 3 * draw.standard_normal((400, 50))
    rows = np.stack([answers.sketch(r)[answers.NAME] for r in (small, 1.1 * small, large, np.zeros((400, 50)))])
    found = answers.distances(rows)
    assert found[0, 1] == pytest.approx(0.01, rel=0.01)
    # 1 + 9 for residuals that have nothing in common, of which one is three times as large.
    assert found[0, 2] == found[2, 0] == pytest.approx(10, rel=0.3)
    # The exact answer leaves nothing to compare.
    assert np.isinf(found[3]).all()


def test_centres_are_measured_by_the_variance_of_samples():
    draw = np.random.default_rng(4)
    labels = np.arange(4000) % 10
    images = (0.2 * draw.standard_normal((4000, 784))).astype(np.float32)
    at, moved = np.zeros((10, 784)), np.full((10, 784), 0.02)
    rows = np.stack([centres.sketch(c, images, labels)[centres.NAME] for c in (at, moved)])
    # 10 · 784 · .02² over 10 · 784 · .2², as far as sketches of 256 numbers tell.
    assert centres.distances(rows)[0, 1] == pytest.approx(0.01, rel=0.35)
