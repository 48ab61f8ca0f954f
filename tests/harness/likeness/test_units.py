"""Hidden units: what leaves their distance at 0, what hides no copy, and what is no copy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import idctn

from harness.likeness import units
from harness.likeness.units import COMPARED, FAR, NAME, THRESHOLD, UNITS, WIDTH


def drawn(seed: int, n: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, WIDTH)).astype(np.float32)


def moved(rows: np.ndarray, cosine: float, seed: int = 0) -> np.ndarray:
    """Rows of which each has this cosine with its own."""
    own = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    noise = np.random.default_rng(seed).standard_normal(rows.shape)
    noise -= (noise * own).sum(axis=1, keepdims=True) * own
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return (cosine * own + (1 - cosine**2) ** 0.5 * noise).astype(np.float32)


def answered(rows: np.ndarray) -> np.ndarray:
    """The answer of a worker: rows of length 1, and 0 where there are no more units."""
    found = np.zeros((UNITS, WIDTH), np.float32)
    found[: len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def compared(*entries: np.ndarray) -> np.ndarray:
    return units.distances(np.stack([units.sketch(answered(rows))[NAME] for rows in entries]))


def test_directions_are_the_lowest_frequencies_of_scipys_transform():
    waves = np.eye(WIDTH).reshape(WIDTH, 8, 8)
    expected = np.stack([idctn(wave, s=(28, 28), norm="ortho").reshape(784) for wave in waves], axis=1)
    np.testing.assert_allclose(units.directions(), expected, atol=1e-6)


def test_bytes_keep_directions_to_a_ten_thousandth():
    rows = drawn(0)
    kept = units.sketch(answered(rows))[NAME]
    assert (kept.dtype, kept.shape) == (np.int8, (UNITS * WIDTH,))
    found = kept.reshape(UNITS, WIDTH)[: len(rows)].astype(np.float64)
    cosines = (found * rows).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(rows, axis=1)
    assert 1e-7 < (1 - cosines).max() < 1e-4


def test_order_and_sign_of_units_make_no_difference():
    rows = drawn(0)
    signs = np.where(np.arange(len(rows)) % 3 == 0, -1, 1)[:, None]
    order = np.random.default_rng(1).permutation(len(rows))
    assert compared(rows, (signs * rows)[order])[0, 1] == pytest.approx(0, abs=1e-6)


def test_the_distance_is_the_second_largest_of_the_first_units():
    rows = drawn(0)
    other = moved(rows, 0.997)
    other[3] = moved(rows[3:4], 0.96)[0]
    other[7] = moved(rows[7:8], 0.988)[0]
    other[COMPARED + 5] = drawn(9, 1)[0]
    assert compared(rows, other)[0, 1] == pytest.approx(0.012, abs=5e-4)


def test_independent_units_are_far():
    found = compared(drawn(0), drawn(1), drawn(2))
    assert np.isinf(found[np.triu_indices(3, 1)]).all()
    assert not found.diagonal().any()


def test_those_who_began_alike_are_no_copies_once_a_few_of_their_first_units_moved():
    rows = drawn(0)
    other = moved(rows, 0.9987)
    other[[1, 5]] = moved(rows[[1, 5]], 0.988)
    assert THRESHOLD < compared(rows, other)[0, 1] < FAR
    other[5] = rows[5]
    assert compared(rows, other)[0, 1] == pytest.approx(0.0013, abs=1e-4)


@pytest.mark.parametrize(
    ("replaced", "cosine", "distance"),
    [
        (1, 0.995, 0.005),
        (2, 0.9995, 0.005),
        (4, 0.9995, 0.005),
        (5, 0.9998, 0.006),
        (8, 0.9998, 0.006),
        (8, 0.999, np.inf),
        (9, 1, np.inf),
    ],
)
def test_the_more_units_were_replaced_the_nearer_the_rest_has_to_be(replaced, cosine, distance):
    rows = drawn(0)
    other = moved(rows, cosine)
    other[1 : 2 * replaced : 2] = drawn(1, replaced)
    found = compared(rows, other)
    assert found[0, 1] == found[1, 0] == pytest.approx(distance, rel=0.4)  # bytes add up to .0001 each, 30 times


def test_units_that_were_added_to_a_copy_do_not_hide_it():
    rows = drawn(0)
    junk = np.concatenate([drawn(1, 300), moved(rows, 0.995)])
    found = compared(rows, junk, drawn(2))
    assert found[0, 1] == found[1, 0] == pytest.approx(0.005, abs=5e-4)
    assert np.isinf(found[2, :2]).all()


def test_no_entry_changes_what_others_are():
    entries = [drawn(0), moved(drawn(0), 0.995), drawn(1), moved(drawn(1), 0.99), drawn(0), drawn(2, 40)]
    found = compared(*entries)
    assert found[0, 4] == 0
    order = [5, 3, 4, 0, 2, 1]
    assert np.array_equal(compared(*(entries[i] for i in order)), found[np.ix_(order, order)])
    assert np.array_equal(compared(entries[2], entries[3]), found[2:4, 2:4])
    assert np.array_equal(found, found.T)
    # More units than others have make no difference to these.
    assert np.array_equal(compared(*entries, drawn(3, UNITS))[:-1, :-1], found)


def test_who_has_few_units_or_none_is_not_compared():
    assert units.sketch(np.zeros((UNITS, WIDTH), np.float32)) == {}
    assert units.sketch(answered(drawn(0, 15))) == {}
    assert units.sketch(answered(drawn(0, 16))).keys() == {NAME}
    # Of 16 units four may be like none.
    rows, other = drawn(0, 16), drawn(0, 16)
    other[[1, 3, 5, 9]] = drawn(1, 4)
    assert compared(rows, other)[0, 1] == pytest.approx(0, abs=1e-5)
    other[10] = drawn(2, 1)[0]
    assert np.isinf(compared(rows, other)[0, 1])


def test_sketches_of_another_length_are_not_compared():
    assert np.isinf(units.distances(np.ones((2, 100), np.float32))).all()


def test_units_that_are_no_numbers_are_left_out():
    rows = drawn(0)
    broken = answered(np.concatenate([drawn(1, 2), rows]))
    broken[0, 5], broken[1] = np.nan, np.inf
    found = units.distances(np.stack([units.sketch(answered(rows))[NAME], units.sketch(broken)[NAME]]))
    assert found[0, 1] == 0
