"""Tests of altered digits."""

import numpy as np
import torch

from harness.metrics.warped import warped
from tests.data import embedded_digits


def test_altered_digits_are_other_images_of_about_the_same_ink():
    images = embedded_digits().test.images[:50]
    found = warped(images, torch.Generator().manual_seed(0))
    again = warped(images, torch.Generator().manual_seed(0))
    other = warped(images, torch.Generator().manual_seed(1))
    assert np.array_equal(found, again)
    assert np.abs(found - other).max(axis=(1, 2, 3)).min() > 0.05
    assert found.dtype == np.float32 and found.shape == images.shape
    assert np.array_equal(np.rint(found * 255) / np.float32(255), found)
    moved = ((found - images) ** 2).mean(axis=(1, 2, 3))
    among = ((images[:, None] - images[None]) ** 2).mean(axis=(2, 3, 4)) + np.eye(50)
    # No image stays, and none moves as far as another digit is.
    assert moved.min() > 1e-4
    assert np.mean(moved < among.min(axis=1)) > 0.9
    assert abs(found.mean() / images.mean() - 1) < 0.05
