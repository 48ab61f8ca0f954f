"""Adversary of a generator that sees digits through a small classifier, which learnt from real digits before.

Sauer, Chitta, Müller and Geiger 2021, arXiv:2111.01007: an adversary on the features of a trained network tells real
from generated images from the start, and the generator learns in a tenth of the time. Of each of three layers one head
judges the features, for a label (Miyato and Koyama 2018, arXiv:1802.05637, projection); all weights of the heads have
a spectral norm of 1 (Miyato et al. 2018, arXiv:1802.05957), for the hinge loss.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

CLASSES = 10
FEATURES = 128
_BODY = ((4, 32), (32, 32), (32, 64), (64, 64))
"""Channels before and after each convolution of the recogniser."""
_SCALE = 8.0
"""Length of the features of a layer, of real digits, that the heads see."""


class Recogniser(nn.Module):
    """Reads digits (N, 1, 28, 28) in [0, 1]; its features are what samples and real digits are compared by."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for channels_in, channels_out in _BODY:
            convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
            blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU()))
        self.fine = nn.Sequential(nn.PixelUnshuffle(2), *blocks[:2])  # (N, 32, 14, 14)
        self.coarse = nn.Sequential(nn.MaxPool2d(2), *blocks[2:])  # (N, 64, 7, 7)
        self.joined = nn.Sequential(nn.Flatten(), nn.Linear(64 * 49, FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.logits = nn.Linear(FEATURES, CLASSES)

    def layers(self, images: Tensor) -> list[Tensor]:
        """Compute the features of three layers: (N, 32, 14, 14), (N, 64, 7, 7) and (N, 128)."""
        fine = self.fine(images)
        coarse = self.coarse(fine)
        return [fine, coarse, self.joined(coarse)]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10)."""
        logits: Tensor = self.logits(self.layers(images)[-1])
        return logits


class Critic(nn.Module):
    """Maps the features of three layers and a label to three scores, each higher for what looks real."""

    lengths: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("lengths", torch.zeros(3))
        slope = nn.LeakyReLU(0.2)
        fine = [nn.Conv2d(32, 64, 4, 2, 1), nn.Conv2d(64, 64, 3, 2, 1)]  # (N, 64, 4, 4)
        coarse = [nn.Conv2d(64, 64, 3, 2, 1)]  # (N, 64, 4, 4)
        joined = [nn.Linear(FEATURES, 256), nn.Linear(256, 256)]
        self.heads = nn.ModuleList(
            nn.Sequential(
                *(step for layer in layers for step in (spectral_norm(layer), slope)),
                nn.Flatten(),
                # A score for all, and what each label adds to it.
                spectral_norm(nn.Linear(width, 1 + CLASSES)),
            )
            for layers, width in ((fine, 64 * 16), (coarse, 64 * 16), (joined, 256))
        )

    def forward(self, layers: list[Tensor], labels: Tensor) -> Tensor:
        """Scores (N, 3) of the layers of N images with labels (N,)."""
        scores = []
        for head, layer, length in zip(self.heads, layers, self.lengths.tolist(), strict=True):
            found = head(layer * (_SCALE / length))
            scores.append(found[:, 0] + found.gather(1, 1 + labels[:, None]).squeeze(1))
        return torch.stack(scores, 1)

    def measure(self, layers: list[Tensor]) -> None:
        """Take the lengths of real digits' features, once, by which those of all are divided."""
        if not self.lengths.any():
            self.lengths.copy_(torch.stack([each.float().std() * math.sqrt(each[0].numel()) for each in layers]))


def start(critic: Critic, generator: torch.Generator) -> None:
    """Draw a critic's initial values: weights, and the vectors by which their spectral norms are found."""
    for network in critic.heads:
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_uniform_(parameter, math.sqrt(5), generator=generator)
            else:
                nn.init.zeros_(parameter)
        for buffer in network.buffers():
            buffer.copy_(functional.normalize(torch.randn(buffer.shape, generator=generator), dim=0))


def hinge(of_real: Tensor, of_fake: Tensor) -> Tensor:
    """Compute the critic's loss by its scores (N, 3) of real and of generated images."""
    return (functional.relu(1 - of_real) + functional.relu(1 + of_fake)).mean()


def kernel_distance(samples: Tensor, real: Tensor) -> Tensor:
    """Kernel distance of features (N, F) from real ones (M, F), less a part that the samples don't change.

    Unbiased, with the kernel (x · y / F + 1)³ (Bińkowski et al. 2018, arXiv:1801.01401, eq. 4).
    """
    count, width = samples.shape
    own, across = ((samples @ other.T / width + 1) ** 3 for other in (samples, real))
    return (own.sum() - own.diagonal().sum()) / (count * (count - 1)) - 2 * across.mean()
