"""Summary of a class: distribution of totals, difficulty of each part, and what went wrong most often."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.numbers import number_text, points_text
from harness.text import capitalised, one_line, spoken
from harness.totals import primary_metric
from harness.types import Record, Status
from reports.charts import Histogram, histogram
from reports.common import ranks, verdict
from reports.titles import flags, metric_title, part_title

_BINS = 10
_FEWEST = 3
"""Submissions from which on a distribution is drawn."""
_MOST_REASONS = 8
BAR = 120.0
"""Pixels of a bar of 100 %."""


@dataclass(frozen=True)
class Difficulty:
    """One part: how many passed it, of those who had to, and the median of what was measured."""

    part: str
    passed: int
    count: int
    share: str
    length: float
    metric: str
    median: str
    measured: int


@dataclass(frozen=True)
class Summary:
    """A class in numbers; nobody is named."""

    totals: Histogram | None
    median: str
    of: str
    count: int
    difficulty: tuple[Difficulty, ...]
    reasons: tuple[tuple[str, int], ...]
    """Reasons for lost points, each with the number of parts, most often first."""


def summary(records: Sequence[Record], totals: Sequence[float | None], full_marks: float) -> Summary | None:
    """Sum up the students' records of one assignment and data set; None where there are fewer than three submissions.

    `totals` are points of submissions over all parts, None where nothing could be graded yet.
    """
    own = [record for record in records if ranks(record) and not record.earlier_of]
    count = len({record.submission for record in own})
    if count < _FEWEST:
        return None
    points = [value for value in totals if value is not None]
    return Summary(
        _distribution(points, full_marks),
        points_text(statistics.median(points)) if points else "",
        points_text(full_marks),
        count,
        _difficulty(own),
        _reasons(own),
    )


def _distribution(points: Sequence[float], full_marks: float) -> Histogram | None:
    top = max([full_marks, *points])
    if len(points) < _FEWEST or top <= 0:
        return None
    counts = [0] * _BINS
    for value in points:
        counts[min(_BINS - 1, max(0, int(value / top * _BINS)))] += 1
    edges = [top * edge / _BINS for edge in range(_BINS + 1)]
    return histogram(counts, edges, None, "points", "submissions", width=420.0, height=190.0)


def _difficulty(records: Sequence[Record]) -> tuple[Difficulty, ...]:
    parts: dict[tuple[int, str, str], list[Record]] = {}
    for record in records:
        parts.setdefault((record.order, record.task, record.part), []).append(record)
    found = []
    for _, own in sorted(parts.items()):
        # What the harness could not grade says nothing about the part.
        told = [record for record in own if record.status is not Status.NOT_GRADABLE]
        passed = sum(verdict(record).kind == "pass" for record in told)
        share = passed / len(told) if told else 0.0
        metrics = [metric for record in own if (metric := primary_metric(record)) is not None]
        units = {(metric.unit, metric.version) for metric in metrics}
        values = [metric.value for metric in metrics if metric.value is not None]
        same = len(units) == 1
        first = next((record for record in own if primary_metric(record) is not None), own[0])
        found.append(
            Difficulty(
                part_title(own[0]),
                passed,
                len(told),
                f"{100 * share:.0f}\u202f%" if told else "—",
                round(share * BAR, 1),
                metric_title(first.primary or "", primary_metric(first)) if same else "",
                number_text(statistics.median(values), metrics[0].unit) if same and values else "—",
                len(values),
            )
        )
    return tuple(found)


def _reasons(records: Sequence[Record]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for record in records:
        if record.failure is not None and record.status is not Status.NOT_HANDED_IN:
            fault = "" if record.failure.fault == "submission" else " (not the submission’s fault)"
            found[(capitalised(spoken(record.failure.kind)) or "Failed") + fault] += 1
        elif record.score is not None and record.score.shut:
            found[f"Gate shut: {', '.join(one_line(title, 60) for title in record.score.shut)}"] += 1
        elif verdict(record).kind == "below":
            found["Pass mark missed"] += 1
        for flag in flags(record):
            found[f"Flag: {flag}"] += 1
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST_REASONS])
