"""Titles of assignments, parts, tasks, models, metrics, evidence and gates, as records state them, or their names."""

from __future__ import annotations

from collections.abc import Iterable

from harness.text import capitalised, one_line, spoken
from harness.types import Evidence, Gate, Metric, Record

_LENGTH = 120


def assignment_title(records: Iterable[Record]) -> str:
    """The title that the newest of these records gives their assignment; its name where none does."""
    newest = sorted(records, key=lambda record: (record.graded_at, record.assignment_title))
    titles = [title for record in newest if (title := one_line(record.assignment_title, _LENGTH))]
    names = [name for record in newest if (name := one_line(record.assignment, 60))]
    return (titles or names or ["(no assignment)"])[-1]


def part_title(record: Record) -> str:
    """The title of a record's part, with a capital first letter."""
    return capitalised(one_line(record.part_title, _LENGTH) or spoken(record.part))


def task_title(record: Record) -> str:
    """The title of a record's task, with a capital first letter."""
    return capitalised(one_line(record.task_title, _LENGTH) or spoken(record.task))


def model_title(record: Record) -> str:
    """The title of a record's architecture; the architecture's name where there is none."""
    return one_line(record.model_title, _LENGTH) or one_line(record.model or record.kind, 60)


def metric_title(name: str, metric: Metric | None) -> str:
    """The title of a metric, in lower case but for abbreviations."""
    return (one_line(metric.title, _LENGTH) if metric is not None else "") or spoken(name)


def evidence_title(evidence: Evidence) -> str:
    """The title of evidence, in lower case but for abbreviations."""
    return one_line(evidence.title, _LENGTH) or spoken(evidence.name)


def gate_title(name: str, gate: Gate) -> str:
    """The title of a gate, in lower case but for abbreviations."""
    return one_line(gate.title, _LENGTH) or spoken(name)


def flags(record: Record) -> tuple[str, ...]:
    """Titles of the evidence that is flagged."""
    return tuple(evidence_title(evidence) for evidence in record.findings if evidence.flag)
