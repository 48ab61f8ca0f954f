"""Tests of the shipped mixture density network's likelihood, and of the conditional RBMs' accuracy."""

import math

import numpy as np
import pytest
import torch

from harness.tasks.inpainting.corruption import gray_patches
from reference import shipped
from reference.mdn import dequantised, negative_log_likelihood
from tests.data import mnist_digits

pytestmark = pytest.mark.numeric

IMAGES = 2_000
MOST_NATS = -34.0
LEAST_ACCURACY = {"crbm": 0.945, "crbm-hybrid": 0.97}
"""Shares of the test images, a little below those that MODELS.md states."""


def gaussian(train, originals, mask, generator):
    """−log p(t | rest) (N,) under one Gaussian with full covariance in 784 dimensions, fitted to dequantised images.

    Given the rest it is a linear regression with the full covariance of the residuals, another one for each place.
    """
    pixels = dequantised(train.flatten(1).double(), generator)
    mean = pixels.mean(0)
    covariance = (pixels - mean).T @ (pixels - mean) / len(pixels)
    targets = dequantised(originals.flatten(1).double(), generator) - mean
    missing = mask.flatten(1)
    nats = torch.empty(len(targets), dtype=torch.float64)
    for hole in missing.unique(dim=0):
        rows = (missing == hole).all(1)
        of_rest, across = covariance[~hole][:, ~hole], covariance[~hole][:, hole]
        slopes = torch.linalg.solve(of_rest, across)  # (748, 36)
        residual = covariance[hole][:, hole] - across.T @ slopes
        away = targets[rows][:, hole] - targets[rows][:, ~hole] @ slopes
        factor = torch.linalg.cholesky(residual)
        scaled = torch.linalg.solve_triangular(factor, away.T, upper=False)
        nats[rows] = 0.5 * scaled.square().sum(0) + factor.diagonal().log().sum() + 18 * math.log(2 * math.pi)
    return nats


def test_the_mixture_is_more_likely_than_a_gaussian():
    digits = mnist_digits()
    case = gray_patches(digits.test.images[:IMAGES], torch.Generator().manual_seed(0))
    originals, mask = torch.from_numpy(case.originals), torch.from_numpy(case.mask)
    with torch.no_grad():
        found = negative_log_likelihood(shipped.module("mdn"), originals, mask, torch.Generator().manual_seed(1))
    train = torch.from_numpy(digits.train.images)
    beside = gaussian(train, originals, mask, torch.Generator().manual_seed(2))
    assert found.mean() <= MOST_NATS
    # On all 10,000 images it is −15.8, its standard error for 2,000 is .2.
    assert -17.5 < beside.mean() < -14.5
    better = (beside - found).numpy()
    assert better.mean() > 5 * better.std() / np.sqrt(IMAGES)


@pytest.mark.parametrize("name", LEAST_ACCURACY)
def test_the_machines_classify_by_free_energy(name):
    test = mnist_digits().test
    with torch.no_grad():
        found = shipped.module(name).classify(torch.from_numpy(test.images)).numpy()
    assert (found == test.labels).mean() >= LEAST_ACCURACY[name]
