"""Pairs that are alike, against brute force; the rise of their share, against what is known of powers and of copies."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from harness.evidence.few_modes import effective, few_modes
from harness.metrics.alike import DOUBLED, MOST_SHARE, RADII, STEEPEST, distances, rise, shares
from harness.metrics.shapes import SIDE, centred, shapes
from tests.data import embedded_digits

pytestmark = pytest.mark.numeric

IMAGES = centred(embedded_digits().train.images[:40])


def shape(image):
    """The image (28, 28) blurred and reduced, value by value."""
    blurred = gaussian_filter(image, 1.0)
    blocks = [[blurred[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() * 2 for j in range(SIDE)] for i in range(SIDE)]
    return np.array(blocks)


def apart(first, second):
    """The least distance of two shapes after a move of either by at most one value along each axis."""
    moves = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return min(np.linalg.norm(np.roll(first, move, (0, 1)) - second) for move in moves)


def test_distances_are_those_of_every_pair_after_the_best_move():
    found = distances(shapes(IMAGES))
    each = [shape(image[0].astype(float)) for image in IMAGES]
    expected = [[apart(first, second) for second in each] for first in each]
    assert found == pytest.approx(np.array(expected), abs=1e-4)
    assert shapes(IMAGES) == pytest.approx(np.reshape(each, (40, -1)), abs=1e-5)


def test_a_shift_of_the_whole_image_is_no_distance():
    some = IMAGES[:9]
    moved = np.stack([np.roll(image, (i % 3 - 1, i // 3 - 1), (1, 2)) for i, image in enumerate(some)])
    assert centred(moved) == pytest.approx(centred(some))
    assert centred(np.zeros((1, 1, 28, 28), np.float32)).sum() == 0


def test_shares_count_pairs_within_each_radius():
    every = distances(shapes(IMAGES))
    pairs = [every[i, j] for i in range(40) for j in range(i)]
    expected = [sum(pair < 2.0 * radius for pair in pairs) / len(pairs) for radius in RADII]
    assert shares(shapes(IMAGES), 2.0) == pytest.approx(expected)
    assert RADII[DOUBLED:] == pytest.approx(2 * RADII[:-DOUBLED])


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_the_rise_of_a_power_is_its_dimension_where_few_are_alike(dimension):
    of_pairs = (0.02 * RADII**dimension).clip(max=1)
    odds = [np.log2(share / (1 - share)) if share < 1 else np.inf for share in of_pairs]
    usable = [i for i in range(len(RADII) - DOUBLED) if 0.01 <= of_pairs[i] <= MOST_SHARE]
    least = min(odds[i + DOUBLED] - odds[i] for i in usable)
    assert rise(of_pairs) == pytest.approx(min(least, STEEPEST), rel=1e-6)
    assert rise(of_pairs) >= dimension  # doublings of odds are more than those of the share


def test_the_rise_is_0_at_a_plateau_and_unknown_without_pairs_to_measure_at():
    assert rise(np.full(len(RADII), 0.1)) == 0
    assert rise(np.zeros(len(RADII))) == rise(np.ones(len(RADII))) == STEEPEST


@pytest.mark.parametrize("modes", [2, 5, 20])
def test_the_effective_number_of_equally_frequent_groups_is_their_number(modes):
    rng = np.random.default_rng(modes)
    blocks = rng.random((modes, 1, 7, 7)).repeat(4, axis=2).repeat(4, axis=3)
    images = np.tile(blocks, (100 // modes, 1, 1, 1)).astype(np.float32)
    by_class = np.tile(shares(shapes(images), 1e-3), (10, 1))
    n = len(images)
    # Of n (n − 1) / 2 pairs these are of one group.
    same = (n / modes - 1) / (n - 1)
    assert effective(by_class) == pytest.approx(np.full(10, 1 / same))
    assert 1 / same == pytest.approx(modes, rel=0.25)
    evidence = few_modes(by_class)
    assert evidence.flag and evidence.value == 0
    assert f"about {1 / same:.0f} different ones" in evidence.message
