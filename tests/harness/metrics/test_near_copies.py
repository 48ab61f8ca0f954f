import numpy as np

from harness.metrics.near_copies import bounds, near_copies


def test_bounds_are_quantiles_of_each_digit_apart():
    distances = np.concatenate([np.arange(1, 201) / 100, np.arange(1, 101) / 10])
    digits = np.repeat([1, 8], [200, 100])
    found = bounds(distances, digits, quantile=0.05)
    # Of 200 the quantile .05 lies between the 10th and the 11th, of 100 between the 5th and the 6th: the lower counts.
    assert found[1] == 0.1
    assert found[8] == 0.5
    assert found[[0, 2, 3]].tolist() == [0, 0, 0]


def test_a_sample_is_held_against_the_digit_of_its_nearest_image():
    bound = np.array([0.0, 0.1, 0.5])
    assert near_copies(np.array([0.2, 0.2, 0.5, 0.0]), np.array([1, 2, 2, 0]), bound).tolist() == [
        False,
        True,
        False,
        False,
    ]
