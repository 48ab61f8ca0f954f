import numpy as np

from harness.evidence.copies import copies

BOUNDS = np.full(10, 2.0)


def test_samples_nearer_than_three_quarters_of_the_bound_are_copies():
    distances, digits = np.full(10_000, 1.6), np.arange(10_000) % 10
    assert copies(distances, digits, BOUNDS, "test").value == 0
    distances[:100] = 1.4
    some = copies(distances, digits, BOUNDS, "training")
    assert (some.name, some.flag, some.value) == ("copied-training", False, 0.01)  # the interval reaches below .01
    distances[:150] = 1.4
    more = copies(distances, digits, BOUNDS, "training")
    assert more.flag and more.value == 0.015
    assert "1.50% of the samples" in more.message


def test_bounds_belong_to_the_digit_of_the_nearest_image():
    bounds = np.array([0.5] + [2.0] * 9)
    assert copies(np.ones(100), np.zeros(100, int), bounds, "test").value == 0
    assert copies(np.ones(100), np.ones(100, int), bounds, "test").value == 1
