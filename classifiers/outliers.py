"""Images that are no digits, drawn at random, from which the judge learns to be unsure.

Outlier exposure: Hendrycks, Mazeika and Dietterich 2019, arXiv:1812.04606. A network that has only ever seen digits
calls anything a digit with confidence; one that is asked for a uniform answer to a few percent of non-digits does not.
All kinds are far from digits: with strokes, superposed digits and shuffled blocks among them, odd but real digits were
taken for outliers too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Draw = Callable[[Tensor, torch.Generator], Tensor]


def draw(digits: Tensor, generator: torch.Generator) -> Tensor:
    """As many non-digits as there are digits, each row of a kind drawn at random.

    Parameters
    ----------
    digits : (N, 1, 28, 28) in [0, 1], the raw material of some kinds

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
    """One gray value everywhere, blank paper in a third of the images."""
    level = _uniform(digits, generator, 1, 1, 1)
    blank = _uniform(digits, generator, 1, 1, 1) < 1 / 3
    return torch.where(blank, torch.zeros(()), level).expand(-1, 1, 28, 28)


def noise(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Independent pixels: uniform gray values, a random share of which is ink-free, of random strength."""
    values = _uniform(digits, generator, 1, 28, 28)
    kept = _uniform(digits, generator, 1, 28, 28) < _uniform(digits, generator, 1, 1, 1).clamp(0.05)
    hard = _uniform(digits, generator, 1, 1, 1) < 0.5
    return torch.where(hard, torch.ones(()), values) * kept


def clouds(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Smooth noise: coarse random fields, interpolated and stretched, so that blobs and ribbons appear."""
    side = int(torch.randint(4, 15, (), generator=generator))
    field = torch.randn(len(digits), 1, side, side, generator=generator)
    smooth = functional.interpolate(field, size=(28, 28), mode="bicubic", align_corners=True)
    sharpness = 1 + 4 * _uniform(digits, generator, 1, 1, 1)
    threshold = 0.4 + _uniform(digits, generator, 1, 1, 1)
    return torch.sigmoid(sharpness * 2 * (smooth - threshold))


def shuffled(digits: Tensor, generator: torch.Generator) -> Tensor:
    """The pixels of a digit in random order, one order a draw."""
    order = torch.randperm(784, generator=generator)
    return digits.reshape(-1, 784)[:, order].reshape(-1, 1, 28, 28)


def inverted(digits: Tensor, generator: torch.Generator) -> Tensor:
    """White ink turned black."""
    return 1 - digits


KINDS: dict[str, Draw] = {
    "constant": constant,
    "noise": noise,
    "clouds": clouds,
    "shuffled": shuffled,
    "inverted": inverted,
}
