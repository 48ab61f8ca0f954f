"""Geometry of the small inline SVGs: intervals, ranges, bars, shaded matrices. Templates only place it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.numbers import finite, interval, interval_text, mark_text, number_text, tick_text
from harness.types import Evidence, Metric

_LETTER = 6.0
"""Pixels that a character of a label takes, about."""


@dataclass(frozen=True)
class Scale:
    """A horizontal axis from `low` to `high` on `width` pixels, with `pad` pixels left at both ends."""

    low: float
    high: float
    width: float = 200.0
    pad: float = 8.0

    def x(self, value: float) -> float:
        """Pixel of `value`, clipped to the axis, to a tenth."""
        span = self.high - self.low
        share = 0.5 if span <= 0 else min(1.0, max(0.0, (value - self.low) / span))
        return round(self.pad + share * (self.width - 2 * self.pad), 1)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis. `anchor` is SVG's text-anchor."""

    x: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class IntervalFigure:
    """A value with its interval on a shared axis. `off` tells on which side the value left the axis, if it did."""

    width: float
    x: float
    low: float
    high: float
    mark: float | None
    off: str
    label: str


def common_scale(
    metrics: Sequence[Metric], mark: float | None, width: float = 200.0, beside: Sequence[Metric] = ()
) -> Scale:
    """One axis for all entries of a table.

    Baselines and reference models `beside` them may widen it towards better values, but not towards worse.

    An axis with a pass mark gets at most as much room on the wrong side of the mark as there is on the right one: for
    shares up to 1, else up to the best interval, and at least half the mark. Of shares, it
    ends where the entries do. So one entry far off doesn't press all the others into a line; it is drawn at the edge,
    with an arrow. Where nothing reaches the mark, or there is none, all intervals are spanned.
    """
    ends = [end for metric in metrics if finite(metric.value) is not None for end in interval(metric)]
    mark = finite(mark)
    if mark is not None:
        if metrics and all(metric.unit == "share" for metric in metrics) and 0.5 < mark < 1:
            limit = 1 - 2 * (1 - mark)
            low, high = max(limit, min([*ends, mark])), max([*ends, mark])
            room = 0.06 * (high - low)
            return Scale(max(limit, low - room), min(1.0, high + room), width)
        ends.append(mark)
    if not ends:
        return Scale(0.0, 1.0, width)
    low, high = min(ends), max(ends)
    others = [end for metric in beside if finite(metric.value) is not None for end in interval(metric)]
    if metrics and metrics[0].better == "lower":
        low = min([low, *others])
    else:
        high = max([high, *others])
    if mark is not None and metrics and low < mark < high:
        if metrics[0].better == "lower":
            high = min(high, mark + max(mark - low, 0.5 * abs(mark)))
        else:
            low = max(low, mark - max(high - mark, 0.5 * abs(mark)))
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    # An axis of errors doesn't reach below zero where none is.
    return Scale(max(0.0, low - room) if low > 0 else low - room, high + room, width)


def axis(scale: Scale, mark: float | None, unit: str) -> tuple[Tick, ...]:
    """Labels at both ends of the axis and at the pass mark; an end that the mark's label would touch has none."""
    ends = [Tick(scale.x(scale.low), tick_text(scale.low, unit), "start")]
    ends.append(Tick(scale.x(scale.high), tick_text(scale.high, unit), "end"))
    if mark is None or not scale.low < mark < scale.high:
        return tuple(ends)
    middle = Tick(scale.x(mark), mark_text(mark, unit))
    # The ends' labels begin and end at the edges of the drawing; half the mark's own lies on either side of it.
    room = _LETTER * (0.5 * len(middle.text) + 1)
    start = [ends[0]] if middle.x - room > _LETTER * len(ends[0].text) else []
    end = [ends[1]] if middle.x + room < scale.width - _LETTER * len(ends[1].text) else []
    return (*start, middle, *end)


def interval_figure(metric: Metric, mark: float | None, scale: Scale) -> IntervalFigure | None:
    """Place the metric on an axis; None if it has no value. The label says in words all that is drawn."""
    value = finite(metric.value)
    if value is None:
        return None
    low, high = interval(metric)
    label = number_text(value, metric.unit)
    if interval_text(metric):
        label += f", 95\u202f% interval {interval_text(metric)}"
    if mark is not None:
        label += f", pass mark {mark_text(mark, metric.unit)}"
    off = "left" if value < scale.low else "right" if value > scale.high else ""
    mark_x = None if mark is None or not scale.low <= mark <= scale.high else scale.x(mark)
    return IntervalFigure(scale.width, scale.x(value), scale.x(low), scale.x(high), mark_x, off, label)


@dataclass(frozen=True)
class RangeFigure:
    """A value against the range in which real data lie: a band from `low` to `high`, and a dot at `x`.

    `flagged` and `unusual` are the places of the thresholds that decide the state, where these are single values.
    """

    width: float
    x: float
    low: float
    high: float
    inside: bool
    label: str
    flagged: float | None = None
    unusual: float | None = None


