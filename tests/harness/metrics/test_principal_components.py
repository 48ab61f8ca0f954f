"""Tests of principal components against scikit-learn's."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from harness.metrics.principal_components import principal_components


def test_the_components_are_scikit_learns():
    images = (np.random.default_rng(0).random((2300, 1, 4, 5)) ** np.linspace(1, 6, 20).reshape(1, 1, 4, 5)).astype(
        np.float32
    )
    mean, rows = principal_components(images, 3)
    expected = PCA(3, svd_solver="full").fit(images.reshape(-1, 20).astype(np.float64))
    assert mean == pytest.approx(expected.mean_)
    assert np.abs(rows @ expected.components_.T) == pytest.approx(np.eye(3), abs=1e-6)
