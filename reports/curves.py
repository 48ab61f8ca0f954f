"""Geometry of a chart of several curves, each point with its 95 % interval, and a name at the end of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.numbers import finite
from reports.charts import Frame, frame
from reports.plots import Tick

_NAME_WIDTH = 120.0
"""Room for names to the right of the curves, in pixels."""
_NAME_HEIGHT = 13.0


@dataclass(frozen=True)
class Curve:
    """A curve: (x, value, low, high) of each point, by rising x; `kind` decides the colour."""

    name: str
    kind: str
    points: tuple[tuple[float, float | None, float | None, float | None], ...]


@dataclass(frozen=True)
class Drawn:
    """One curve in pixels: an SVG path, its points (x, y), its intervals (x, top, bottom), its name's place."""

    name: str
    kind: str
    path: str
    points: tuple[tuple[float, float], ...]
    intervals: tuple[tuple[float, float, float], ...]
    name_x: float
    name_y: float | None
    """None where the curve stays without a name."""


@dataclass(frozen=True)
class Curves:
    """A chart of curves on common axes."""

    frame: Frame
    curves: tuple[Drawn, ...]
    label: str


def curves(
    given: Sequence[Curve], x_title: str, y_title: str, width: float = 640.0, height: float = 260.0
) -> Curves | None:
    """Draw curves; None where none has two points with a value.

    The axis of values is logarithmic where the largest is more than four times the smallest and all are positive, for
    most of what is learned is learned at once; else it starts at zero. Curves of the kind "class" are drawn without a
    name: of a hundred, no name could be read.
    """
    usable = []
    for curve in given:
        values = [
            (x, value, finite(low), finite(high)) for x, value, low, high in curve.points if finite(value) is not None
        ]
        if len(values) > 1:
            usable.append((curve, values))
    if not usable:
        return None
    every = [float(number) for _, values in usable for point in values for number in point[1:] if number is not None]
    last = max(values[-1][0] for _, values in usable)
    first = min(values[0][0] for _, values in usable)
    axes, scale, bottom, top = _axes(every, (first, last), x_title, y_title, width, height)

    def across(x: float) -> float:
        return round(axes.left + (x - first) / (last - first) * (axes.right - axes.left), 1)

    def up(y: float) -> float:
        return round(axes.bottom - (scale(y) - bottom) / (top - bottom) * (axes.bottom - axes.top), 1)

    drawn = []
    for curve, values in usable:
        points = tuple((across(x), up(value or 0.0)) for x, value, _, _ in values)
        intervals = tuple(
            (across(x), up(high), up(low)) for x, _, low, high in values if low is not None and high is not None
        )
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        name_y = points[-1][1] if curve.name and curve.kind != "class" else None
        drawn.append(Drawn(curve.name, curve.kind, path, points, intervals, points[-1][0] + 7, name_y))
    said = "; ".join(f"{curve.name}: {values[0][1]:.3g} to {values[-1][1]:.3g}" for curve, values in usable[-8:])
    return Curves(axes, _apart(drawn), f"{y_title} by {x_title}. {said}")


def _axes(
    every: Sequence[float], x: tuple[float, float], x_title: str, y_title: str, width: float, height: float
) -> tuple[Frame, Callable[[float], float], float, float]:
    """The axes for some values, what is drawn of a value, and between which ends of that."""
    low, high = min(every), max(every)
    if low <= 0 or high <= 4 * low:
        bottom, top = min(0.0, low), max(0.0, high) * 1.06 or 1.0
        return frame(width, height, x, (bottom, top), x_title, y_title, _NAME_WIDTH), float, bottom, top
    bottom, top = math.log10(0.85 * low), math.log10(1.15 * high)
    axes = frame(width, height, x, (bottom, top), x_title, y_title, _NAME_WIDTH)
    decades = range(math.floor(bottom), math.ceil(top) + 1)
    places = [(digit, power, math.log10(digit) + power) for power in decades for digit in (1, 2, 5)]
    ticks = tuple(
        Tick(
            round(axes.bottom - (place - bottom) / (top - bottom) * (axes.bottom - axes.top), 1),
            f"{digit * 10.0**power:g}",
            "end",
        )
        for digit, power, place in places
        if bottom <= place <= top
    )
    return replace(axes, y_ticks=ticks), math.log10, bottom, top


def _apart(drawn: Sequence[Drawn]) -> tuple[Drawn, ...]:
    """The same curves with names moved up until none covers another."""
    places: dict[int, float] = {}
    below: float | None = None
    named = [index for index, one in enumerate(drawn) if one.name_y is not None]
    for index in sorted(named, key=lambda index: -(drawn[index].name_y or 0.0)):
        y = drawn[index].name_y or 0.0
        places[index] = y if below is None else min(y, below - _NAME_HEIGHT)
        below = places[index]
    return tuple(
        Drawn(one.name, one.kind, one.path, one.points, one.intervals, one.name_x, places.get(index))
        for index, one in enumerate(drawn)
    )
