"""Curves over a quantity that a submission's parts differ in, such as the size of a code: what each more of it buys.

A metric says by itself where it lies (`Metric.along`): the quantity in words, its value, and the curve that it is a
point of. Parts of one task whose metrics lie along the same quantity make one chart and one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.numbers import interval_text, number_text, unit_text
from harness.text import capitalised, one_line
from harness.types import Along, Metric, Record
from reports.curves import Curve, Curves, curves
from reports.titles import model_title, task_title

_COLOURS = 4
"""Curves that are told apart by colour."""


@dataclass(frozen=True)
class Row:
    """One curve's values, in words with their intervals; None where there is none."""

    name: str
    cells: tuple[tuple[str, str] | None, ...]


@dataclass(frozen=True)
class Sweep:
    """Curves of a task's parts over one quantity."""

    title: str
    axis: str
    columns: tuple[str, ...]
    """Values of the quantity, in words."""
    rows: tuple[Row, ...]
    chart: Curves | None


_Points = dict[float, Metric]


def of_submission(records: Sequence[Record]) -> tuple[Sweep, ...]:
    """Curves of a submission's parts, for each task and quantity that has two values or more."""
    found: dict[tuple[str, str, str], dict[str, _Points]] = {}
    titles: dict[str, str] = {}
    for record in records:
        for metric in record.metrics.values():
            if metric.along is None or metric.value is None:
                continue
            titles[record.task] = task_title(record)
            lines = found.setdefault((record.task, metric.along.axis, metric.unit), {})
            lines.setdefault(_name(record, metric.along), {})[metric.along.value] = metric
    return tuple(
        _sweep(titles[task], axis, unit, lines)
        for (task, axis, unit), lines in found.items()
        if len({value for points in lines.values() for value in points}) > 1
    )


def _name(record: Record, along: Along) -> str:
    return one_line(along.curve, 60) or capitalised(model_title(record))


def _sweep(title: str, axis: str, unit: str, lines: Mapping[str, _Points]) -> Sweep:
    axis = one_line(axis, 60)
    values = sorted({value for points in lines.values() for value in points})
    drawn, rows = [], []
    for number, (name, points) in enumerate(lines.items()):
        kind = "own" if number == 0 else f"reference-{min(number, _COLOURS) - 1}"
        known = sorted(points.items())
        drawn.append(Curve(name, kind, tuple((x, metric.value, metric.low, metric.high) for x, metric in known)))
        rows.append(Row(name, tuple(_cell(points.get(value)) for value in values)))
    shown = unit_text(unit)
    chart = curves(drawn, axis, capitalised(shown))
    return Sweep(title, axis, tuple(f"{value:g}" for value in values), tuple(rows), chart)


def _cell(metric: Metric | None) -> tuple[str, str] | None:
    if metric is None or metric.value is None:
        return None
    return number_text(metric.value, metric.unit), interval_text(metric)
