"""Evidence beside the error of inpainted images, against values worked out by hand."""

import numpy as np
import pytest

from harness.evidence.batch_dependence import among_companions, in_smaller_batch
from harness.evidence.copies_input import noise_kept, patch_left_in
from harness.evidence.known_pixels import known_pixels
from harness.evidence.same_for_all import same_for_all
from harness.evidence.steps_agree import steps_agree
from harness.evidence.value_range import value_range

RNG = np.random.default_rng(0)
N = 60
ORIGINALS = RNG.random((N, 1, 28, 28)).astype(np.float32) * (RNG.random((N, 1, 28, 28)) > 0.5)
MASK = np.zeros((N, 1, 28, 28), np.bool_)
MASK[:, :, ::2] = True
SHOWN = np.where(MASK, ORIGINALS + RNG.normal(0, 0.3, ORIGINALS.shape), ORIGINALS).astype(np.float32)


def test_known_pixels_count_the_images_that_were_altered():
    given = SHOWN.copy()
    given[3:10, 0, 1, 5] += np.float32(0.25)
    given[:, 0, 0, 0] += 7  # a missing pixel may be anything
    found = known_pixels(given, SHOWN, MASK)
    assert (found.name, found.title, found.flag) == ("known-pixels", "known pixels", True)
    assert found.value == pytest.approx(0.25)
    assert "7 of 60 images" in found.message
    assert not known_pixels(SHOWN + np.float32(1e-7), SHOWN, MASK).flag


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
def test_the_noise_that_is_kept_is_the_share_that_was_mixed_in(share):
    given = (share * SHOWN + (1 - share) * ORIGINALS).astype(np.float32)
    found = noise_kept(given, SHOWN, ORIGINALS, MASK)
    assert found.value == pytest.approx(share, abs=1e-5)
    assert found.flag == (share > 0.8)
    assert found.title == "copies input"


def test_a_patch_that_is_left_in_is_given_back():
    honest = patch_left_in(np.array([0.1, 0.3]), np.array([0.05, 0.15]), np.array([0.4, 0.4]))
    assert (honest.flag, honest.value) == (False, pytest.approx(0.5))
    copier = patch_left_in(np.array([0.3, 0.3]), np.array([0.02, 0.04]), np.array([0.4, 0.4]))
    assert (copier.flag, copier.value) == (True, pytest.approx(0.1))
    # So good a model is none that copies.
    assert not patch_left_in(np.array([0.1, 0.1]), np.array([0.01, 0.01]), np.array([0.4, 0.4])).flag


def test_answers_that_half_follow_the_digits_have_the_squared_correlation_about_the_means():
    mean = ORIGINALS.mean(axis=0, keepdims=True)
    faint = same_for_all(mean + 0.5 * (ORIGINALS - mean), ORIGINALS, MASK)
    assert (faint.flag, faint.value) == (False, pytest.approx(1, rel=1e-5))  # contrast is no matter
    other = RNG.normal(0, 0.3, ORIGINALS.shape)
    answers = mean + 0.5 * (ORIGINALS - mean) + other
    about = [(each - each.mean(axis=0, keepdims=True))[MASK] for each in (answers, ORIGINALS)]
    found = same_for_all(answers, ORIGINALS, MASK)
    assert (found.flag, found.value) == (False, pytest.approx(np.corrcoef(*about)[0, 1] ** 2, rel=1e-5))
    assert same_for_all(mean + (mean - ORIGINALS), ORIGINALS, MASK).value == 0  # against the trend
    constant = same_for_all(np.broadcast_to(mean, ORIGINALS.shape), ORIGINALS, MASK)
    assert (constant.flag, constant.title) == (True, "same for all")


def test_the_share_of_values_out_of_range():
    given = ORIGINALS.copy()
    given[0] = 1.5
    found = value_range(given, SHOWN, MASK)
    assert (found.flag, found.value, found.title) == (False, pytest.approx(1 / N), "value range")
    assert value_range(255 * ORIGINALS, SHOWN, MASK).flag


def test_the_largest_difference_between_batches():
    first = np.array([[0.1, 0.2], [0.3, 0.4]])
    again = first - np.array([[0.0, 0.0], [0.01, 0.0]])
    found = in_smaller_batch(first, again, "same", "changed")
    assert (found.flag, found.value, found.message) == (True, pytest.approx(0.01), "changed")
    same = in_smaller_batch(first, first + 1e-5, "same", "changed")
    assert (same.flag, same.message, same.title) == (False, "same", "batch dependence")


def test_companions_that_change_an_answer():
    errors = np.full(N, 0.1)
    mixed = SHOWN.copy()
    mixed[::2] += np.float32(0.02)
    found = among_companions(SHOWN, SHOWN, mixed, MASK, errors, errors)
    assert (found.flag, found.value) == (True, pytest.approx(0.02, abs=1e-6))
    brighter = SHOWN + np.float32(0.05)
    by_size = among_companions(SHOWN, brighter, brighter, MASK, errors, errors)
    assert by_size.flag
    assert "size of the batch" in by_size.message
    noise = (SHOWN + RNG.normal(0, 0.05, SHOWN.shape)).astype(np.float32)
    assert not among_companions(SHOWN, noise, noise, MASK, errors, errors).flag


def test_steps_need_to_agree_only_while_a_completion_follows_the_truth():
    truth = np.array([[1, 0, 1]], np.float32)
    predicted = np.array([[0.5, 0.25, 0.75]])
    drawn = np.array([[[True, True, False]]])  # leaves the truth at the second pixel
    drawing = np.array([[[0.5, 0.25, 0.1]]])
    assert steps_agree(predicted, drawing, drawn, truth).value == 0
    drawing[0, 0, 1] = 0.3
    found = steps_agree(predicted, drawing, drawn, truth)
    assert (found.flag, found.value, found.title) == (True, pytest.approx(0.05), "steps agree")
