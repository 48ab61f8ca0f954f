"""Precision, recall, density and coverage against their definitions, by full distance matrices."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from harness.metrics.precision_recall import overlap, radii

pytestmark = pytest.mark.numeric


def drawn(n, seed, shift=0.0, scale=1.0):
    return (scale * np.random.default_rng(seed).standard_normal((n, 8)) + shift).astype(np.float32)


def nearest(x, k):
    distances = cdist(x.astype(np.float64), x.astype(np.float64))
    return np.sort(distances, axis=1)[:, k]  # 0 is the image itself


def test_measures_are_those_of_the_definitions():
    samples, real = drawn(300, 0, 0.4, 0.8), drawn(410, 1)
    between = cdist(real.astype(np.float64), samples.astype(np.float64))  # (M, N)
    found = overlap(samples, real)
    assert found.precision == (between <= nearest(real, 3)[:, None]).any(axis=0).mean()
    assert found.recall == (between <= nearest(samples, 3)[None]).any(axis=1).mean()
    inside = between <= nearest(real, 5)[:, None]
    assert found.density == pytest.approx(inside.sum() / (5 * 300), rel=1e-12)
    assert found.coverage == inside.any(axis=1).mean()
    assert found == overlap(samples, real, radii(real))


def test_swapped_sets_give_other_values():
    samples, real = drawn(300, 0, 0.0, 0.5), drawn(410, 1)
    found, swapped = overlap(samples, real), overlap(real, samples)
    # Samples of half the spread are inside the real set, and cover little of it.
    assert found.precision > 0.95 and found.recall < 0.6
    assert (swapped.precision, swapped.recall) == (found.recall, found.precision)
    assert swapped.coverage != pytest.approx(found.coverage, abs=0.1)


def test_two_halves_of_one_set_have_the_coverage_of_theory():
    found = overlap(drawn(2_000, 3), drawn(2_000, 4))
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.012)
    assert found.density == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("copies", [2, 5, 6, 7, 50])
def test_repeated_samples_have_the_distances_of_the_definition(copies):
    rng = np.random.default_rng(copies)
    samples = rng.permutation(np.concatenate([np.repeat(drawn(9, 5), copies, axis=0), drawn(40, 6)]))
    between = cdist(samples.astype(np.float64), samples.astype(np.float64))
    assert radii(samples) == pytest.approx(np.sort(between, axis=1)[:, 1:6], rel=1e-12)
    assert radii(np.zeros((copies + 4, 3), np.float32)).tolist() == [[0.0] * 5] * (copies + 4)


def test_measures_are_those_of_prdc():
    prdc = pytest.importorskip("prdc")
    samples, real = drawn(300, 0, 0.4, 0.8), drawn(410, 1)
    with_3 = prdc.compute_prdc(real.astype(np.float64), samples.astype(np.float64), 3)
    with_5 = prdc.compute_prdc(real.astype(np.float64), samples.astype(np.float64), 5)
    found = overlap(samples, real)
    assert found.precision == pytest.approx(with_3["precision"], rel=1e-6)
    assert found.recall == pytest.approx(with_3["recall"], rel=1e-6)
    assert found.density == pytest.approx(with_5["density"], rel=1e-6)
    assert found.coverage == pytest.approx(with_5["coverage"], rel=1e-6)
