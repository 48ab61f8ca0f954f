"""Geometry of the inline charts of a submission's page: histogram, lines, and bands of probabilities over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.numbers import finite, number_text
from reports.plots import Tick

_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 8.0, 8.0, 34.0
"""Room for labels around a chart, in pixels."""


@dataclass(frozen=True)
class Frame:
    """The axes of a chart: its size, the corners of what is drawn inside, and labelled places on both axes."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    y_title: str


@dataclass(frozen=True)
class Column:
    """One bar of a histogram, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Bars over an axis of values; `mean` is the pixel of the marked value, if there is one."""

    frame: Frame
    columns: tuple[Column, ...]
    mean: float | None
    mean_text: str
    label: str


@dataclass(frozen=True)
class Line:
    """One value an index: an SVG path, and its points."""

    frame: Frame
    path: str
    points: tuple[tuple[float, float], ...]
    label: str


@dataclass(frozen=True)
class Panel:
    """Probabilities over time as bands that lie on one another; `bands` are SVG paths, to be drawn in this order."""

    title: str
    width: float
    height: float
    bands: tuple[tuple[int, str], ...]
    """Number of each band, and its path: from the topmost band, which is drawn as the ground of the others."""
    label: str


def nice_ticks(low: float, high: float, wanted: int = 5) -> tuple[float, ...]:
    """Round numbers in [low, high], 1, 2 or 5 times a power of ten apart: at most about `wanted`.

    >>> nice_ticks(0.0, 0.55), nice_ticks(0, 27, 6)
    ((0.0, 0.2, 0.4), (0.0, 5.0, 10.0, 15.0, 20.0, 25.0))
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return (low,) if math.isfinite(low) else ()
    raw = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(index * step, 12) for index in range(first, last + 1))


def _numbers(values: object, most: int) -> list[float] | None:
    """Values as finite numbers, or None where one is not, or where there are none or too many."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes) or not 0 < len(values) <= most:
        return None
    found = [number for value in values if (number := finite(value)) is not None]
    return found if len(found) == len(values) else None


def _short(value: float) -> str:
    """A tick's text; thousands apart.

    >>> _short(0.05), _short(2000), _short(0.0)
    ('0.05', '2\u202f000', '0')
    """
    if abs(value) >= 1000 and value == int(value):
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.4g}".replace("-", "\u2212")


def frame(
    width: float,
    height: float,
    x: tuple[float, float],
    y: tuple[float, float],
    x_title: str,
    y_title: str,
    beside: float = _RIGHT,
) -> Frame:
    """Axes from x[0] to x[1] and from y[0] to y[1], with `beside` pixels to their right."""
    left, right, top, bottom = _LEFT, width - beside, _TOP, height - _BOTTOM

    def across(value: float) -> float:
        return round(left + (value - x[0]) / (x[1] - x[0]) * (right - left), 1)

    def up(value: float) -> float:
        return round(bottom - (value - y[0]) / (y[1] - y[0]) * (bottom - top), 1)

    return Frame(
        width,
        height,
        left,
        right,
        top,
        bottom,
        tuple(Tick(across(value), _short(value)) for value in nice_ticks(*x, 5)),
        tuple(Tick(up(value), _short(value), "end") for value in nice_ticks(*y, 4)),
        x_title,
        y_title,
    )


