"""The networks of the judge: small, different, plain convolutional classifiers of 28 x 28 digits.

Every member maps images, float32 in [0, 1], shape (N, 1, 28, 28), to logits (N, 10), and offers its
penultimate features for distances between sets of images. Members differ in kernel size, depth and
connectivity so that their errors, and what fools them, differ (An et al. 2020, arXiv:2008.10400).

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
    """A convolution that keeps the size, batch norm, ReLU: (N, C_in, H, W) -> (N, C_out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


def _unpadded(channels: Sequence[int], kernel: int) -> list[nn.Module]:
    """Convolutions with batch norm and ReLU from each number of channels to the next; each shrinks an image."""
    layers: list[nn.Module] = []
    for channels_in, channels_out in pairwise(channels):
        layers += [nn.Conv2d(channels_in, channels_out, kernel, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()]
    return layers


class Residual(nn.Module):
    """Two convolutions beside an identity: relu(x + f(x)) (He et al. 2016, arXiv:1512.03385)."""

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
        """Penultimate features: (N, 1, 28, 28) in [0, 1] -> (N, width)."""
        features: Tensor = self.body(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Logits: (N, 1, 28, 28) in [0, 1] -> (N, 10)."""
        logits: Tensor = self.head(self.features(images))
        return logits


def three() -> Member:
    """Five 3 x 3 convolutions without padding or pooling, after M3 of An et al. 2020, folded and narrower: fast."""
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
    """A small residual network with global average pooling: no position-dependent weights at all."""
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
    """Five 5 x 5 convolutions from full resolution without padding or pooling, after M5 of An et al. 2020, narrower.

    Each layer sees less of the edges than the one before it, and nothing is thrown away before the head.
    """
    return Member(nn.Sequential(*_unpadded([1, 16, 32, 48, 64, 80], 5), nn.Flatten()), 80 * 8 * 8)


def channels_last(network: Member) -> Member:
    """The same network with its weights laid out channels last, which the CPU's convolutions prefer."""
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
