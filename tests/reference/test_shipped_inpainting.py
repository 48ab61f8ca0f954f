"""Tests that the shipped inpainting models reach their published figures on real digits."""

import numpy as np
import pytest
import torch

from harness.tasks.inpainting.corruption import gray_patches, noisy_rows
from reference import shipped
from tests.data import mnist_digits

pytestmark = pytest.mark.numeric

IMAGES = 500
MOST = {
    "pca": (gray_patches, 0.142),
    "ebl": (gray_patches, 0.1336),
    "ebl-mse": (gray_patches, 0.080),
    "mdn": (gray_patches, 0.040),
    "crbm": (gray_patches, 0.070),
    "crbm-hybrid": (gray_patches, 0.085),
    "ebm": (noisy_rows, 0.0075),
    "ebm-denoise": (noisy_rows, 0.0031),
}
"""Corruption, and the largest error allowed on the first images, a little above the error on all of them."""


@pytest.mark.parametrize("name", MOST)
def test_the_shipped_weights_reach_their_figure(name):
    corrupt, most = MOST[name]
    originals = mnist_digits().test.images[:IMAGES]
    case = corrupt(originals, torch.Generator().manual_seed(0))
    inpaint = torch.no_grad()(shipped.module(name).inpaint)
    found = inpaint(torch.from_numpy(case.shown), torch.from_numpy(case.mask)).numpy()
    squares = (found.astype(np.float64) - originals) ** 2
    error = squares[case.mask].mean() if corrupt is gray_patches else squares.mean()
    assert error <= most
