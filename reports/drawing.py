"""Draws the figures of a record by their kind; one whose data does not have the kind's shape is shown as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.numbers import finite, number_text
from harness.text import capitalised, one_line, spoken
from harness.totals import primary_metric
from harness.types import Figure, Record
from reports.charts import Histogram, Line, Panel, histogram, line, panel
from reports.galleries import Gallery, Shown, galleries, single
from reports.plots import Bar, HeatCell, bars, heat

_BAR_WIDTH = 220.0
_MAX_TABLE_ROWS = 200
_MAX_TABLE_COLUMNS = 40
_MAX_PANELS = 24
MAX_BANDS = 8
"""Bands of a panel that have a colour of their own."""


@dataclass(frozen=True)
class BarTable:
    """Values by index, drawn as bars."""

    title: str
    caption: str
    index: str
    """Title of the index."""
    bars: tuple[Bar, ...]
    width: float
    gated: bool
    real: bool
    named: bool
    """True where the labels are words, not numbers."""


@dataclass(frozen=True)
class HeatTable:
    """A square matrix of counts."""

    title: str
    caption: str
    rows: str
    """Title of the rows."""
    labels: tuple[str, ...]
    cells: tuple[tuple[HeatCell, ...], ...]


@dataclass(frozen=True)
class PlainTable:
    """Any other table, as text. `columns` is empty where it has no more than one."""

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: str


@dataclass(frozen=True)
class Chart:
    """A histogram or a line with its title."""

    title: str
    caption: str
    histogram: Histogram | None = None
    line: Line | None = None


@dataclass(frozen=True)
class Bands:
    """Probabilities over time, panels side by side in pairs."""

    title: str
    caption: str
    panels: tuple[Panel, ...]
    series: tuple[str, ...]


@dataclass(frozen=True)
class Drawings:
    """All figures of a record, by the way they are drawn, in the record's order."""

    galleries: tuple[Gallery, ...]
    pictures: tuple[Shown, ...]
    bars: tuple[BarTable, ...]
    heats: tuple[HeatTable, ...]
    charts: tuple[Chart, ...]
    bands: tuple[Bands, ...]
    plain: tuple[PlainTable, ...]


def draw(record: Record, results: Path) -> Drawings:
    """Draw a record's figures; pictures are read from `results`."""
    pictures = [figure for figure in record.figures if figure.kind == "picture"]
    found: list[BarTable | HeatTable | Chart | Bands | PlainTable] = []
    for figure in record.figures:
        if figure.kind == "picture":
            continue
        drawn = _drawn(figure, record)
        found += _plain(figure) if drawn is None else [drawn]
    return Drawings(
        galleries(pictures, results),
        single(pictures, results),
        tuple(one for one in found if isinstance(one, BarTable)),
        tuple(one for one in found if isinstance(one, HeatTable)),
        tuple(one for one in found if isinstance(one, Chart)),
        tuple(one for one in found if isinstance(one, Bands)),
        tuple(one for one in found if isinstance(one, PlainTable)),
    )


def _drawn(figure: Figure, record: Record) -> BarTable | HeatTable | Chart | Bands | None:
    """The figure as its kind is drawn; None for tables, and where the data is not of the kind's shape."""
    match figure.kind:
        case "bars":
            return _bars(figure)
        case "matrix":
            return _matrix(figure)
        case "histogram":
            return _histogram(figure, record)
        case "line":
            drawn = line(figure.data.get("values"), one_line(figure.x, 80), one_line(figure.y, 80))
            return None if drawn is None else Chart(_title(figure), _caption(figure), line=drawn)
        case "bands":
            return _bands(figure)
        case _:
            return None


def _title(figure: Figure) -> str:
    return capitalised(one_line(figure.title, 120) or spoken(figure.name))


def _caption(figure: Figure) -> str:
    return one_line(figure.caption, 1000)


def _bars(figure: Figure) -> BarTable | None:
    values, beside = figure.data.get("values"), [figure.data.get(of) for of in ("gate", "real")]
    if not _is_vector(values) or any(
        of is not None and not (_is_vector(of) and len(_rows(of)) == len(_rows(values))) for of in beside
    ):
        return None
    gates, reals = ([] if of is None else _rows(of) for of in beside)
    labels = [one_line(column, 60) for column in figure.columns]
    drawn = bars(_rows(values), _BAR_WIDTH, figure.unit, gates, reals, labels)
    gated, real = any(bar.gate_text for bar in drawn), any(bar.real_text for bar in drawn)
    index = one_line(figure.x, 60) or "index"
    named = any(len(bar.label) > 3 for bar in drawn)
    return BarTable(_title(figure), _caption(figure), index, drawn, _BAR_WIDTH, gated, real, named)


