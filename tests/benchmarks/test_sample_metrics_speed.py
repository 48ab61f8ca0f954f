"""Measures of samples against the straightforward way: full distance matrices and double precision, in one run.

The second benchmark of neighbours is the bare matrix product of all pairs in single precision, a floor for every way
that compares all coordinates of all pairs: its time over ours is our share of the cores' peak, which the bound lets
exceed 1.
"""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import pairwise_distances

from harness.metrics import classifier_score, frechet, kernel_distance, precision_recall
from harness.metrics.classifier_score import PENALTY
from harness.metrics.distinct import TOLERANCE, distinct
from harness.metrics.neighbours import Points
from tests.data import mnist_digits

METRICS = "measures of 10,000 samples against 10,000"
NEIGHBOURS = "nearest of 60,000 images to 10,000"
WIDTH = 112


@pytest.fixture(scope="module")
def sets():
    """Test and training digits, labels, and features like the judge's: random projections with a ReLU."""
    digits = mnist_digits()
    images, real = (split.images[:10_000].reshape(10_000, -1) for split in (digits.test, digits.train))
    directions = np.random.default_rng(0).standard_normal((784, WIDTH)).astype(np.float32) / 28
    features = [np.maximum(values @ directions, 0) for values in (images, real)]
    return images, *features, digits.test.labels, digits.train.labels[:10_000]


@pytest.mark.benchmark(group=METRICS)
def test_measures(benchmark, sets):
    images, samples, real, labels, real_labels = sets

    def measure():
        return [
            frechet.frechet_distance(frechet.moments(samples), frechet.moments(real)),
            kernel_distance.kernel_distance(samples, real),
            *precision_recall.overlap(samples, real),
            (classifier_score.classifier_labels(samples, labels, real) == real_labels).mean(),
            *distinct(images),
        ]

    values = benchmark.pedantic(measure, rounds=3, warmup_rounds=1)
    assert values == pytest.approx(straightforward(*sets), rel=1e-6)


@pytest.mark.benchmark(group=METRICS)
def test_measures_the_straightforward_way(benchmark, sets):
    assert len(benchmark.pedantic(straightforward, sets, rounds=1)) == 9


def straightforward(images, samples, real, labels, real_labels):
    images, samples, real = (values.astype(np.float64) for values in (images, samples, real))
    c, s = np.cov(samples.T), np.cov(real.T)
    distance = ((samples.mean(0) - real.mean(0)) ** 2).sum() + np.trace(c + s - 2 * sqrtm(c @ s).real)

    def kernels(a, b):
        return (a @ b.T / WIDTH + 1) ** 3

    def without_itself(a):
        matrix = kernels(a, a)
        np.fill_diagonal(matrix, 0)
        return matrix.sum() / (len(a) * (len(a) - 1))

    kernel = without_itself(samples) + without_itself(real) - 2 * kernels(samples, real).mean()
    own, others, between = pairwise_distances(samples), pairwise_distances(real), pairwise_distances(real, samples)
    own_radii, other_radii = (np.partition(matrix, (3, 5), axis=1)[:, [3, 5]] for matrix in (own, others))
    precision = (between <= other_radii[:, :1]).any(axis=0).mean()
    recall = (between <= own_radii[None, :, 0]).any(axis=1).mean()
    inside = between <= other_radii[:, 1:]
    classifier = RidgeClassifier(alpha=PENALTY * len(samples)).fit(samples, labels)
    alike = (pairwise_distances(images) <= TOLERANCE).sum(axis=1)
    return [
        distance,
        kernel,
        precision,
        recall,
        inside.sum() / (5 * len(samples)),
        inside.any(axis=1).mean(),
        (classifier.predict(real) == real_labels).mean(),
        (1 / alike).sum(),
        len(images) ** 2 / alike.sum(),
    ]


@pytest.fixture(scope="module")
def images():
    digits = mnist_digits()
    return digits.train.images.reshape(60_000, -1), digits.test.images.reshape(10_000, -1)


@pytest.mark.benchmark(group=NEIGHBOURS)
def test_exact_neighbours(benchmark, images):
    train, test = images
    found = benchmark.pedantic(lambda: Points(train).nearest(test), rounds=3, warmup_rounds=1)
    assert np.median(found.distances) == pytest.approx(4.335, abs=0.01)


@pytest.mark.benchmark(group=NEIGHBOURS)
def test_bare_matrix_product_in_single_precision(benchmark, images):
    train, test = (torch.from_numpy(values) for values in images)

    def product():
        return [float((part @ train.T)[0, 0]) for part in test.split(500)]

    assert len(benchmark.pedantic(product, rounds=3, warmup_rounds=1)) == 20


@pytest.mark.benchmark(group=NEIGHBOURS)
def test_neighbours_the_straightforward_way(benchmark, images):
    train, test = (values.astype(np.float64) for values in images)

    def nearest():
        lengths = (train**2).sum(axis=1)
        return np.concatenate([(lengths - 2 * part @ train.T).argmin(axis=1) for part in np.split(test, 10)])

    assert len(benchmark.pedantic(nearest, rounds=1)) == 10_000
