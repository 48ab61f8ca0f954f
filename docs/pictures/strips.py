"""Draws a strip of panels, of digits and words, as an SVG that is a single small file and shows no font's outlines."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELL, GAP, HEAD = 56, 6, 20
"""Pixels: side of a digit, space between cells, and height of a panel's heading."""
LETTER, LINE = 7, 17
"""Pixels: width of a letter, at least, and height of a line."""
LEVELS = 16
"""Gray levels of a digit."""


@dataclass(frozen=True)
class Digits:
    """Images side by side, with ink in [0, 1]."""

    images: NDArray[np.float32]
    """(N, …) of 784 pixels each."""
    holes: NDArray[np.bool_] | None = None
    """(N, …), True where a pixel is marked as missing."""

    @property
    def width(self) -> int:
        return len(self.images) * (CELL + GAP) - GAP


@dataclass(frozen=True)
class Words:
    """Lines of text."""

    lines: Sequence[str]
    size: int = 13

    @property
    def width(self) -> int:
        return max(len(line) for line in self.lines) * LETTER * self.size // 12


@dataclass(frozen=True)
class Bars:
    """Shares as bars, side by side: a group for each row."""

    values: NDArray[np.float64]
    """(groups, bars), in [0, 1]."""

    @property
    def width(self) -> int:
        return self.values.shape[0] * (self.values.shape[1] * 8 + GAP) - GAP


Panel = Digits | Words | Bars


def svg(title: str, panels: Sequence[tuple[str, Panel]]) -> str:
    """The panels from left to right, each below its heading, with arrows between them."""
    parts, x = [], GAP
    for number, (heading, panel) in enumerate(panels):
        if number:
            parts.append(f'<text x="{x + 4}" y="{HEAD + CELL // 2 + 5}" font-size="18">→</text>')
            x += 30
        parts.append(f'<text x="{x}" y="14" font-size="11" fill="#555">{html.escape(heading)}</text>')
        parts += _drawn(panel, x)
        x += max(panel.width, len(heading) * LETTER) + GAP
    size = f'width="{x}" height="{HEAD + CELL + GAP}" viewBox="0 0 {x} {HEAD + CELL + GAP}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" fill="#111">'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, f"<title>{html.escape(title)}</title>", background, *parts, "</svg>", ""])


def _drawn(panel: Panel, x: int) -> list[str]:
    if isinstance(panel, Digits):
        place = f'x="{x}" y="{HEAD}" width="{panel.width}" height="{CELL}" style="image-rendering:pixelated"'
        return [f'<image {place} href="data:image/png;base64,{base64.b64encode(_png(panel)).decode()}"/>']
    if isinstance(panel, Words):
        step = LINE * panel.size // 13
        top = HEAD + (CELL - len(panel.lines) * step) // 2 + panel.size
        return [
            f'<text x="{x}" y="{top + number * step}" font-size="{panel.size}">{html.escape(line)}</text>'
            for number, line in enumerate(panel.lines)
        ]
    bars = []
    for group, row in enumerate(panel.values):
        for number, value in enumerate(row):
            height = max(1, round(float(value) * (CELL - 2)))
            left = x + group * (len(row) * 8 + GAP) + number * 8
            bars.append(f'<rect x="{left}" y="{HEAD + CELL - height}" width="6" height="{height}" fill="#3465a4"/>')
    return bars


def _png(panel: Digits) -> bytes:
    """Digits as dark ink on light paper, missing pixels in orange; half the side of a cell, with a gap between."""
    side, gap = 28, GAP // 2
    sheet = np.zeros((side, len(panel.images) * (side + gap) - gap), np.uint8)
    sheet[:] = LEVELS - 1
    for number, image in enumerate(panel.images):
        ink = np.clip(np.asarray(image, np.float64).reshape(side, side), 0, 1)
        cell = np.floor((1 - ink) * (LEVELS - 1) + 0.5).astype(np.uint8)
        if panel.holes is not None:
            cell[np.asarray(panel.holes[number]).reshape(side, side)] = LEVELS
        sheet[:, number * (side + gap) : number * (side + gap) + side] = cell
    picture = Image.fromarray(sheet, "P")
    grays = [level * 255 // (LEVELS - 1) for level in range(LEVELS)]
    picture.putpalette([value for gray in grays for value in (gray,) * 3] + [240, 150, 60])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
