"""One-pixel in-painting: the value of a missing pixel, given all others (UCL, Deep Learning, homework 4).

The cross-entropy is in nats a case; the most probable value is right or wrong, and accuracy says how often. Accuracy
over all 784 pixels would be 99.8 % for whoever guesses, and −1 is no target: see `harness.tasks.pixels.missing_pixels`.
"""

from __future__ import annotations

from harness.tasks.pixels.missing_pixels import PixelInpainting


class OnePixelInpainting(PixelInpainting):
    """A hole of one pixel: two completions."""

    name = "one-pixel-inpainting"
    title = "One-pixel in-painting"
    summary = "the posterior of one missing pixel; cross-entropy of the truth in nats a case"
    side = 1
    too_good = 0.055
    file = "one_pixel_inpainting.npy"
