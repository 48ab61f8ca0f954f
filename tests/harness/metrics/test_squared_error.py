import numpy as np
import pytest

from harness.metrics.squared_error import histogram, squared_error

pytestmark = pytest.mark.numeric


def test_each_image_has_the_mean_over_its_own_counted_pixels():
    generator = np.random.default_rng(0)
    images, originals = generator.random((2, 7, 1, 4, 5)).astype(np.float32)
    mask = generator.random((7, 1, 4, 5)) < 0.3
    mask[:, 0, 0, 0] = True
    masked, whole = squared_error(images, originals, mask), squared_error(images, originals)
    for i in range(7):
        total, count, everything = 0.0, 0, 0.0
        for row in range(4):
            for column in range(5):
                square = (float(images[i, 0, row, column]) - float(originals[i, 0, row, column])) ** 2
                everything += square
                if mask[i, 0, row, column]:
                    total, count = total + square, count + 1
        assert masked[i] == pytest.approx(total / count, rel=1e-12)
        assert whole[i] == pytest.approx(everything / 20, rel=1e-12)


def test_more_images_than_are_held_at_a_time_are_not_mixed_up():
    images = np.zeros((1203, 1, 2, 2), np.float32)
    images[:, 0, 0, 0] = np.arange(1203)
    assert squared_error(images, np.zeros_like(images)).tolist() == [i**2 / 4 for i in range(1203)]


def test_values_that_overflow_single_precision_when_squared_are_measured():
    images = np.full((2, 1, 2, 2), 1e30, np.float32)
    assert squared_error(images, np.zeros_like(images)) == pytest.approx([1e60, 1e60], rel=1e-6)


def test_the_histogram_counts_every_error_once():
    errors = np.array([0.0, 0.1, 0.1, 0.25, 1.0])
    counts, edges = histogram(errors, bins=4)
    assert edges == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert counts.tolist() == [3, 1, 0, 1]


def test_the_histogram_of_perfect_answers_has_edges_that_differ():
    counts, edges = histogram(np.zeros(6))
    assert counts[0] == counts.sum() == 6
    assert (np.diff(edges) > 0).all()
