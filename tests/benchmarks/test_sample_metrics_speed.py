"""Measures of samples against the straightforward way: full distance matrices and double precision.

The work of neighbours is that of comparing all coordinates of all pairs, .94 TFLOP: a lower bound of the distances
spares most of it, so that its share of the peak may exceed 1.
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

ALL_PAIRS = 2 * 10_000 * 60_000 * 784
WIDTH = 112


@pytest.fixture(scope="module")
def sets():
    """Test and training digits, labels, and features like the judge's: random projections with a ReLU."""
    digits = mnist_digits()
    images, real = (split.images[:10_000].reshape(10_000, -1) for split in (digits.test, digits.train))
    directions = np.random.default_rng(0).standard_normal((784, WIDTH)).astype(np.float32) / 28
    features = [np.maximum(values @ directions, 0) for values in (images, real)]
    return images, *features, digits.test.labels, digits.train.labels[:10_000]


def test_measures(compare, sets):
    images, samples, real, labels, real_labels = sets

    def measure():
        return [
            frechet.frechet_distance(frechet.moments(samples), frechet.moments(real)),
            kernel_distance.kernel_distance(samples, real),
            *precision_recall.overlap(samples, real),
            (classifier_score.classifier_labels(samples, labels, real) == real_labels).mean(),
            *distinct(images),
        ]

    assert measure() == pytest.approx(straightforward(*sets), rel=1e-6)
    compare(
        "nine measures of 10,000 samples against 10,000",
        measure,
        "full distance matrices, double precision",
        lambda: straightforward(*sets),
        rounds=3,
    )


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


def test_exact_neighbours(compare):
    train, test = (split.images.reshape(-1, 784) for split in (mnist_digits().train, mnist_digits().test))

    def straightforward_neighbours():
        points, queries = train.astype(np.float64), test.astype(np.float64)
        lengths = (points**2).sum(axis=1)
        return np.concatenate([(lengths - 2 * part @ points.T).argmin(axis=1) for part in np.split(queries, 10)])

    assert np.array_equal(Points(train).nearest(test).indices[:, 0], straightforward_neighbours())
    compare(
        "nearest of 60,000 images to each of 10,000, exactly",
        lambda: Points(train).nearest(test),
        "full distance matrices, double precision",
        straightforward_neighbours,
        rounds=3,
        work=ALL_PAIRS,
    )


def test_exact_neighbours_against_the_bare_product(compare):
    train, test = (
        torch.from_numpy(split.images.reshape(-1, 784)) for split in (mnist_digits().train, mnist_digits().test)
    )

    def product():
        return [float((part @ train.T)[0, 0]) for part in test.split(500)]

    compare(
        "the same",
        lambda: Points(train.numpy()).nearest(test.numpy()),
        "product of all pairs in single precision, nothing else",
        product,
        rounds=3,
        work=ALL_PAIRS,
    )
