"""Adapts a model that only answers for whole sequences: every completion is computed anew from its first pixel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.sequences.missing import ROWS, missing_positions, with_both_values
from harness.sequences.probabilities import checked, log_likelihood


class Whole:
    """A model with `next_pixel_probabilities` alone."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @torch.no_grad()
    def probabilities(self, binary: Tensor) -> Tensor:
        """P(x_{t+1} = 1 | x_1 … x_t), double (N, T − 1), for sequences (N, T)."""
        found = self._model.next_pixel_probabilities(binary)
        return checked(found, (len(binary), binary.shape[1] - 1), "next_pixel_probabilities")

    def missing_posterior(self, images: Tensor) -> Tensor:
        """Computes exact posteriors from the whole of every completion; see `derived.method`."""
        positions = missing_positions(images)
        k = positions.shape[1]
        posterior = images.new_empty(len(images), 1 << k)
        for part in torch.split(positions[:, 0].argsort(stable=True), max(1, ROWS >> k)):
            rows = images[part]
            for pixel in positions[part].unbind(1):
                rows = with_both_values(rows, pixel)
            first = max(int(positions[part].min()), 1)  # nothing is predicted of the first pixel of all
            terms = log_likelihood(self.probabilities(rows)[:, first - 1 :], rows[:, first:])
            posterior[part] = terms.sum(1).view(len(part), -1).log_softmax(1).float()
        return posterior

    def complete(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Draws S completions of each image, and asks for whole sequences at every pixel; see `derived.method`."""
        n, samples, length = uniforms.shape
        known = images.shape[1] - length
        rows = images.repeat_interleave(samples, 0)
        rows[:, known:] = 0
        drawn = uniforms.reshape(n * samples, length)
        probabilities = torch.empty(n * samples, length)
        for at in range(length):
            parts = [self.probabilities(part)[:, known + at - 1] for part in torch.split(rows, ROWS)]
            probabilities[:, at] = torch.cat(parts)
            rows[:, known + at] = (drawn[:, at] < probabilities[:, at]).to(rows.dtype)
        return probabilities.view(n, samples, length)
