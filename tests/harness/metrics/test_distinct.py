"""Distinct samples and their effective number against counts by hand and by full distance matrices."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from harness.metrics.distinct import TOLERANCE, distinct
from tests.data import embedded_digits

pytestmark = pytest.mark.numeric


def test_different_images_all_count():
    images = embedded_digits().test.images
    assert distinct(images) == (len(images), len(images))
    assert distinct(images[:0]) == (0, 0)
    assert distinct(images[:1]) == (1, 1)


def test_copies_count_once_and_unequal_ones_less():
    images = embedded_digits().test.images
    counts = np.array([300, 100, 50, 50])
    found = distinct(np.repeat(images[:4], counts, axis=0))
    assert found.distinct == pytest.approx(4, rel=1e-12)
    assert found.effective == pytest.approx(500**2 / (counts**2).sum(), rel=1e-12)


def test_slight_noise_makes_no_new_image_and_counts_are_those_of_the_definition():
    images = embedded_digits().test.images[:30]
    rng = np.random.default_rng(0)
    jittered = (images[rng.integers(0, 30, 400)] + 0.01 * rng.standard_normal((400, 1, 28, 28))).astype(np.float32)
    flat = jittered.reshape(400, -1).astype(np.float64)
    alike = (cdist(flat, flat) <= TOLERANCE).sum(axis=1)
    found = distinct(jittered)
    assert found.distinct == pytest.approx((1 / alike).sum(), rel=1e-12)
    assert found.effective == pytest.approx(400**2 / alike.sum(), rel=1e-12)
    assert 25 < found.effective < 30
    assert distinct(jittered, tolerance=1e-3) == (400, 400)
