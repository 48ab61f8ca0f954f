"""Learning curves: one model saved after some epochs and after more, by the primary metric of its task.

A submission's parts make one where the assignment says which part is an earlier state of which; the reference models
make one where weights of several epochs are shipped. The epochs are those that the assignment asks for: a checkpoint
can't prove how long it was trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.types import Metric, Record
from reports.common import is_house, titled, verdict, words
from reports.curves import Curve, Curves, curves
from reports.figures import interval_text, number_text, unit_text
from reports.leaderboard import primary_metric

_NAMED = 4
"""Reference models whose curves are told apart; the class is drawn as thin lines."""


@dataclass(frozen=True)
class Cell:
    """One metric after some epochs, or the verdict where there is no score."""

    text: str
    interval: str


@dataclass(frozen=True)
class Row:
    """A metric of one model, or a model, by epochs; None where it was not handed in."""

    name: str
    house: bool
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Learning:
    """How a model, or the models of a class, learn in one task."""

    title: str
    metric: str
    """What the chart shows, and in `OfClass` the table."""
    unit: str
    epochs: tuple[str, ...]
    rows: tuple[Row, ...]
    chart: Curves | None


_States = Mapping[int, Record]
"""Records of one model by epochs."""


def of_submission(records: Sequence[Record]) -> tuple[Learning, ...]:
    """How each model of a submission learns, a row for each metric; two numbers of epochs at least make a figure."""
    found = []
    for states in _models(records).values():
        best = _best(states.values())
        ordered = [record for _, record in sorted(states.items())]
        names = sorted(best.metrics, key=lambda name: name != best.primary)
        rows = tuple(
            Row(titled(name), False, tuple(_cell(record, record.metrics.get(name)) for record in ordered))
            for name in names or ["outcome"]
        )
        found.append(_figure(best, sorted(states), rows, [("", states, "own")]))
    return tuple(found)


def of_class(records: Sequence[Record], names: Mapping[str, str]) -> tuple[Learning, ...]:
    """How the models of one assignment learn on one data set, a figure a part and a row a model, references last.

    `names` are what submissions are called, by their ids.
    """
    by_part: dict[tuple[str, ...], list[tuple[str, bool, _States]]] = {}
    for (task, part, protocol, whose, _), states in _models(records).items():
        house = is_house(next(iter(states.values())))
        name = titled(whose) if house else names.get(whose, whose)
        by_part.setdefault((task, part, protocol), []).append((name, house, states))
    found = []
    for own in by_part.values():
        own.sort(key=lambda model: (model[1], model[0]))
        every = [record for _, _, by_epochs in own for record in by_epochs.values()]
        best = _best(every)
        epochs = sorted({record.epochs for record in every if record.epochs is not None})
        rows, drawn, references = [], [], 0
        for name, house, by_epochs in own:
            known = [by_epochs.get(number) for number in epochs]
            cells = [None if record is None else _cell(record, primary_metric(record)) for record in known]
            rows.append(Row(name, house, tuple(cells)))
            drawn.append((name, by_epochs, f"reference-{min(references, _NAMED - 1)}" if house else "class"))
            references += house
        found.append(_figure(best, epochs, tuple(rows), drawn))
    return tuple(found)


def _models(records: Sequence[Record]) -> dict[tuple[str, ...], dict[int, Record]]:
    """Records by epochs, for each model of which there are two or more: its task, part, protocol, whose, and which."""
    found: dict[tuple[str, ...], dict[int, Record]] = {}
    for record in records:
        if record.epochs is None:
            continue
        model = record.model or record.kind
        whose = model if is_house(record) else record.submission
        key = (record.task, record.earlier_of or record.part, str(record.protocol), whose, model)
        found.setdefault(key, {})[record.epochs] = record
    return {key: states for key, states in found.items() if len(states) > 1}


def _best(records: Iterable[Record]) -> Record:
    """A record that knows the metric, if any does, and of these the one after the most epochs."""
    return max(records, key=lambda record: (primary_metric(record) is not None, record.epochs or 0))


def _figure(
    best: Record, epochs: Sequence[int], rows: tuple[Row, ...], drawn: Sequence[tuple[str, _States, str]]
) -> Learning:
    metric = primary_metric(best)
    unit = unit_text(metric.unit) if metric is not None else ""
    name = words(best.primary or "")
    lines = []
    for label, states, kind in drawn:
        scored = [(number, own) for number, record in sorted(states.items()) if (own := primary_metric(record))]
        lines.append(Curve(label, kind, tuple((float(number), own.value, own.low, own.high) for number, own in scored)))
    chart = curves(lines, "epochs of training", f"{name}{f', {unit}' if unit else ''}")
    return Learning(
        titled(best.earlier_of or best.part), name, unit, tuple(after(number) for number in epochs), rows, chart
    )


def after(epochs: int) -> str:
    """A number of epochs in words.

    >>> after(0), after(1), after(5)
    ('before training', 'after 1 epoch', 'after 5 epochs')
    """
    return "before training" if epochs == 0 else f"after {epochs} epoch{'s' * (epochs != 1)}"


def _cell(record: Record, metric: Metric | None) -> Cell:
    if metric is None or metric.value is None:
        return Cell("—" if primary_metric(record) is not None else verdict(record).text, "")
    return Cell(number_text(metric.value, metric.unit), interval_text(metric))
