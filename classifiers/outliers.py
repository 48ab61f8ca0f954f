"""Random non-digits, from which the judge learns to be unsure (outlier exposure).

Hendrycks, Mazeika and Dietterich 2019, arXiv:1812.04606. A network trained only on digits classifies any image with
confidence; one trained to a uniform answer on a few percent of non-digits does not. All kinds are far from digits:
with strokes, superposed digits and shuffled blocks among them, the judge mistook unusual real digits for outliers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Draw = Callable[[Tensor, torch.Generator], Tensor]


def draw(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a non-digit for each digit, each of a random kind.

    Parameters
    ----------
    digits : (N, 1, 28, 28) in [0, 1], the input of some kinds

    Returns
    -------
    (N, 1, 28, 28) in [0, 1]
    """
    kinds = list(KINDS.values())
    kind = torch.randint(0, len(kinds), (len(digits),), generator=generator)
    drawn = torch.empty_like(digits)
    for index, make in enumerate(kinds):
        rows = (kind == index).nonzero().squeeze(1)
        if len(rows):
            drawn[rows] = make(digits[rows], generator).clamp(0, 1)
    return drawn


def _uniform(digits: Tensor, generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(len(digits), *shape, generator=generator)


def constant(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw images of one gray value, a third of them blank."""
    level = _uniform(digits, generator, 1, 1, 1)
    blank = _uniform(digits, generator, 1, 1, 1) < 1 / 3
    return torch.where(blank, torch.zeros(()), level).expand(-1, 1, 28, 28)


def noise(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw independent pixels, a random share of them blank: uniform gray values, or white in half of the images."""
    values = _uniform(digits, generator, 1, 28, 28)
    kept = _uniform(digits, generator, 1, 28, 28) < _uniform(digits, generator, 1, 1, 1).clamp(0.05)
    hard = _uniform(digits, generator, 1, 1, 1) < 0.5
    return torch.where(hard, torch.ones(()), values) * kept


def clouds(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw smooth noise: coarse random fields, interpolated and stretched to blobs and ribbons."""
    side = int(torch.randint(4, 15, (), generator=generator))
    field = torch.randn(len(digits), 1, side, side, generator=generator)
    smooth = functional.interpolate(field, size=(28, 28), mode="bicubic", align_corners=True)
    sharpness = 1 + 4 * _uniform(digits, generator, 1, 1, 1)
    threshold = 0.4 + _uniform(digits, generator, 1, 1, 1)
    return torch.sigmoid(sharpness * 2 * (smooth - threshold))


def shuffled(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Shuffle the pixels of digits, all in the same random order."""
    order = torch.randperm(784, generator=generator)
    return digits.reshape(-1, 784)[:, order].reshape(-1, 1, 28, 28)


def inverted(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Invert black and white."""
    return 1 - digits


KINDS: dict[str, Draw] = {
    "constant": constant,
    "noise": noise,
    "clouds": clouds,
    "shuffled": shuffled,
    "inverted": inverted,
}
