"""Tests of evidence about models with codes: bounds, messages and what has no finite ratio."""

import numpy as np
import pytest

from harness.evidence import jacobian, known_noise, memorised, packed_code, round_trip

ONES = np.ones(10)


@pytest.mark.parametrize(("graded", "flag"), [(1.0, False), (1.49, False), (1.51, True)])
def test_a_code_is_packed_if_rounding_costs_half_as_much_again(graded, flag):
    found = packed_code.packed_code(graded * ONES, ONES)
    assert (found.flag, found.value) == (flag, pytest.approx(graded))


@pytest.mark.parametrize(
    ("altered", "held_out_altered", "flag"),
    [
        (1.0, 1.0, False),
        (1.7, 1.7, False),
        (2.45, 2.45, False),
        (2.55, 2.55, True),  # all digits alike are known too well: the training set is held as well
        (1.3, 1.0, True),
        (1.1, 1.0, False),
        (0.8, 1.0, False),
    ],
)
def test_test_images_are_known_if_altered_ones_are_worse_by_more_than_others(altered, held_out_altered, flag):
    found = memorised.memorised(ONES, altered * ONES, ONES, held_out_altered * ONES)
    assert found.flag == flag
    assert found.value == pytest.approx(altered)


def test_a_ratio_of_a_few_huge_errors_is_put_down_to_chance():
    n = 1000
    most, few = np.ones(n), np.ones(n)
    most[:10], few[10:13] = 100, 100
    # 1.99 and 1.297 are the means, so that the ratio is 1.53; on held-out digits it is 1.
    found = memorised.memorised(few, most, ONES, ONES)
    assert found.value == pytest.approx(1.99 / 1.297)
    assert not found.flag
    own = np.sqrt(np.var(most / 1.99 - few / 1.297, ddof=1) / n)
    assert found.high == pytest.approx(1.2 * np.exp(3 * own))
    even = memorised.memorised(np.full(n, 1.297), np.full(n, 1.99), ONES, ONES)
    assert even.flag and even.high == pytest.approx(1.2)


def test_known_noise_is_held_against_its_standard_error():
    nats = np.linspace(90, 110, 1000)
    assert not known_noise.known_noise(nats, nats + 0.4).flag
    found = known_noise.known_noise(nats, nats + 0.6)
    assert found.flag is True and found.value == pytest.approx(0.6) and found.high == 0.5
    assert not known_noise.known_noise(nats + 0.6, nats).flag
    scattered = nats + 0.6 + 30 * np.where(np.arange(1000) % 2, 1, -1)
    assert not known_noise.known_noise(nats, scattered).flag


def test_a_ratio_to_nothing_is_large_and_of_nothing_to_nothing_1():
    assert memorised.ratio(ONES, 0 * ONES) == memorised.LARGEST
    assert memorised.ratio(0 * ONES, 0 * ONES) == 1
    found = memorised.memorised(0 * ONES, ONES, 0 * ONES, ONES)
    assert found.flag and np.isfinite(found.value)


def test_a_jacobian_is_held_against_both_ways():
    assert not jacobian.jacobian([5.0, -3.0], [5.2, -3.1], [-5.1, 3.0]).flag
    for forward, backward in (([5.0, -1.0], [-5.0, 3.0]), ([5.0, -3.0], [-5.0, 1.0])):
        found = jacobian.jacobian([5.0, -3.0], forward, backward)
        assert found.flag and found.value == pytest.approx(2)
        assert "not believed" in found.message and "stated -3" in found.message
    assert jacobian.jacobian([1.0], [float("nan")], [-1.0]).value == jacobian.LARGEST
    assert jacobian.jacobian([1.0], [float("-inf")], [-1.0]).flag


def test_a_round_trip_is_held_against_its_worst_and_moves():
    good = {"test digits": 1e-5, "random codes": 0.04}
    assert not round_trip.round_trip(good, 50).flag
    assert round_trip.round_trip({**good, "images that are no digits": 0.06}, 50).flag
    found = round_trip.round_trip(good, 200)
    assert found.flag and "200 times as far" in found.message
    assert round_trip.round_trip({"test digits": float("inf")}, 1).value == 1e6
    assert round_trip.distance(np.zeros((2, 4)), np.array([[0, 0, 0, 0], [2, 0, 0, 0]])) == 1
