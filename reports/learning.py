"""Learning curves: one model saved after some epochs and after more, by the primary metric of its task.

A submission's parts make one where the assignment says which part is an earlier state of which; the reference models
make one where weights of several epochs are shipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.types import Metric, Record
from reports.common import is_house, titled, words
from reports.curves import Curve, Curves, curves
from reports.figures import interval_text, number_text, unit_text
from reports.leaderboard import primary_metric

_BESIDE = 3
"""Metrics that stand beside the primary one."""
_NAMED = 4
"""Reference models whose curves are told apart; the class is drawn as thin lines."""


@dataclass(frozen=True)
class Cell:
    """One metric after some epochs."""

    text: str
    interval: str


@dataclass(frozen=True)
class OwnRow:
    """All metrics of one model after some epochs."""

    epochs: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Own:
    """How one submission's model learns in one task."""

    title: str
    metrics: tuple[str, ...]
    rows: tuple[OwnRow, ...]
    chart: Curves


@dataclass(frozen=True)
class ClassRow:
    """The primary metric of one model by epochs, None where it was not handed in or has no score."""

    name: str
    house: bool
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class OfClass:
    """How the models of a class learn in one task, the reference models last."""

    title: str
    metric: str
    unit: str
    epochs: tuple[str, ...]
    rows: tuple[ClassRow, ...]
    chart: Curves


def of_submission(records: Sequence[Record]) -> tuple[Own, ...]:
    """The learning curves of one submission's records: a pair of numbers of epochs at least makes one."""
    found = []
    for steps in _models(records).values():
        last = steps[max(steps)]
        names = [name for name in last.metrics if name != last.primary][:_BESIDE]
        shown = [last.primary or "", *names]
        rows = tuple(
            OwnRow(after(epochs), tuple(_cell(record.metrics.get(name), name == record.primary) for name in shown))
            for epochs, record in sorted(steps.items())
        )
        chart = _chart([("", steps, "own")], last)
        if chart is not None:
            found.append(Own(titled(last.earlier_of or last.part), tuple(map(titled, shown)), rows, chart))
    return tuple(found)


def of_class(records: Sequence[Record], names: Mapping[str, str]) -> tuple[OfClass, ...]:
    """The learning curves of all submissions of one assignment on one data set, a figure a task and part.

    `names` are what submissions are called, by their ids.
    """
    by_part: dict[tuple[str, str], dict[tuple[str, ...], dict[int, Record]]] = {}
    for key, steps in _models(records).items():
        by_part.setdefault((key[0], key[1]), {})[key] = steps
    found = []
    for own in by_part.values():
        ordered = sorted(own.items(), key=lambda item: (is_house(next(iter(item[1].values()))), item[0]))
        last = next(iter(ordered[0][1].values()))
        all_epochs = sorted({epochs for _, steps in ordered for epochs in steps})
        rows, drawn, house = [], [], 0
        for key, steps in ordered:
            of_house = is_house(next(iter(steps.values())))
            name = titled(key[-1]) if of_house else names.get(key[-1], key[-1])
            rows.append(
                ClassRow(
                    name,
                    of_house,
                    tuple(
                        _cell(primary_metric(steps[epochs]), True) if epochs in steps else None for epochs in all_epochs
                    ),
                )
            )
            kind = f"reference-{min(house, _NAMED - 1)}" if of_house else "class"
            house += of_house
            drawn.append((name, steps, kind))
        chart = _chart(drawn, last)
        metric = primary_metric(last)
        if chart is None or metric is None:
            continue
        found.append(
            OfClass(
                titled(last.earlier_of or last.part),
                words(last.primary or ""),
                unit_text(metric.unit),
                tuple(after(epochs) for epochs in all_epochs),
                tuple(rows),
                chart,
            )
        )
    return tuple(found)


def _models(records: Sequence[Record]) -> dict[tuple[str, ...], dict[int, Record]]:
    """Records by epochs, for each model of which there are two or more: its task, part, protocol, and whose it is."""
    found: dict[tuple[str, ...], dict[int, Record]] = {}
    for record in records:
        if record.epochs is None or primary_metric(record) is None:
            continue
        whose = (record.model or "") if is_house(record) else record.submission
        key = (record.task, record.earlier_of or record.part, str(record.protocol), record.data, whose)
        found.setdefault(key, {})[record.epochs] = record
    return {key: steps for key, steps in found.items() if len(steps) > 1}


def _chart(drawn: Sequence[tuple[str, Mapping[int, Record], str]], last: Record) -> Curves | None:
    metric = primary_metric(last)
    if metric is None:
        return None
    lines = []
    for name, steps, kind in drawn:
        points = [(epochs, own) for epochs, record in sorted(steps.items()) if (own := primary_metric(record))]
        lines.append(Curve(name, kind, tuple((float(epochs), own.value, own.low, own.high) for epochs, own in points)))
    unit = unit_text(metric.unit)
    return curves(lines, "epochs of training", f"{words(last.primary or '')}{f', {unit}' if unit else ''}")


def after(epochs: int) -> str:
    """A number of epochs in words.

    >>> after(0), after(1), after(5)
    ('before training', 'after 1 epoch', 'after 5 epochs')
    """
    return "before training" if epochs == 0 else f"after {epochs} epoch{'s' * (epochs != 1)}"


def _cell(metric: Metric | None, interval: bool) -> Cell:
    if metric is None or metric.value is None:
        return Cell("—", "")
    return Cell(number_text(metric.value, metric.unit), interval_text(metric) if interval else "")
