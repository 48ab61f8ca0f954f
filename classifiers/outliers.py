"""Images that are no digits, drawn at random, from which the judge learns to be unsure.

Outlier exposure: Hendrycks, Mazeika and Dietterich 2019, arXiv:1812.04606. A network that has only ever seen digits
calls anything a digit with confidence; one that is asked for a uniform answer to a few percent of non-digits does not.
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


def quartered(digits: Tensor, generator: torch.Generator) -> Tensor:
    """A digit's 7 x 7 blocks in random order: strokes without a shape."""
    order = torch.randperm(16, generator=generator)
    blocks = digits.reshape(-1, 4, 7, 4, 7).permute(0, 1, 3, 2, 4).reshape(-1, 16, 7, 7)[:, order]  # (N, 16, 7, 7)
    return blocks.reshape(-1, 4, 4, 7, 7).permute(0, 1, 3, 2, 4).reshape(-1, 1, 28, 28)


def inverted(digits: Tensor, generator: torch.Generator) -> Tensor:
    """White ink turned black."""
    return 1 - digits


def superposed(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Two digits on top of each other, the second one turned by a quarter."""
    other = digits[torch.randperm(len(digits), generator=generator)].rot90(1, (2, 3))
    return torch.maximum(digits, other)


def strokes(digits: Tensor, generator: torch.Generator) -> Tensor:
    """Three to five straight strokes between random points, as thick as a pen's: letters of no alphabet."""
    rows = torch.arange(28.0).view(1, 1, 28, 1)
    columns = torch.arange(28.0).view(1, 1, 1, 28)
    drawn = torch.zeros(len(digits), 1, 28, 28)
    for number in range(5):
        start, end = (4 + 20 * _uniform(digits, generator, 2) for _ in range(2))
        step = end - start  # (N, 2)
        length = step.square().sum(1).clamp(1e-3)
        down = rows - start[:, 0].view(-1, 1, 1, 1)
        across = columns - start[:, 1].view(-1, 1, 1, 1)
        along = (down * step[:, 0].view(-1, 1, 1, 1) + across * step[:, 1].view(-1, 1, 1, 1)) / length.view(-1, 1, 1, 1)
        along = along.clamp(0, 1)
        distance = (
            (down - along * step[:, 0].view(-1, 1, 1, 1)).square()
            + (across - along * step[:, 1].view(-1, 1, 1, 1)).square()
        ).sqrt()
        present = 1.0 if number < 3 else (_uniform(digits, generator, 1, 1, 1) < 0.5).float()
        drawn = torch.maximum(drawn, present * (2.2 - distance).clamp(0, 1))
    return drawn


KINDS: dict[str, Draw] = {
    "constant": constant,
    "noise": noise,
    "clouds": clouds,
    "shuffled": shuffled,
    "quartered": quartered,
    "inverted": inverted,
    "superposed": superposed,
    "strokes": strokes,
}
