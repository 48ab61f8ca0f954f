"""Learning curves: one model saved after some epochs and after more, by the primary metric of its task.

A submission's parts make one where the assignment says which part is an earlier state of which; the reference models
make one where weights of several epochs are shipped. The epochs are those that the assignment asks for: a checkpoint
can't prove how long it was trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.numbers import interval_text, number_text, unit_text
from harness.text import capitalised, one_line, spoken
from harness.totals import primary_metric
from harness.types import Metric, Record
from reports.common import ranks, verdict
from reports.curves import Curve, Curves, curves
from reports.titles import metric_title, model_title, part_title

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
    reference: bool
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Learning:
    """Learning curves of a model, or of the models of a class, in one task."""

    title: str
    metric: str
    """Title of the metric that the chart shows, and for a class the table."""
    unit: str
    epochs: tuple[str, ...]
    rows: tuple[Row, ...]
    chart: Curves | None


_States = Mapping[int, Record]
"""Records of one model by epochs."""


def of_submission(records: Sequence[Record]) -> tuple[Learning, ...]:
    """Learning curves of a submission's models, a row for each metric; two numbers of epochs at least make a figure."""
    found = []
    for states in _models(records).values():
        best = _best(states.values())
        ordered = [record for _, record in sorted(states.items())]
        names = sorted(best.metrics, key=lambda name: name != best.primary)
        rows = tuple(
            Row(
                capitalised(metric_title(name, best.metrics.get(name))),
                False,
                tuple(_cell(record, record.metrics.get(name)) for record in ordered),
            )
            for name in names or ["outcome"]
        )
        found.append(_figure(ordered, sorted(states), rows, [("", states, "own")]))
    return tuple(found)


def of_class(records: Sequence[Record], names: Mapping[str, str]) -> tuple[Learning, ...]:
    """Learning curves of an assignment's models on one data set, a figure a part and a row a model, references last.

    `names` are those of the class's submissions, by their ids.
    """
    by_part: dict[tuple[str, ...], list[tuple[str, bool, _States]]] = {}
    for (task, part, protocol, _, whose, _), states in _models(records).items():
        some = next(iter(states.values()))
        name = names.get(whose, one_line(whose, 60)) if ranks(some) else capitalised(model_title(some))
        by_part.setdefault((task, part, protocol), []).append((name, not ranks(some), states))
    found = []
    for own in by_part.values():
        own.sort(key=lambda model: (model[1], model[0]))
        every = [record for _, _, by_epochs in own for record in by_epochs.values()]
        epochs = sorted({record.epochs for record in every if record.epochs is not None})
        rows, drawn, references = [], [], 0
        for name, reference, by_epochs in own:
            known = [by_epochs.get(number) for number in epochs]
            cells = [None if record is None else _cell(record, primary_metric(record)) for record in known]
            rows.append(Row(name, reference, tuple(cells)))
            drawn.append((name, by_epochs, f"reference-{min(references, _NAMED - 1)}" if reference else "class"))
            references += reference
        found.append(_figure(every, epochs, tuple(rows), drawn))
    return tuple(found)


def _models(records: Sequence[Record]) -> dict[tuple[str, ...], dict[int, Record]]:
    """Records by epochs of each model that has two or more; keys: task, part, protocol, role, whose, and which."""
    found: dict[tuple[str, ...], dict[int, Record]] = {}
    for record in records:
        if record.epochs is None:
            continue
        model = record.model or record.kind
        whose = record.submission if ranks(record) else model
        key = (record.task, record.earlier_of or record.part, str(record.protocol), record.role.value, whose, model)
        found.setdefault(key, {})[record.epochs] = record
    return {key: states for key, states in found.items() if len(states) > 1}


def _best(records: Iterable[Record]) -> Record:
    """A record that knows the metric, if any does, and of these the one after the most epochs."""
    return max(records, key=lambda record: (primary_metric(record) is not None, record.epochs or 0))


def _figure(
    records: Sequence[Record], epochs: Sequence[int], rows: tuple[Row, ...], drawn: Sequence[tuple[str, _States, str]]
) -> Learning:
    best = _best(records)
    metric = primary_metric(best)
    unit = unit_text(metric.unit) if metric is not None else ""
    name = metric_title(best.primary or "", metric)
    last = next((record for record in records if not record.earlier_of), None)
    title = capitalised(spoken(best.earlier_of)) if last is None else part_title(last)
    lines = []
    for label, states, kind in drawn:
        scored = [(number, own) for number, record in sorted(states.items()) if (own := primary_metric(record))]
        lines.append(Curve(label, kind, tuple((float(number), own.value, own.low, own.high) for number, own in scored)))
    chart = curves(lines, "epochs of training", f"{name}{f', {unit}' if unit else ''}")
    return Learning(title, name, unit, tuple(after(number) for number in epochs), rows, chart)


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
