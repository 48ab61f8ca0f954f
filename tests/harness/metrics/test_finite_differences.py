"""Tests of determinants by differences of a map's values."""

import numpy as np
import pytest
import torch

from harness.metrics.finite_differences import directions, log_determinant, probes


def measured(f, point, seed=0):
    rows, step = directions(len(point), torch.Generator().manual_seed(seed))
    asked = probes(point, rows, step)
    return log_determinant(f(asked), asked)


def test_directions_are_orthonormal_and_differ_by_generator():
    rows, step = directions(20, torch.Generator().manual_seed(0))
    other, _ = directions(20, torch.Generator().manual_seed(1))
    assert rows @ rows.T == pytest.approx(np.eye(20), abs=1e-12)
    assert 0.01 <= step <= 0.03
    assert np.abs(rows - other).max() > 0.1


def test_directions_are_spread_over_all_coordinates():
    rows, _ = directions(784, torch.Generator().manual_seed(0))
    # Of a unit vector in a random direction, 1/28 is the standard deviation of a coordinate.
    assert np.abs(rows).max() < 8 / 28
    assert np.sqrt((rows**2).mean(axis=0)) == pytest.approx(np.full(784, 1 / 28))
    assert (rows**4).mean() == pytest.approx(3 / 784**2, rel=0.05)


def test_a_linear_maps_determinant_is_found_from_float32_values():
    matrix = np.random.default_rng(0).standard_normal((30, 30))
    found = measured(lambda x: (x @ matrix).astype(np.float32), np.full(30, 3.0))
    assert found == pytest.approx(np.linalg.slogdet(matrix)[1], abs=0.02)


def test_a_bent_maps_determinant_is_autograds():
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(25, 25, generator=generator, dtype=torch.float64) / 5 for _ in range(2)]

    def f(x):
        return x + torch.tanh(x @ weights[0]) @ weights[1]

    point = torch.randn(25, generator=generator, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(f, point)
    found = measured(lambda x: f(torch.from_numpy(x).double()).numpy(), point.numpy())
    assert found == pytest.approx(float(torch.linalg.slogdet(jacobian).logabsdet), abs=0.01)


def test_a_map_that_loses_a_dimension_has_no_determinant():
    assert measured(lambda x: np.concatenate([x[:, 1:], x[:, 1:2]], 1), np.zeros(5)) < -20
