"""Defines the architectures of this coursework; students hand in their weights alone.

The file is imported by the grader and inside the sandbox. It may import torch, numpy and gradebench's `reference`, and
nothing that lies beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference.architecture import Architecture


class SmallGenerator(nn.Module):
    """Draws digits by one hidden layer: 100 numbers of noise and a one-hot label, 64 units, 784 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(110, 64)
        self.out = nn.Linear(64, 784)

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) in [0, 1] for noise (N, 100) and labels (N, 10)."""
        hidden = torch.relu(self.hidden(torch.cat([noise, labels_one_hot], 1)))  # (N, 110) -> (N, 64)
        return torch.sigmoid(self.out(hidden)).view(-1, 1, 28, 28)


class MeanFilter(nn.Module):
    """Cleans images by one 3 × 3 convolution, whose nine weights are to be learned."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv2d(1, 1, 3, padding=1)

    def clean(self, images: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) with the noise taken out."""
        cleaned: Tensor = self.filter(images).clamp(0, 1)
        return cleaned


ARCHITECTURES = {
    "small-generator": Architecture(
        title="Small generator",
        summary="one hidden layer of 64 units",
        task="conditional-generation",
        checkpoint_key="model",
        module=SmallGenerator,
    ),
    "mean-filter": Architecture(
        title="Mean filter",
        summary="one 3 × 3 convolution",
        task="salt-and-pepper",
        checkpoint_key="model",
        module=MeanFilter,
    ),
}