def histogram(
    counts: object,
    edges: object,
    mean: float | None = None,
    x_title: str = "value",
    y_title: str = "count",
    unit: str = "",
    width: float = 520.0,
    height: float = 210.0,
) -> Histogram | None:
    """A histogram of counts (B,) between edges (B + 1,); None where these are no such thing.

    `mean`, in `unit`, is marked by a line where it lies within the edges.
    """
    heights, ends = _numbers(counts, 200), _numbers(edges, 201)
    if heights is None or ends is None or len(ends) != len(heights) + 1 or min(heights) < 0:
        return None
    if any(b <= a for a, b in pairwise(ends)):
        return None
    top = max(heights)
    # Above the bars is room for what the mean's line says.
    ceiling = 1.22 * (top or 1.0)
    axes = frame(width, height, (ends[0], ends[-1]), (0.0, ceiling), x_title, y_title)
    inner, rise = axes.right - axes.left, axes.bottom - axes.top
    span = ends[-1] - ends[0]
    columns = []
    for count, (a, b) in zip(heights, pairwise(ends), strict=True):
        x = axes.left + (a - ends[0]) / span * inner
        wide = (b - a) / span * inner
        tall = count / ceiling * rise
        # A lone image in the tail is the one to look for: it is never drawn away.
        tall = max(tall, 1.2) if count else 0.0
        gap = min(1.0, 0.15 * wide)
        columns.append(Column(round(x, 1), round(axes.bottom - tall, 1), round(wide - gap, 2), round(tall, 1)))
    mean = finite(mean)
    inside = mean is not None and ends[0] <= mean <= ends[-1]
    mean_x = round(axes.left + (mean - ends[0]) / span * inner, 1) if mean is not None and inside else None
    most = max(range(len(heights)), key=lambda index: heights[index])
    label = (
        f"Histogram of {_short(sum(heights))} {y_title} by {x_title}, {_short(ends[0])} to "
        f"{_short(ends[-1])}; most of them, {_short(top)}, between {ends[most]:.3g} and {ends[most + 1]:.3g}"
    )
    mean_text = f"mean {number_text(mean, unit)}" if mean_x is not None else ""
    return Histogram(axes, tuple(columns), mean_x, mean_text, f"{label}; {mean_text}" if mean_text else label)


def line(values: object, x_title: str, y_title: str, width: float = 520.0, height: float = 210.0) -> Line | None:
    """A line through values (N,) by index, on an axis from zero; None where they are no finite numbers."""
    numbers = _numbers(values, 1000)
    if numbers is None or len(numbers) < 2:
        return None
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    if low == high:
        high = low + 1.0
    axes = frame(width, height, (0.0, len(numbers) - 1.0), (low, high * 1.04), x_title, y_title)
    inner, rise = axes.right - axes.left, axes.bottom - axes.top
    points = tuple(
        (
            round(axes.left + index / (len(numbers) - 1) * inner, 1),
            round(axes.bottom - (value - low) / (high * 1.04 - low) * rise, 1),
        )
        for index, value in enumerate(numbers)
    )
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    largest = max(range(len(numbers)), key=lambda index: numbers[index])
    label = f"{y_title} by {x_title}: {min(numbers):.3g} to {max(numbers):.3g}, largest at {largest}"
    return Line(axes, path, points, label)


def panel(title: str, probabilities: object, width: float = 330.0, height: float = 84.0) -> Panel | None:
    """Bands for probabilities (steps, K) over time, the first at the bottom; None where they are none.

    Each step is as wide as every other; a row that doesn't sum to one is drawn as if it did.
    """
    if not isinstance(probabilities, Sequence) or not 0 < len(probabilities) <= 1000:
        return None
    rows = [_numbers(row, 10) for row in probabilities]
    kinds = {0 if row is None else len(row) for row in rows}
    if len(kinds) != 1 or 0 in kinds:
        return None
    count = kinds.pop()
    tops: list[list[float]] = []  # cumulative share up to each band, (steps, K)
    for row in rows:
        positive = [max(0.0, value) for value in row or []]
        total = sum(positive) or 1.0
        sums, running = [], 0.0
        for value in positive:
            running += value / total
            sums.append(min(1.0, running))
        tops.append(sums)
    step = width / len(tops)
    bands = []
    for kind in reversed(range(count)):
        path = [f"M0 {height:g}"]
        last = None
        for index, sums in enumerate(tops):
            y = round(height * (1 - sums[kind]), 1)
            if y != last:
                # Across to where this step begins, then up or down.
                path.append(f"H{round(index * step, 1):g}V{y:g}" if index else f"V{y:g}")
                last = y
        path.append(f"H{width:g}V{height:g}Z")
        bands.append((kind, "".join(path)))
    means = [sum(_share(row or [], kind) for row in rows) / len(rows) for kind in range(count)]
    said = ", ".join(f"{100 * mean:.0f}\u202f%" for mean in means)
    return Panel(title, width, height, tuple(bands), f"{title}: mean probabilities {said} over {len(tops)} steps")


def _share(row: Sequence[float], kind: int) -> float:
    total = sum(max(0.0, value) for value in row)
    return max(0.0, row[kind]) / total if total > 0 else 0.0
