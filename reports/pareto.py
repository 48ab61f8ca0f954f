"""The chart of scores against times: a point for each entry, and the front of those that nothing beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.numbers import finite, interval, number_text, tick_text
from harness.text import one_line
from harness.totals import primary_metric
from harness.types import Metric, Record
from reports.charts import Frame, frame, nice_ticks
from reports.common import ranks
from reports.plots import Tick
from reports.timing import ratio
from reports.titles import metric_title

_NAMED = 12
"""Entries of the front that have a name."""
_NAME_HEIGHT = 13.0
_RATIOS = tuple(digit * 10.0**power for power in range(-4, 5) for digit in (1, 2, 5))


@dataclass(frozen=True)
class Point:
    """One entry in pixels: its place, the ends of both 95 % intervals, its name where it has one."""

    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    kind: str
    """"own" for a student's entry, "beside" for a baseline or reference model."""
    on_front: bool
    name: str
    name_y: float


@dataclass(frozen=True)
class Pareto:
    """A chart of scores against times."""

    frame: Frame
    points: tuple[Point, ...]
    front: str
    """SVG path of the front: steps from each of its entries to the next."""
    label: str


def front(times: Sequence[float], scores: Sequence[float], higher: bool) -> list[int]:
    """Return the indices of the entries that no other beats in time and score, the quickest first.

    Of entries that are equal in both, all are on the front.

    >>> front([1.0, 2.0, 3.0, 4.0], [0.90, 0.95, 0.94, 0.99], higher=True)
    [0, 1, 3]
    """
    sign = 1.0 if higher else -1.0
    order = sorted(range(len(times)), key=lambda index: (times[index], -sign * scores[index]))
    found: list[int] = []
    for index in order:
        last = found[-1] if found else None
        same = last is not None and (times[last], scores[last]) == (times[index], scores[index])
        if last is None or same or sign * scores[index] > sign * scores[last]:
            found.append(index)
    return found


def pareto(
    records: Sequence[Record], names: Sequence[str], width: float = 720.0, height: float = 300.0
) -> Pareto | None:
    """Draw the entries of one leaderboard that rank and have a time; None where fewer than two do.

    The axis of times is logarithmic, 1 is the reference model. Better scores are higher up. `names` are the entries'.
    """
    shown: list[tuple[Record, str, Metric, Metric]] = []
    for record, name in zip(records, names, strict=True):
        time, score = ratio(record), primary_metric(record)
        if record.ranked and time is not None and score is not None and (time.value or 0.0) > 0:
            shown.append((record, name, time, score))
    if len(shown) < 2:
        return None
    higher = shown[0][3].better == "higher"
    times = [float(time.value or 1.0) for _, _, time, _ in shown]
    scores = [float(score.value or 0.0) for _, _, _, score in shown]
    spans = [(_ends(time), interval(score)) for _, _, time, score in shown]
    left, right = _margin(*_hull([math.log10(end) for (ends, _) in spans for end in ends] + [0.0]))
    low, high = _margin(*_hull([end for (_, ends) in spans for end in ends]))
    y = (low, high) if higher else (high, low)
    unit, title = shown[0][3].unit, metric_title(shown[0][0].primary or "", shown[0][3])
    axes = frame(width, height, (left, right), y, "time relative to the reference model", title, 16.0)

    def across(time: float) -> float:
        return round(axes.left + (math.log10(time) - left) / (right - left) * (axes.right - axes.left), 1)

    def up(score: float) -> float:
        return round(axes.bottom - (score - y[0]) / (y[1] - y[0]) * (axes.bottom - axes.top), 1)

    ticks = [Tick(across(at), f"{at:g}\u202f×") for at in _RATIOS if left <= math.log10(at) <= right]
    marks = nice_ticks(low, high, 4)
    axes = replace(
        axes,
        x_ticks=tuple(_thinned(ticks)),
        y_ticks=tuple(Tick(up(mark), tick_text(mark, unit), "end") for mark in marks),
    )
    best = front(times, scores, higher)
    points = []
    for index, (record, name, _, _) in enumerate(shown):
        (first, last), (worse, better) = spans[index]
        points.append(
            Point(
                across(times[index]),
                up(scores[index]),
                across(first),
                across(last),
                min(up(worse), up(better)),
                max(up(worse), up(better)),
                "own" if ranks(record) else "beside",
                index in best,
                one_line(name, 24) if index in best[:_NAMED] else "",
                up(scores[index]) - 8,
            )
        )
    said = "; ".join(
        f"{shown[i][1]}: {number_text(scores[i], unit)} at {number_text(times[i])} ×" for i in best[:_NAMED]
    )
    return Pareto(
        axes, _apart(points), _steps([points[i] for i in best]), f"{title} against time. On the front: {said}"
    )


def _ends(time: Metric) -> tuple[float, float]:
    """The interval of a ratio; the ratio itself for an end that is none."""
    value = float(time.value or 1.0)
    low, high = finite(time.low), finite(time.high)
    return (low if low is not None and low > 0 else value), (high if high is not None and high > 0 else value)


def _hull(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _margin(low: float, high: float) -> tuple[float, float]:
    room = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return low - room, high + room


def _thinned(ticks: Sequence[Tick]) -> list[Tick]:
    """The ticks that leave room for their labels."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or tick.x - kept[-1].x > 44:
            kept.append(tick)
    return kept


def _steps(points: Sequence[Point]) -> str:
    """A path along the front: what a time allows is what the best entry up to it reached."""
    if len(points) < 2:
        return ""
    path = f"M{points[0].x} {points[0].y}"
    for before, after in pairwise(points):
        path += f" L{after.x} {before.y} L{after.x} {after.y}"
    return path


def _apart(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points with names moved up until none covers another that is near."""
    placed: list[Point] = []
    for point in sorted(points, key=lambda one: -one.y):
        y = point.name_y
        if point.name:
            for other in placed:
                if other.name and abs(other.x - point.x) < 6.0 * max(len(other.name), len(point.name)):
                    y = min(y, other.name_y - _NAME_HEIGHT) if abs(other.name_y - y) < _NAME_HEIGHT else y
        placed.append(replace(point, name_y=round(max(y, 10.0), 1)))
    return tuple(placed)
