"""Nearest neighbours against brute force in double precision, whatever the blocks, threads, order and dimension."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from harness.metrics import neighbours
from harness.metrics.neighbours import Points, pairs_within
from tests.data import embedded_digits

pytestmark = pytest.mark.numeric


def digits():
    train = embedded_digits().train.images.reshape(-1, 784)
    return train, embedded_digits().test.images.reshape(-1, 784)


def vectors(n, width, seed):
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


def brute_force(queries, points, k, themselves=False):
    distances = cdist(queries.astype(np.float64), points.astype(np.float64))
    if themselves:
        np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, 1)


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("width", [2, 112, 300])
def test_neighbours_are_those_of_brute_force(width, k):
    points, queries = vectors(1_000, width, 0), vectors(170, width, 1)
    found = Points(points).nearest(queries, k)
    indices, distances = brute_force(queries, points, k)
    assert np.array_equal(found.indices, indices)
    assert found.distances == pytest.approx(distances, rel=1e-12)


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_of_images_through_the_bound_are_exact(k):
    train, test = digits()
    points = Points(train)
    assert points._directions is not None
    indices, distances = brute_force(test, train, k)
    found = points.nearest(test, k)
    assert np.array_equal(found.indices, indices)
    assert found.distances == pytest.approx(distances, rel=1e-12)


def test_queries_about_which_the_bound_says_nothing_are_asked_with_all_coordinates(monkeypatch):
    train, _ = digits()
    noise = np.random.default_rng(3).random((50, 784)).astype(np.float32)
    monkeypatch.setattr(neighbours, "_MANY", 20)
    points = Points(train)
    found = points.nearest(noise, 2)
    assert points._whole is not None
    assert np.array_equal(found.indices, brute_force(noise, train, 2)[0])
    # The points among themselves, too, none its own neighbour.
    monkeypatch.setattr(neighbours, "_MANY", 0)
    found = points.nearest(train[:1297], 2, themselves=True)
    assert np.array_equal(found.indices, brute_force(train, train, 2, themselves=True)[0])


def test_points_among_themselves_are_not_their_own_neighbours():
    train, _ = digits()
    found = Points(train).nearest(train, 3, themselves=True)
    indices, distances = brute_force(train, train, 3, themselves=True)
    assert np.array_equal(found.indices, indices)
    assert found.distances == pytest.approx(distances, rel=1e-12)


def test_of_equally_near_points_the_first_is_taken_and_copies_have_distance_0():
    points = np.repeat(vectors(100, 40, 0), 3, axis=0)
    found = Points(points).nearest(points[::3].copy(), 3)
    assert np.array_equal(found.indices, np.arange(300).reshape(100, 3))
    assert (found.distances == 0).all()


def test_pairs_closer_than_single_precision_tells_are_told_apart():
    # Far from the origin, steps of .0001 vanish in products of single precision.
    points = np.full((40, 3), 1_000, np.float32)
    points[:, 0] += np.arange(40, dtype=np.float32) * np.float32(2**-13)
    found = Points(points).nearest(points[[20]], 2)
    assert found.indices.tolist() == [[20, 19]]
    assert found.distances[0].tolist() == [0, 2**-13]


@pytest.mark.parametrize("cells", [700, 5_000, 1 << 22])
def test_bits_do_not_depend_on_blocks_threads_or_order(cells, monkeypatch):
    train, test = digits()
    whole = Points(train).nearest(test, 3)
    before = torch.get_num_threads()
    monkeypatch.setattr(neighbours, "_CELLS", cells)
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        found = Points(train).nearest(test[::-1].copy(), 3)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(found.indices[::-1], whole.indices)
    assert np.array_equal(found.distances[::-1], whole.distances)


def test_too_few_points_are_an_error():
    points = Points(vectors(3, 2, 0))
    assert points.nearest(vectors(0, 2, 0), 3).distances.shape == (0, 3)
    with pytest.raises(ValueError, match="3 neighbours among 2"):
        points.nearest(points.values, 3, themselves=True)


@pytest.mark.parametrize("cells", [700, 1 << 22])
def test_pairs_within_a_radius_are_counted_as_by_brute_force(cells, monkeypatch):
    monkeypatch.setattr(neighbours, "_CELLS", cells)
    queries, points = vectors(90, 20, 0), vectors(130, 20, 1)
    distances = cdist(queries.astype(np.float64), points.astype(np.float64))
    of_points = np.random.default_rng(2).uniform(4, 7, (1, 130))
    of_queries = np.random.default_rng(3).uniform(4, 7, (90, 1))
    # Radii that some pairs have exactly, so that rounding would decide.
    exact = np.sqrt(((queries[0].astype(np.float64) - points) ** 2).sum(axis=1))[None]
    found = pairs_within(queries, points, [of_points, of_queries, exact])
    for radius, (by_query, by_point) in zip((of_points, of_queries), found[:2], strict=True):
        near = distances <= radius
        assert 0 < near.sum() < near.size
        assert by_query.tolist() == near.sum(1).tolist()
        assert by_point.tolist() == near.sum(0).tolist()
    assert found[2][0][0] == 130


@pytest.mark.parametrize("many", [0, 1_000])
def test_weights_within_a_radius_are_summed_as_by_brute_force(many, monkeypatch):
    monkeypatch.setattr(neighbours, "_MANY", many)
    train, test = digits()
    weights = np.arange(len(train))
    found = Points(train).weight_within(test, 5.0, weights)
    near = cdist(test.astype(np.float64), train.astype(np.float64)) <= 5.0
    assert found.tolist() == (near @ weights).tolist()
    assert found.max() > 0
