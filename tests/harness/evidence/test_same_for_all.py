"""Trivial answers that follow an image's brightness, or nothing: none explains how digits differ from the mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.evidence.same_for_all import LEAST, same_for_all, squared_correlation
from harness.tasks.inpainting.corruption import coin_flips, gray_patches, noisy_rows
from tests.data import embedded_digits, mnist_digits

pytestmark = pytest.mark.numeric

CORRUPTIONS = {"patch": gray_patches, "rows": noisy_rows, "half": coin_flips}


@pytest.fixture(scope="module", params=CORRUPTIONS)
def case(request):
    return CORRUPTIONS[request.param](embedded_digits().test.images, torch.Generator().manual_seed(1))


def mean_digit():
    return embedded_digits().train.images.mean(axis=0, keepdims=True, dtype=np.float64)


def ink_of_known(case):
    """Brightness of the known part, about 1, (N, 1, 1, 1)."""
    ink = np.where(case.mask, 0, case.shown).mean(axis=(1, 2, 3), keepdims=True)
    return ink / ink.mean()


def parity_of_known(case):
    lit = (np.where(case.mask, 0, case.shown) > 0.5).sum(axis=(1, 2, 3))
    return np.where(lit % 2, 1.0, -1.0)[:, None, None, None]


TRIVIAL = {
    "gray": lambda case: 0.3955 + 0 * case.originals,
    "mean": lambda case: mean_digit() + 0 * case.originals,
    "mean by brightness": lambda case: mean_digit() * ink_of_known(case),
    "mean by brightness, clipped": lambda case: (mean_digit() * ink_of_known(case)).clip(0, 1),
    "mean and parity": lambda case: mean_digit() + 0.08 * parity_of_known(case),
    "mean times parity": lambda case: mean_digit() * (1 + 0.3 * parity_of_known(case)),
}


@pytest.mark.parametrize("name", TRIVIAL)
def test_trivial_answers_are_below_the_threshold(case, name) -> None:
    answer = TRIVIAL[name](case)
    found = same_for_all(answer, case.originals, case.mask)
    assert found.value == squared_correlation(answer, case.originals, case.mask)
    assert found.value < LEAST
    assert found.state != "clear"
    assert "hardly follows the image" in found.message


@pytest.mark.parametrize("name", TRIVIAL)
def test_answers_about_as_good_as_the_mean_digit_are_flagged(case, name) -> None:
    answer, count = TRIVIAL[name](case), case.mask.sum(axis=0)
    mean = np.where(case.mask, case.originals, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    own, of_mean = ((values - case.originals)[case.mask] ** 2 for values in (answer, mean + 0 * answer))
    assert same_for_all(answer, case.originals, case.mask).flag == (own.mean() < 1.1 * of_mean.mean())
    assert name != "mean" or own.mean() < 1.1 * of_mean.mean()


@pytest.mark.parametrize("name", ["mean", "mean by brightness", "mean and parity"])
def test_halves_of_mnist_by_brightness_or_parity_follow_no_image(name) -> None:
    digits = mnist_digits()
    case = coin_flips(digits.test.images[:100], torch.Generator().manual_seed(1))
    mean = digits.train.images.mean(axis=0, keepdims=True, dtype=np.float64)
    answer = {
        "mean": mean + 0 * case.originals,
        "mean by brightness": mean * ink_of_known(case),
        "mean and parity": mean + 0.08 * parity_of_known(case),
    }[name]
    found = same_for_all(answer, case.originals, case.mask)
    assert found.value < LEAST
    # The parity makes the mean digit worse by more than a tenth: it has won nothing, and the gate shuts all the same.
    assert found.flag == (name != "mean and parity")


def test_a_model_that_has_learnt_nothing_is_no_cheat(case) -> None:
    noise = np.random.default_rng(0).random(case.originals.shape)
    found = same_for_all(noise, case.originals, case.mask)
    assert found.value < LEAST
    assert not found.flag


def test_scale_and_offset_of_the_answers_change_nothing(case) -> None:
    generator = np.random.default_rng(0)
    answer = case.originals * 0.5 + generator.random(case.originals.shape)
    found = squared_correlation(answer, case.originals, case.mask)
    assert 0.01 < found < 0.9
    # A power of two changes no digit of a sum.
    for scale in (2.0**-20, 2.0, 2.0**30):
        assert squared_correlation(scale * answer, case.originals, case.mask) == found
    for scale, offset in ((0.3, 0.0), (1.0, -5.0), (7.0, 0.25)):
        assert squared_correlation(scale * answer + offset, case.originals, case.mask) == pytest.approx(found, rel=1e-9)
    # Nor does an offset of each pixel's own.
    by_pixel = generator.random((1, 1, 28, 28))
    assert squared_correlation(answer + by_pixel, case.originals, case.mask) == pytest.approx(found, rel=1e-9)


def test_it_is_the_squared_correlation_about_the_means_at_each_pixel(case) -> None:
    generator = np.random.default_rng(1)
    answer = case.originals * 0.5 + generator.random(case.originals.shape)
    ours, true = [], []
    for row in range(28):
        for column in range(28):
            missing = case.mask[:, 0, row, column]
            if missing.sum() > 1:
                ours.append(answer[missing, 0, row, column] - answer[missing, 0, row, column].mean())
                truth = case.originals[missing, 0, row, column].astype(np.float64)
                true.append(truth - truth.mean())
    expected = np.corrcoef(np.concatenate(ours), np.concatenate(true))[0, 1] ** 2
    assert squared_correlation(answer, case.originals, case.mask) == pytest.approx(expected, rel=1e-9)


def test_answers_against_the_trend_explain_nothing(case) -> None:
    assert squared_correlation(1 - case.originals, case.originals, case.mask) == 0
    assert squared_correlation(case.originals, case.originals, case.mask) == pytest.approx(1)
