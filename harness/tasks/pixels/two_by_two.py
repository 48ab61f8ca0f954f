"""Two-by-two in-painting: the values of four missing pixels, given all others (UCL, Deep Learning, homework 4).

The cross-entropy is that of the four true values together, in nats a case; accuracy is over the four missing pixels of
the most probable completion, not over all 784, and −1 is no target: see `harness.tasks.pixels.missing_pixels`.
"""

from __future__ import annotations

from harness.tasks.pixels.missing_pixels import PixelInpainting


class TwoByTwoInpainting(PixelInpainting):
    """A hole of 2 × 2 pixels: sixteen completions."""

    name = "two-by-two-inpainting"
    title = "Two-by-two in-painting"
    summary = "the posterior of four missing pixels; cross-entropy of the truth in nats a case"
    side = 2
    too_good = 0.23
    file = "2X2_pixels_inpainting.npy"
