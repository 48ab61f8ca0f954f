"""The measured time of a model, as the leaderboard's column and a submission's page show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.numbers import finite, interval, interval_text, number_text, unit_text
from harness.ranking.intervals import rank_text
from harness.text import capitalised, one_line
from harness.timing import board
from harness.types import Metric, Record, Timing
from reports.common import ranks
from reports.titles import metric_title

RATIO = "times_reference"
_STATES = {"void": "void", "not-measurable": "not measurable"}


@dataclass(frozen=True)
class TimeCell:
    """The time of one entry in a leaderboard: its ratio to the reference model's, or why there is none."""

    value: str
    interval: str
    rank: str
    """The ranks by time that the data allow, such as "2–5"; empty for what has none."""
    state: str
    """Empty where the time was measured; else the word for it."""
    sort: float | None


@dataclass(frozen=True)
class TimeRow:
    """One measured number."""

    name: str
    value: str
    unit: str
    interval: str


@dataclass(frozen=True)
class TimeView:
    """All that was measured of a model's time."""

    state: str
    sentences: tuple[str, ...]
    rows: tuple[TimeRow, ...]
    facts: tuple[tuple[str, str], ...]


def ratio(record: Record) -> Metric | None:
    """The ratio of an entry's time to the reference model's, where it counts."""
    timing = record.timing
    metric = timing.metrics.get(RATIO) if timing is not None and timing.status == "measured" else None
    return metric if metric is not None and finite(metric.value) is not None else None


def cells(records: Sequence[Record]) -> list[TimeCell | None]:
    """The cell of each entry of one leaderboard; None where it was not to be timed.

    Ranks by time are those of students' entries that were measured against one reference on one machine.
    """
    ranked = _ranks(records)
    found: list[TimeCell | None] = []
    for index, record in enumerate(records):
        timing, metric = record.timing, ratio(record)
        if timing is None:
            found.append(None)
        elif metric is None:
            found.append(TimeCell("", "", "", _STATES.get(timing.status, "no ratio"), None))
        else:
            ends = [end for end in interval(metric) if end != metric.value]
            said = " – ".join(f"{end:.3g}" for end in ends)
            found.append(TimeCell(f"{metric.value:.3g}\u202f×", said, ranked.get(index, ""), "", finite(metric.value)))
    return found


def _ranks(records: Sequence[Record]) -> dict[int, str]:
    """Ranks by time, as text, by index."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for index, record in enumerate(records):
        timing = record.timing
        if (
            ranks(record)
            and record.ranked
            and not record.earlier_of
            and timing is not None
            and ratio(record) is not None
        ):
            key = (timing.machine, timing.reference, timing.versions.get("protocol", ""))
            groups.setdefault(key, []).append(index)
    found: dict[int, str] = {}
    for members in groups.values():
        timings = [timing for index in members if (timing := records[index].timing) is not None]
        for index, rank in zip(members, board.ranks(timings), strict=True):
            found[index] = rank_text(rank)
    return found


def time_view(record: Record) -> TimeView | None:
    """The times of one entry; None where it was not to be timed."""
    timing = record.timing
    if timing is None:
        return None
    rows = [_row(capitalised(metric_title(name, metric)), metric) for name, metric in timing.metrics.items()]
    if timing.reference_milliseconds is not None:
        rows.append(_row("The same call of the reference model", timing.reference_milliseconds))
    if timing.control is not None:
        rows.append(_row("Reference model relative to itself (A/A)", timing.control))
    facts = [
        ("Reference model", one_line(timing.reference, 80)),
        ("Processor", one_line(timing.machine, 120)),
        ("Rows in a call", str(timing.questions) if timing.questions else ""),
        ("Fresh processes", str(timing.processes) if timing.processes else ""),
        ("Timed calls", str(timing.calls) if timing.calls else ""),
        ("Cost of transport", _milliseconds(timing.wire_milliseconds)),
        ("Measured at", one_line(timing.measured_at, 60)),
    ]
    return TimeView(
        _STATES.get(timing.status, "measured"),
        _sentences(timing),
        tuple(rows),
        tuple((name, value) for name, value in facts if value),
    )


def _row(name: str, metric: Metric) -> TimeRow:
    return TimeRow(name, number_text(metric.value, metric.unit), unit_text(metric.unit), interval_text(metric))


def _milliseconds(value: float | None) -> str:
    return "" if finite(value) is None else f"{number_text(value)}\u202fms a call, contained in the times"


def _sentences(timing: Timing) -> tuple[str, ...]:
    """Sentences on what the times say, and why they count or do not."""
    said = [one_line(timing.reason, 600)] if timing.reason else []
    metric = timing.metrics.get(RATIO)
    if timing.status == "measured" and metric is not None and finite(metric.value) is not None:
        times = f"{number_text(metric.value)} times that of {one_line(timing.reference, 80)}"
        if timing.told_apart:
            said.append(f"A call takes {times}; more than chance, and more than the reference differs from itself.")
        else:
            said.append(f"A call takes {times}; from chance, this can’t be told apart.")
    return tuple(said)
