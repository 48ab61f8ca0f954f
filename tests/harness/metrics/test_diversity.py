import numpy as np
import pytest
import torch

from harness.evidence.mode_collapse import MOST, mode_collapse
from harness.metrics.alike import RADII
from harness.metrics.diversity import GATE, diversity
from harness.metrics.feature_spread import feature_spread
from harness.metrics.pictures import grid
from tests.data import mnist_digits

pytestmark = pytest.mark.numeric


def test_diversity_is_the_courseworks_expression():
    generator = np.random.default_rng(3)
    images = generator.random((60, 1, 28, 28)).astype(np.float32)
    labels = np.arange(60) % 3
    found = diversity(images, labels)
    for digit in range(3):
        samples = torch.from_numpy(images[labels == digit])
        assert found[digit] == pytest.approx(samples.std(dim=0).mean().item(), rel=1e-5)
    assert found[3] == 0


def test_real_test_digits_have_the_published_diversity():
    test = mnist_digits().test
    published = [0.1735, 0.0919, 0.1819, 0.1650, 0.1582, 0.1730, 0.1611, 0.1468, 0.1652, 0.1448]
    assert diversity(test.images, test.labels) == pytest.approx(published, abs=6e-5)
    assert (diversity(test.images, test.labels) > GATE).all()


def test_feature_spread_is_the_trace_of_the_covariance():
    features = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    labels = np.arange(40) % 2
    expected = np.trace(np.cov(features[labels == 1].astype(float), rowvar=False))
    assert feature_spread(features, labels)[1] == pytest.approx(expected)


def test_collapse_is_flagged_by_the_least_varied_digit_alone():
    # Of real digits .1 % of the pairs are alike at the bound; counts rise with the distance.
    by_class = np.tile(0.001 * RADII**3, (10, 1)).clip(max=1)
    at_bound = int(np.flatnonzero(np.isclose(RADII, 1))[0])
    assert not mode_collapse(by_class).flag
    by_class[7, at_bound] = MOST * 1.2
    evidence = mode_collapse(by_class)
    assert evidence.flag and evidence.integrity
    assert evidence.value == pytest.approx(MOST * 1.2)
    assert "digit 7" in evidence.message
    by_class[7, at_bound] = 0.3
    assert mode_collapse(by_class).state == "unusual"


def test_grid_keeps_rows_columns_and_order():
    images = np.zeros((2, 3, 4, 4), np.float32)
    images[1, 2, 0, 3] = 1
    picture = grid(images, gap=2)
    assert picture.shape == (2 * 6 - 2, 3 * 6 - 2)
    assert np.argwhere(picture).tolist() == [[6, 15]]
    assert picture.max() == 255
