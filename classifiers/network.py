"""The networks of the judge: small, diverse convolutional classifiers of 28 x 28 digits.

Every member maps images, float32 in [0, 1], shape (N, 1, 28, 28), to logits (N, 10), and offers its
penultimate features for distances between sets of images. Members differ in kernel size, depth and
connectivity so that their errors differ, and attacks on one fail on others (An et al. 2020, arXiv:2008.10400).

`three` and `residual` fold the image first: each 2 x 2 block of pixels becomes four channels, which keeps
every pixel and quarters the positions at which a convolution has to work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

CLASSES = 10
SIDE = 28


def convolution(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    """Construct a padded convolution, batch norm and ReLU: (N, C_in, H, W) -> (N, C_out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


def _unpadded(channels: Sequence[int], kernel: int) -> list[nn.Module]:
    """Construct unpadded convolutions with batch norm and ReLU, from each number of channels to the next."""
    layers: list[nn.Module] = []
    for channels_in, channels_out in pairwise(channels):
        layers += [nn.Conv2d(channels_in, channels_out, kernel, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()]
    return layers


class Residual(nn.Module):
    """Residual block of two convolutions, relu(x + f(x)) (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))  # (N, C, H, W) -> (N, C, H, W)


class Member(nn.Module):
    """One network of the committee: a body that ends in (N, width) features, and a linear head.

    Parameters
    ----------
    body : module that maps (N, 1, 28, 28) to (N, width)
    width : number of penultimate features
    """

    def __init__(self, body: nn.Sequential, width: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, CLASSES)

    def features(self, images: Tensor) -> Tensor:
        """Compute penultimate features: (N, 1, 28, 28) in [0, 1] -> (N, width)."""
        features: Tensor = self.body(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits: (N, 1, 28, 28) in [0, 1] -> (N, 10)."""
        logits: Tensor = self.head(self.features(images))
        return logits


def three() -> Member:
    """Construct the fast member: five 3 x 3 convolutions without padding or pooling, as An et al.'s M3, narrower."""
    body = nn.Sequential(
        nn.PixelUnshuffle(2),  # (N, 4, 14, 14)
        *_unpadded([4, 32, 48, 64, 80, 96], 3),
        nn.Flatten(),  # (N, 96 * 4 * 4)
        nn.Linear(96 * 16, 112, bias=False),
        nn.BatchNorm1d(112),
        nn.ReLU(),
    )
    return Member(body, 112)


def residual() -> Member:
    """Construct a small residual network with global average pooling: no weight depends on the position."""
    body = nn.Sequential(
        nn.PixelUnshuffle(2),  # (N, 4, 14, 14)
        convolution(4, 32, 3),
        Residual(32),
        nn.MaxPool2d(2),  # (N, 32, 7, 7)
        convolution(32, 64, 3),
        Residual(64),
        convolution(64, 128, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return Member(body, 128)


def unpooled5() -> Member:
    """Construct five 5 x 5 convolutions at full resolution without padding or pooling, as An et al.'s M5, narrower.

    Each layer loses some of the edges, and no position is discarded before the head.
    """
    return Member(nn.Sequential(*_unpadded([1, 16, 32, 48, 64, 80], 5), nn.Flatten()), 80 * 8 * 8)


def channels_last(network: Member) -> Member:
    """Return the network with weights in channels-last layout, which CPU convolutions prefer."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights from `generator`: He's normal for convolutions and layers, zero for biases.

    Source: He et al. 2015, arXiv:1502.01852.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


NETWORKS: dict[str, Callable[[], Member]] = {"three": three, "residual": residual, "unpooled5": unpooled5}
