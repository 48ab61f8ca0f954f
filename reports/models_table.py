"""The tables of reference/MODELS.md: records of the reference models as Markdown, a table a task."""

from __future__ import annotations

from collections.abc import Sequence

from harness.numbers import finite, plain_interval, plain_number
from harness.text import capitalised
from harness.totals import primary_metric
from harness.types import Metric, Record
from reports.common import data_label, data_notice
from reports.titles import metric_title, task_title

_OTHERS = 3
"""Metrics beside the primary one of a task that names none."""


def tables(records: Sequence[Record]) -> str:
    """A Markdown table for each task, in the order in which the records first name it.

    Models stand from the best to the worst, those without a score last. A task that ranks by different metrics, such as
    one for each size of a code, has a table for each, since these are not to be compared.
    """
    lines: list[str] = []
    for task in dict.fromkeys(record.task for record in records):
        own = [record for record in records if record.task == task]
        ranked = dict.fromkeys(record.primary for record in own if primary_metric(record) is not None)
        unscored = [record for record in own if primary_metric(record) is None]
        for place, primary in enumerate(ranked or [None]):
            scored = [record for record in own if record not in unscored and record.primary == primary]
            lines += _table([*scored, *(unscored if place == 0 else ())], several=len(ranked) > 1)
    return "\n".join(lines) + "\n"


def rows(records: Sequence[Record]) -> list[tuple[str, str, str, str, str]]:
    """For a terminal: model, task, primary metric with its title, interval, and seconds of answering."""
    found = []
    for record in records:
        metric = primary_metric(record)
        value = record.status.value
        if metric is not None:
            value = f"{plain_number(metric.value, metric.unit)} {metric_title(record.primary or '', metric)}"
        interval = plain_interval(metric) if metric is not None else ""
        found.append((_model(record), record.task, value, interval, f"{record.timings.get('answers', 0.0):.1f} s"))
    return found


def _table(records: Sequence[Record], several: bool = False) -> list[str]:
    """The lines of one table; its heading says what it ranks by where it is one of several of its task."""
    scored = [record for record in records if primary_metric(record) is not None]
    example = max(scored, key=lambda record: len(record.metrics), default=None)
    beside: list[str] = []
    about, ranked_by = "Nothing was scored", "score"
    titles: list[str] = []
    if example is not None and (metric := primary_metric(example)) is not None:
        ranked_by = metric_title(example.primary or "", metric)
        others = [name for name in example.metrics if name != example.primary]
        beside = [name for name in others if example.metrics[name].beside] or others[:_OTHERS]
        titles = [metric_title(name, example.metrics[name]) for name in beside]
        data = capitalised(data_notice(example.data) or data_label(example.data))
        about = f"{data}, {metric.n:,} cases; {ranked_by} in {_unit(metric)}, {metric.better} is better"
        sign = -1 if metric.better == "higher" else 1
        scored.sort(key=lambda record: (sign * _value(record), record.part))
    head = ["model", ranked_by, "95 % interval", *titles, "flags", "seconds", "weights' SHA-256"]
    heading = f"{task_title(records[0])}: {ranked_by}" if several else task_title(records[0])
    lines = [f"### {heading}", "", f"{about}.", "", _row(head), _row(["---"] * len(head))]
    for record in [*scored, *(record for record in records if primary_metric(record) is None)]:
        lines.append(_row(_cells(record, beside, len(head))))
    return [*lines, ""]


def _cells(record: Record, beside: Sequence[str], count: int) -> list[str]:
    metric = primary_metric(record)
    digest = f"`{record.digests['checkpoint'][:16]}…`" if "checkpoint" in record.digests else ""
    if metric is None:
        reason = record.failure.message if record.failure is not None else "not measured"
        return [_model(record), f"{record.status.value}: {reason}", *[""] * (count - 3), digest]
    others = [record.metrics.get(name) for name in beside]
    return [
        _model(record),
        plain_number(metric.value, metric.unit),
        plain_interval(metric),
        *("" if other is None else plain_number(other.value, other.unit) for other in others),
        ", ".join(evidence.name for evidence in record.evidence if evidence.flag) or "none",
        f"{record.timings.get('answers', 0.0):.1f}",
        digest,
    ]


def _model(record: Record) -> str:
    """The weights' name; an entry for a second task has that task's name behind it, which the table says already."""
    return record.part.removesuffix(f"-{record.task}")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _value(record: Record) -> float:
    metric = primary_metric(record)
    value = finite(metric.value) if metric is not None else None
    if value is None:
        raise ValueError(f"{record.part} was not scored")
    return value


def _unit(metric: Metric) -> str:
    return "percent" if metric.unit == "share" else metric.unit
