"""Tests of bits per dimension, against the trainings' own code and against densities that are known."""

import math

import numpy as np
import pytest
import torch

from harness.metrics import bits_per_dim
from reference.preprocessing import Dequantised


def images(n=4):
    levels = np.random.default_rng(0).integers(0, 256, (n, 1, 28, 28))
    return (levels / 255).astype(np.float32), np.random.default_rng(1).random((n, 784))


def test_logits_and_their_jacobian_are_those_that_flows_are_trained_on():
    shown, noise = images()
    found, log_det = bits_per_dim.logits(shown, noise, 1e-6)
    pixels = torch.from_numpy(shown).flatten(1).double()
    expected, expected_det = Dequantised().logits(pixels, torch.from_numpy(noise))
    assert found == pytest.approx(expected.numpy(), rel=1e-6, abs=1e-6)
    assert log_det == pytest.approx(expected_det.numpy(), rel=1e-9)


def test_logits_become_the_same_images_again():
    shown, noise = images()
    values, _ = bits_per_dim.logits(shown, noise, 1e-4)
    back = bits_per_dim.images(values, 1e-4).reshape(shown.shape)
    assert np.abs(back - shown).max() <= 0.5 / 255 + 1e-6


def test_the_normal_density_is_scipys():
    from scipy.stats import norm

    z = np.random.default_rng(0).standard_normal((3, 10)) * 4
    assert bits_per_dim.log_normal(z) == pytest.approx(norm.logpdf(z).sum(1))
    assert bits_per_dim.bits_per_dim(np.array([math.log(2.0) * 784]), 784)[0] == pytest.approx(7)
