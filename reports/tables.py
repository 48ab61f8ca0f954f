"""How the tables of a record are drawn: by what they are where that is known, else plainly, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.types import Metric, Record
from reports.charts import Histogram, Line, Panel, histogram, line, panel
from reports.cleaning import one_line
from reports.common import titled
from reports.figures import Bar, HeatCell, bars, heat
from reports.leaderboard import finite, primary_metric

_BAR_WIDTH = 220.0
_MAX_TABLE_ROWS = 200
_MAX_TABLE_COLUMNS = 40
_BY_ROW = {
    "cross-entropy by row": ("row of the image", "nats per pixel"),
    "bits by row": ("row of the image", "bits per pixel"),
}
"""Vectors that are drawn as a line: what their index and their values are."""
_OVER_TIME = "probabilities over time"
SYMBOLS = ("1", "2", "3", "RESET")


@dataclass(frozen=True)
class BarTable:
    """Values by index, drawn as bars."""

    title: str
    caption: str
    bars: tuple[Bar, ...]
    width: float
    gated: bool
    real: bool


@dataclass(frozen=True)
class HeatTable:
    """A square matrix of counts."""

    title: str
    cells: tuple[tuple[HeatCell, ...], ...]


@dataclass(frozen=True)
class PlainTable:
    """Any other table, as text. `columns` is empty where it has no more than one."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: str


@dataclass(frozen=True)
class LineChart:
    """Values by index, drawn as a line."""

    title: str
    line: Line


@dataclass(frozen=True)
class OverTime:
    """A model's probabilities of symbols over time beside those of the best predictor, a pair of panels a stream."""

    pairs: tuple[tuple[Panel, Panel], ...]
    symbols: tuple[str, ...]
    steps: int


@dataclass(frozen=True)
class Tables:
    """All tables of a record, by the way they are drawn."""

    bars: tuple[BarTable, ...]
    heats: tuple[HeatTable, ...]
    histograms: tuple[Histogram, ...]
    lines: tuple[LineChart, ...]
    over_time: tuple[OverTime, ...]
    plain: tuple[PlainTable, ...]


def draw(record: Record) -> Tables:
    """Draw a record's tables.

    A table beside which "… gate" or "… real" stands takes them in; "mse counts" and "mse edges" make one histogram.
    What is named like something known but doesn't have its shape is shown as text.
    """
    tables = record.tables
    taken = {f"{name} {of}" for name in tables for of in ("gate", "real") if _is_vector(tables[name])}
    histograms: list[Histogram] = []
    spread = histogram(tables.get("mse counts"), tables.get("mse edges"), _mean_error(primary_metric(record)))
    if spread is not None:
        histograms.append(spread)
        taken |= {"mse counts", "mse edges"}
    vectors: list[BarTable] = []
    squares: list[HeatTable] = []
    lines: list[LineChart] = []
    over_time: list[OverTime] = []
    plain: list[PlainTable] = []
    for name in sorted(set(tables) - taken):
        table = tables[name]
        gated = f"{name} gate" in tables or f"{name} real" in tables
        if _is_vector(table) and (gated or name.endswith("accuracy")):
            vectors.append(_bar_table(name, tables))
        elif "confusion" in name and _is_square(table):
            squares.append(HeatTable(titled(name), heat(table)))
        elif name in _BY_ROW and (drawn := line(table, *_BY_ROW[name])) is not None:
            lines.append(LineChart(titled(name), drawn))
        elif name == _OVER_TIME and (compared := _over_time(table)) is not None:
            over_time.append(compared)
        else:
            plain.append(_plain(name, table))
    vectors.sort(key=lambda drawn: drawn.gated or drawn.real)
    return Tables(tuple(vectors), tuple(squares), tuple(histograms), tuple(lines), tuple(over_time), tuple(plain))


def _mean_error(metric: Metric | None) -> float | None:
    """The mean of the errors that a histogram counts, which is what such a task is ranked by."""
    return None if metric is None or not metric.unit.lower().startswith(("mse", "squared")) else metric.value


def _over_time(table: object) -> OverTime | None:
    """Panels for probabilities (streams, steps, 2 · symbols): the model's, then the best predictor's."""
    streams = _rows(table)
    if not 0 < len(streams) <= 12:
        return None
    pairs = []
    for number, stream in enumerate(streams, start=1):
        rows = _rows(stream)
        if any(not _is_vector(row) or len(_rows(row)) != 2 * len(SYMBOLS) for row in rows):
            return None
        model = panel(f"Stream {number}, model", [row[: len(SYMBOLS)] for row in rows])
        best = panel(f"Stream {number}, Bayes predictor", [row[len(SYMBOLS) :] for row in rows])
        if model is None or best is None:
            return None
        pairs.append((model, best))
    return OverTime(tuple(pairs), SYMBOLS, len(_rows(streams[0])))


def _rows(table: object) -> list[Any]:
    return list(table) if isinstance(table, Sequence) and not isinstance(table, str | bytes) else [table]


def _is_vector(table: object) -> bool:
    values = _rows(table)
    return 0 < len(values) <= 100 and all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    )


def _is_square(table: object) -> bool:
    rows = _rows(table)
    return 1 < len(rows) <= 30 and all(
        _is_vector(row) and isinstance(row, Sequence) and len(row) == len(rows) for row in rows
    )


def _text(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.6g}" if finite(value) is not None else "—"
    return one_line(str(value)[:4000], 120)


def _plain(name: str, table: object) -> PlainTable:
    rows = [[_text(cell) for cell in _rows(row)[:_MAX_TABLE_COLUMNS]] for row in _rows(table)[:_MAX_TABLE_ROWS]]
    width = max((len(row) for row in rows), default=0)
    full = max((len(_rows(row)) for row in _rows(table)[:_MAX_TABLE_ROWS]), default=0)
    cut = ""
    if len(_rows(table)) > _MAX_TABLE_ROWS or full > _MAX_TABLE_COLUMNS:
        cut = f"Only the first {_MAX_TABLE_ROWS} rows and {_MAX_TABLE_COLUMNS} columns are shown."
    columns = tuple(str(column) for column in range(width)) if width > 1 else ()
    return PlainTable(titled(name), columns, tuple(tuple(row + ["—"] * (width - len(row))) for row in rows), cut)


def _bar_table(name: str, tables: Mapping[str, Any]) -> BarTable:
    gates, reals = tables.get(f"{name} gate", []), tables.get(f"{name} real", [])
    unit = "share" if name.endswith("accuracy") else ""
    drawn = bars(_rows(tables[name]), _BAR_WIDTH, unit, _rows(gates), _rows(reals))
    gated, real = any(bar.gate_text for bar in drawn), any(bar.real_text for bar in drawn)
    told = "One row a class." if len(drawn) == 10 else "One row an index."
    if gated:
        told += " The value must exceed its gate."
    return BarTable(titled(name), told, drawn, _BAR_WIDTH, gated, real)
