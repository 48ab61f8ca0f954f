"""A missing patch of 6 × 6 pixels and the rest of the image, moved so that the patch lies at one place.

The patch's corner is uniform on rows and columns 7 … 15 (TU Berlin, sheet 10). A network that sees images moved so that
the patch comes to rest in the middle of a frame of 36 × 36 pixels need not learn each of the 81 places by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 28
PATCH = 6
FIRST, LAST = 7, 15
"""Bounds of the corner's row and column."""
PLACES = LAST - FIRST + 1
FRAME = SIDE + PLACES - 1
"""Side of the frame, 36: all pixels of the image lie in it, wherever the patch is."""
_PADDED = SIDE + 2 * (PLACES - 1)
INPUTS = FRAME**2 - PATCH**2 + 2 * PLACES
"""Pixels around the patch, and its row and column, one-hot."""


def _offsets() -> tuple[Tensor, Tensor]:
    """Positions in the flattened padded image, for a corner at `FIRST`: around the patch, and in it."""
    places = torch.arange(FRAME)[:, None] * _PADDED + torch.arange(FRAME)  # (36, 36)
    inside = torch.zeros(FRAME, FRAME, dtype=torch.bool)
    inside[LAST : LAST + PATCH, LAST : LAST + PATCH] = True
    return places[~inside], places[inside]


_AROUND, _INSIDE = _offsets()


def corners(mask: Tensor) -> Tensor:
    """Find the corners (N, 2), row and column from 0 to 8 as counted from `FIRST`, of masks (N, 1, 28, 28).

    Raises
    ------
    ValueError
        if a mask is not one patch of 6 × 6 pixels whose corner lies within the bounds
    """
    rows, columns = mask.any(3).flatten(1), mask.any(2).flatten(1)  # (N, 28)
    found = torch.stack([rows.byte().argmax(1), columns.byte().argmax(1)], 1) - FIRST
    if not (((found >= 0) & (found < PLACES)).all() and torch.equal(patches(found), mask)):
        raise ValueError(
            f"a mask is not one patch of {PATCH} × {PATCH} pixels with its corner in rows and columns {FIRST} … {LAST}"
        )
    return found


def patches(places: Tensor) -> Tensor:
    """Make masks (N, 1, 28, 28), True in the patches with corners (N, 2) counted from `FIRST`."""
    first = places.T[:, :, None] + FIRST  # (2, N, 1)
    inside = (torch.arange(SIDE) >= first) & (torch.arange(SIDE) < first + PATCH)  # (2, N, 28)
    return (inside[0, :, :, None] & inside[1, :, None, :]).unsqueeze(1)


def draw(n: int, generator: torch.Generator) -> Tensor:
    """Draw corners (N, 2) uniformly, each from 0 to 8."""
    return torch.randint(PLACES, (n, 2), generator=generator)


def around(images: Tensor, places: Tensor) -> Tensor:
    """Collect what a network may see of images (N, 1, 28, 28): pixels around the patch, and its place, (N, `INPUTS`).

    Pixels of the patch are not among them; those beyond the image's border are 0.
    """
    pixels = _padded(images).gather(1, _index(_AROUND, places))
    where = functional.one_hot(places, PLACES).flatten(1)  # (N, 2 · 9)
    return torch.cat([pixels, where.to(pixels.dtype)], 1)


def inside(images: Tensor, places: Tensor) -> Tensor:
    """Collect the pixels (N, 36) of the patches, row by row."""
    return _padded(images).gather(1, _index(_INSIDE, places))


def fill(images: Tensor, mask: Tensor, values: Tensor) -> Tensor:
    """Put values (N, 36), row by row, where the masks of patches (N, 1, 28, 28) are True; other pixels stay."""
    return images.masked_scatter(mask, values.to(images.dtype))


def _padded(images: Tensor) -> Tensor:
    return functional.pad(images[:, 0], (PLACES - 1,) * 4).flatten(1)  # (N, 44²)


def _index(offsets: Tensor, places: Tensor) -> Tensor:
    return offsets + (places[:, :1] * _PADDED + places[:, 1:])  # (N, offsets)