def _matrix(figure: Figure) -> HeatTable | None:
    counts = figure.data.get("counts")
    rows = _rows(counts)
    square = 1 < len(rows) <= 30 and all(_is_vector(row) and len(row) == len(rows) for row in rows)
    if not square:
        return None
    labels = figure.columns if len(figure.columns) == len(rows) else map(str, range(len(rows)))
    shown = tuple(one_line(label, 20) for label in labels)
    return HeatTable(_title(figure), _caption(figure), one_line(figure.y, 40) or "row", shown, heat(rows))


def _histogram(figure: Figure, record: Record) -> Chart | None:
    """A histogram with the mean of its values marked, where that is what the record's task is ranked by."""
    metric = primary_metric(record)
    mean = metric.value if metric is not None and figure.unit and metric.unit == figure.unit else None
    titles = one_line(figure.x, 80) or "value", one_line(figure.y, 80) or "count"
    drawn = histogram(figure.data.get("counts"), figure.data.get("edges"), mean, *titles, figure.unit)
    return None if drawn is None else Chart(_title(figure), _caption(figure), histogram=drawn)


def _bands(figure: Figure) -> Bands | None:
    panels = figure.data.get("panels")
    if not isinstance(panels, Sequence) or isinstance(panels, str | bytes) or not 0 < len(panels) <= _MAX_PANELS:
        return None
    titles = [one_line(title, 80) for title in figure.columns]
    titles += [f"Panel {number}" for number in range(len(titles) + 1, len(panels) + 1)]
    drawn = [panel(title, steps) for title, steps in zip(titles, panels, strict=False)]
    found = tuple(one for one in drawn if one is not None)
    counts = {len(one.bands) for one in found}
    if len(found) < len(panels) or len(counts) != 1:
        return None
    count = counts.pop()
    series = tuple(one_line(title, 40) for title in figure.series) or tuple(map(str, range(1, count + 1)))
    if count > MAX_BANDS or len(series) != count:
        return None
    return Bands(_title(figure), _caption(figure), found, series)


def _rows(table: object) -> list[Any]:
    return list(table) if isinstance(table, Sequence) and not isinstance(table, str | bytes) else [table]


def _is_vector(table: object) -> bool:
    values = _rows(table) if isinstance(table, Sequence) else []
    return 0 < len(values) <= 100 and all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    )


def _text(value: object, unit: str) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        if finite(value) is None:
            return "—"
        return number_text(value, unit) if unit == "share" else f"{value:.6g}"
    return one_line(str(value)[:4000], 120)


def _plain(figure: Figure) -> list[PlainTable]:
    """The figure's data as text, a table for each of its arrays."""
    several = len(figure.data) > 1
    found = []
    for number, (name, table) in enumerate(figure.data.items()):
        title = f"{_title(figure)}: {spoken(name)}" if several else _title(figure)
        found.append(_plain_table(title, "" if number else _caption(figure), table, figure))
    return found


def _plain_table(title: str, caption: str, table: object, figure: Figure) -> PlainTable:
    first = _rows(table)[:_MAX_TABLE_ROWS]
    rows = [[_text(cell, figure.unit) for cell in _rows(row)[:_MAX_TABLE_COLUMNS]] for row in first]
    width = max((len(row) for row in rows), default=0)
    full = max((len(_rows(row)) for row in first), default=0)
    cut = ""
    if len(_rows(table)) > _MAX_TABLE_ROWS or full > _MAX_TABLE_COLUMNS:
        cut = f"Only the first {_MAX_TABLE_ROWS} rows and {_MAX_TABLE_COLUMNS} columns are shown."
    columns: tuple[str, ...] = tuple(str(column) for column in range(width)) if width > 1 else ()
    if figure.kind == "table" and len(figure.columns) == width:
        columns = tuple(one_line(column, 60) for column in figure.columns)
    return PlainTable(title, caption, columns, tuple(tuple(row + ["—"] * (width - len(row))) for row in rows), cut)
