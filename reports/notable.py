"""The few things of a submission that are most worth looking at, from its records alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.numbers import finite, mark_text, number_text, points_text
from harness.text import capitalised, one_line
from harness.totals import primary_metric, reason
from harness.types import Record, Status
from reports.titles import evidence_title, gate_title

MOST = 3
_URGENCY = ("failed", "flagged", "shut", "short", "unusual", "weak")


def notable(records: Sequence[tuple[str, str, Record]]) -> tuple[tuple[str, str, str], ...]:
    """Up to three sentences on (anchor, title of the part, record), as (anchor, title, sentence), most urgent first.

    In this order: why there is no score, flags, gates that are shut, the distance to the next points, unusual evidence,
    and the weakest of several values that the part's own figures show.
    """
    found = [
        (_URGENCY.index(kind), number, anchor, title, sentence)
        for number, (anchor, title, record) in enumerate(records)
        if not record.earlier_of
        for kind, sentence in _of(record)
    ]
    return tuple((anchor, title, sentence) for _, _, anchor, title, sentence in sorted(found)[:MOST])


def next_step(record: Record) -> str:
    """The next threshold of the rubric and the distance to it, in a sentence; empty where there is none."""
    metric, step = primary_metric(record), record.score.next_step if record.score is not None else None
    if metric is None or metric.value is None or step is None or record.score is None:
        return ""
    at, points = step
    distance = abs(at - metric.value)
    away = f"{100 * distance:.2g} percentage points" if metric.unit == "share" else number_text(distance, metric.unit)
    sign = "from" if metric.better == "higher" else "at most"
    of = points_text(record.score.max_points)
    return f"Next step: {points_text(points)} of {of} points {sign} {mark_text(at, metric.unit)}; {away} away."


def _of(record: Record) -> Iterator[tuple[str, str]]:
    if record.failure is not None:
        kind = "weak" if record.status is Status.NOT_HANDED_IN else "failed"
        yield kind, "Nothing was handed in." if kind == "weak" else one_line(reason(record), 300)
        return
    for evidence in record.findings:
        if evidence.state != "clear":
            message = one_line(evidence.message, 300) or "out of its range."
            yield evidence.state, f"{capitalised(evidence_title(evidence))}: {message}"
    for name, gate in record.gates.items():
        if not gate.holds and record.score is not None and gate_title(name, gate) in record.score.shut:
            yield "shut", f"The gate {gate_title(name, gate)} is shut, so there are no points."
    if step := next_step(record):
        yield "short", step
    elif record.score is not None and not record.score.passed and not record.score.shut:
        yield "short", one_line(reason(record), 300)
    yield from _weakest(record)


def _weakest(record: Record) -> Iterator[tuple[str, str]]:
    for figure in record.figures:
        if figure.kind == "matrix":
            cells = [
                (count, row, column)
                for row, counts in enumerate(_sequence(figure.data.get("counts")))
                for column, value in enumerate(_sequence(counts))
                if row != column and (count := finite(value)) is not None and count > 0
            ]
            if cells:
                count, row, column = max(cells, key=lambda cell: (cell[0], -cell[1], -cell[2]))
                yield "weak", f"{_title(figure.title)}: {row} was taken for {column} most often, {count:g} times."
        elif figure.kind == "bars":
            values = [finite(value) for value in _sequence(figure.data.get("values"))]
            gates = _sequence(figure.data.get("gate"))
            known = [(value, index) for index, value in enumerate(values) if value is not None]
            if len(known) > 1 and not gates and min(known)[0] < max(known)[0]:
                value, index = min(known)
                yield "weak", f"{_title(figure.title)}: lowest for {index}, {number_text(value, figure.unit)}."


def _sequence(value: object) -> Sequence[object]:
    """The value of a figure where it is a sequence: a record may have been edited by hand."""
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def _title(title: str) -> str:
    return capitalised(one_line(title, 120))