def range_figure(evidence: Evidence, width: float = 200.0) -> RangeFigure | None:
    """Place the evidence beside its range; None without a value or any bound. A missing bound leaves its side open."""
    value, low, high = finite(evidence.value), finite(evidence.low), finite(evidence.high)
    if value is None or (low is None and high is None):
        return None
    flagged, unusual = finite(evidence.flagged_from), finite(evidence.unusual_from)
    ends = [end for end in (value, low, high, flagged, unusual) if end is not None]
    span = (max(ends) - min(ends)) or abs(value) or 1.0
    scale = Scale(min(ends) - 0.25 * span, max(ends) + 0.25 * span, width)
    left = 0.0 if low is None else scale.x(low)
    right = width if high is None else scale.x(high)
    inside = (low is None or value >= low) and (high is None or value <= high)
    label = f"{number_text(value)}, {'inside' if inside else 'outside'} the range {range_text(low, high)}"
    said = threshold_text(evidence)
    return RangeFigure(
        width,
        scale.x(value),
        left,
        right,
        inside,
        f"{label}; {said}" if said else label,
        None if flagged is None else scale.x(flagged),
        None if unusual is None else scale.x(unusual),
    )


def threshold_text(evidence: Evidence) -> str:
    """The thresholds that decide the state, as text; empty where they are no single values.

    >>> threshold_text(Evidence("spread", False, 0.4, 0.9, 1.1, flagged_from=0.25, unusual_from=0.5))
    'unusual up to 0.5, flagged up to 0.25'
    """
    flagged, unusual = evidence.flagged_from, evidence.unusual_from
    if flagged is None:
        return ""
    # Towards the flag from where a value is unusual, or from where it is expected.
    low, high = (unusual, unusual) if unusual is not None else (evidence.low, evidence.high)
    above, below = high is not None and flagged >= high, low is not None and flagged <= low
    towards = "at" if above == below else "from" if above else "up to"
    found = [
        f"{state} {towards} {number_text(bound)}"
        for state, bound in (("unusual", unusual), ("flagged", flagged))
        if finite(bound) is not None
    ]
    return ", ".join(found)


def range_text(low: float | None, high: float | None) -> str:
    """A range or bound as text; empty if there is none."""
    low, high = finite(low), finite(high)
    if low is not None and high is not None:
        return f"{number_text(low)} – {number_text(high)}"
    if low is not None:
        return f"at least {number_text(low)}"
    return f"at most {number_text(high)}" if high is not None else ""


@dataclass(frozen=True)
class Bar:
    """One row of a bar table: `length`, `gate` and `real` are pixels from the axis' zero."""

    label: str
    text: str
    length: float | None
    gate: float | None
    gate_text: str
    real: float | None
    real_text: str
    below: bool
    note: str


def bars(
    values: Sequence[object],
    width: float,
    unit: str,
    gates: Sequence[object] = (),
    reals: Sequence[object] = (),
    labels: Sequence[str] = (),
) -> tuple[Bar, ...]:
    """Bars from zero on one axis, with a tick at the gate and one at the real data's value.

    `labels` are used if there is one for each value; else a bar is labelled by its index.

    Values that are no finite numbers, or negative, have no bar, only their text. With gates, `below` says that a value
    doesn't exceed its own; without, the lowest value is noted where it stands clear of the others.
    """
    numbers = [finite(value) for value in values]
    gate = [finite(value) for value in gates] if len(gates) == len(values) else [None] * len(values)
    real = [finite(value) for value in reals] if len(reals) == len(values) else [None] * len(values)
    known = [number for number in [*numbers, *gate, *real] if number is not None]
    top = 1.0 if unit == "share" else max([*known, 0.0]) or 1.0
    present = [number for number in numbers if number is not None]
    lowest = min(present) if present and not any(g is not None for g in gate) else None

    def pixels(number: float | None) -> float | None:
        return None if number is None or number < 0 else round(min(number / top, 1.0) * width, 1)

    result: list[Bar] = []
    for index, number in enumerate(numbers):
        bound = gate[index]
        below = bound is not None and (number is None or number <= bound)
        note = "below" if below else ""
        if number is not None and number == lowest and number < max(present) and present.count(number) == 1:
            note = "lowest"
        result.append(
            Bar(
                labels[index] if len(labels) == len(values) else str(index),
                number_text(number, unit) if unit == "share" or number is None else f"{number:.3f}",
                pixels(number),
                pixels(bound),
                "" if bound is None else f"{bound:.3g}",
                pixels(real[index]),
                "" if real[index] is None else f"{real[index]:.3f}",
                below,
                note,
            )
        )
    return tuple(result)


@dataclass(frozen=True)
class HeatCell:
    """One cell of a confusion matrix. `level` 0…6 picks the shade; `kind`: "hit" on the diagonal, else "miss"."""

    text: str
    kind: str
    level: int


_STEPS = (0.0005, 0.002, 0.01, 0.05, 0.2, 0.6)
"""Shares of a row at which the shade changes: nearly geometric, so that 1 error in 1,000 and 10 look different."""


def heat(matrix: Sequence[Sequence[object]]) -> tuple[tuple[HeatCell, ...], ...]:
    """Cells of a square matrix of counts, shaded by their share of the row. No finite number: "—", unshaded."""
    rows: list[tuple[HeatCell, ...]] = []
    for row_index, row in enumerate(matrix):
        counts = [finite(value) for value in row]
        total = sum(count for count in counts if count is not None and count > 0)
        cells: list[HeatCell] = []
        for column, count in enumerate(counts):
            share = count / total if count is not None and count > 0 and total > 0 else 0.0
            level = sum(share > step for step in _STEPS)
            text = "—" if count is None else f"{count:g}" if count == int(count) else f"{count:.3g}"
            cells.append(HeatCell(text, "hit" if row_index == column else "miss", level))
        rows.append(tuple(cells))
    return tuple(rows)
