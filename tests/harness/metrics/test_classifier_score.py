"""The ridge classifier against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from harness.metrics.classifier_score import PENALTY, classifier_labels

pytestmark = pytest.mark.numeric


def classes(n, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(50).standard_normal((10, 6))
    labels = rng.integers(0, 10, n)
    return (centres[labels] + 0.6 * rng.standard_normal((n, 6))).astype(np.float32), labels


def test_labels_are_those_of_scikit_learn():
    samples, labels = classes(900, 0)
    real, _ = classes(700, 1)
    known = RidgeClassifier(alpha=PENALTY * len(samples)).fit(samples.astype(np.float64), labels)
    assert classifier_labels(samples, labels, real).tolist() == known.predict(real.astype(np.float64)).tolist()


def test_training_and_real_data_are_not_exchangeable():
    samples, labels = classes(40, 0)
    real, real_labels = classes(3_000, 1)
    of_few = (classifier_labels(samples, labels, real) == real_labels).mean()
    of_many = (classifier_labels(real, real_labels, samples) == labels).mean()
    assert of_few < of_many


def test_a_class_without_samples_is_never_given():
    samples, labels = classes(900, 0)
    real, _ = classes(700, 1)
    kept = labels != 4
    assert 4 not in classifier_labels(samples[kept], labels[kept], real)
