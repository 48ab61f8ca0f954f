"""The index page: for each assignment and data, the totals and one ranked table a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.decisions import sentence
from harness.numbers import finite, interval_text, mark_text, number_text, points_text, unit_text
from harness.ranking.intervals import rank_text
from harness.text import capitalised, one_line
from harness.totals import earned, primary_metric, provisional, reason
from harness.types import Record, Role, Status, counted
from reports.classroom import Summary, summary
from reports.common import (
    Verdict,
    data_label,
    data_notice,
    day,
    distinct,
    page_name,
    ranks,
    role_label,
    short,
    slug,
    verdict,
)
from reports.galleries import MOST_COLUMNS, strip, strip_figure
from reports.history import Run, earlier
from reports.leaderboard import leaderboard, totals
from reports.learning import Learning, of_class
from reports.pareto import Pareto, pareto
from reports.pictures import Picture
from reports.plots import IntervalFigure, Tick, axis, common_scale, interval_figure
from reports.timing import TimeCell, cells
from reports.titles import assignment_title, flags, metric_title, part_title, task_title

PAGES = "submissions"
"""Folder of the submissions' pages, beside index.html."""
PARTS = "parts"
"""Folder of the pages of single parts, of classes whose tables are too long for one page."""
MOST_ROWS = 400
"""Rows of all tables of an assignment that one page takes."""
FIRST_ROWS = 10
"""Rows that stand for a longer table on the index."""
_PLOT_WIDTH = 220.0


@dataclass(frozen=True)
class Tile:
    """One number of the summary."""

    count: int
    label: str
    note: str
    kind: str


@dataclass(frozen=True)
class TotalCell:
    """One part of one submission in the table of totals: the points that it adds to the sum."""

    text: str
    bonus: bool
    verdict: Verdict | None
    sort: float | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class TotalRow:
    """One submission in the table of totals."""

    name: str
    id: str
    href: str
    points: str
    of: str
    sort: float | None
    complete: bool
    cells: tuple[TotalCell, ...]


@dataclass(frozen=True)
class Totals:
    """Points of all parts together; `parts` are the columns."""

    parts: tuple[str, ...]
    rows: tuple[TotalRow, ...]
    max_points: str
    bonus: bool
    """True where some part counts as a bonus."""


@dataclass(frozen=True)
class Row:
    """One entry of a ranked table; `rank` is empty for baselines, references and whatever is listed below."""

    name: str
    id: str
    href: str
    role: str
    """Baseline or reference; empty for a student's entry."""
    rank: str
    """The ranks that the data support, such as "2–5"; empty for none."""
    rank_sort: int | None
    value: str
    interval: str
    sort: float | None
    figure: IntervalFigure | None
    points: str
    provisional: bool
    """True where the points wait for the instructor's word."""
    points_sort: float | None
    verdict: Verdict
    flags: tuple[str, ...]
    reason: str
    note: str
    """A shut gate or the instructor's word, beside the score; empty for none, or where `reason` says it."""
    samples: Picture | None
    time: TimeCell | None


@dataclass(frozen=True)
class Table:
    """Entries that may be compared, those that rank and those that don't."""

    anchor: str
    title: str
    subtitle: str
    metric: str
    unit: str
    better: str
    mark: str
    ticks: tuple[Tick, ...]
    plot_width: float
    ranked: tuple[Row, ...]
    excluded: tuple[Row, ...]
    """Entries with a score and without a rank, because of a flag or by the instructor's word."""
    unranked: tuple[Row, ...]
    shared: bool
    """True where the data leave some entry more than one rank."""
    has_samples: bool
    strip_title: str
    strip_columns: tuple[str, ...]
    """Titles of the columns of all strips; empty where they differ, or have none."""
    timed: bool
    """True where the time of some entry was measured, or could not be."""
    times: Pareto | None
    """Scores against times."""
    count: int
    more: str = ""
    """Page with all rows, where the index shows the first alone."""

    def first(self, rows: int, more: str) -> Table:
        """The table with its first rows alone, of entries with a rank and of others, and a link to all."""
        groups = {name: getattr(self, name)[:rows] for name in ("ranked", "excluded", "unranked")}
        return replace(self, more=more, **groups) if sum(map(len, groups.values())) < self.count else self


@dataclass(frozen=True)
class Section:
    """All of one assignment on one data set."""

    anchor: str
    assignment: str
    """Title of the assignment."""
    name: str
    """Name of the assignment; empty where it is the title."""
    data: str
    notice: str
    facts: tuple[tuple[str, tuple[str, ...], bool], ...]
    """Facts about the grading: label, values, and True if these are digests."""
    tiles: tuple[Tile, ...]
    totals: tuple[Totals, ...]
    tables: tuple[Table, ...]
    learning: tuple[Learning, ...]
    not_isolated: bool
    parts: tuple[str, ...]
    """Titles of the parts, in the assignment's order."""
    states: tuple[tuple[str, str], ...]
    """Kinds of verdicts that there are, and their names."""
    flags: tuple[str, ...]
    has_references: bool
    summary: Summary | None
    history: tuple[Run, ...] = ()
    left_out: str = ""
    """A sentence on submissions that are not shown by request; empty for none."""
    large: bool = False
    """True where the tables of the parts have pages of their own, and the index their first rows."""


_STATES = (
    ("pass", "passed"),
    ("below", "missed the mark"),
    ("held", "held"),
    ("fail", "failed"),
    ("missing", "not handed in"),
    ("none", "not gradable, or without a mark"),
)


def _href(submission: str, role: Role = Role.STUDENT) -> str:
    return f"{PAGES}/{page_name(submission, role)}"


def display_name(record: Record) -> str:
    """The submission's name, or its id where the name is empty once cleaned; never empty."""
    return one_line(record.name, 60) or one_line(record.submission, 60) or "(no name)"


def _table(frame: pd.DataFrame, records: Sequence[Record], results: Path) -> Table:
    own = [records[index] for index in frame["record"]]
    metrics = [metric for record in own if (metric := primary_metric(record)) is not None]
    marks = {finite(record.score.pass_mark) for record in own if record.score is not None} - {None}
    # Two marks in one table would make the line a lie; then none is drawn.
    mark = marks.pop() if len(marks) == 1 else None
    of_class = [m for record in own if ranks(record) and (m := primary_metric(record)) is not None]
    scale = common_scale(of_class or metrics, mark, _PLOT_WIDTH, metrics)
    rows: list[Row] = []
    times = cells(own)
    for entry, record, time in zip(frame.to_dict("records"), own, times, strict=True):
        metric = primary_metric(record)
        rank = None if pd.isna(entry["rank_low"]) else (int(entry["rank_low"]), int(entry["rank_high"]))
        points = earned(record) if ranks(record) else None
        worth = record.score.max_points if record.score is not None else None
        waiting = provisional(record) if ranks(record) else None
        shown = points if waiting is None else waiting
        rows.append(
            Row(
                name=display_name(record),
                id=one_line(record.submission, 60),
                href=_href(record.submission, record.role),
                role=role_label(record),
                rank=rank_text(rank),
                # By the best rank, then by the worst.
                rank_sort=rank[0] * len(own) + rank[1] if rank is not None else None,
                value=number_text(metric.value, metric.unit) if metric is not None else "",
                interval=interval_text(metric) if metric is not None else "",
                sort=finite(metric.value) if metric is not None else None,
                figure=interval_figure(metric, mark, scale) if metric is not None else None,
                points=f"{points_text(shown)} of {points_text(worth)}" if shown is not None else "",
                provisional=waiting is not None,
                points_sort=points,
                verdict=verdict(record),
                flags=flags(record),
                reason="" if metric is not None and record.ranked else _reason(record),
                note=_note(record) if record.ranked else "",
                samples=strip(record, results),
                time=time,
            )
        )
    measured = [(row, record) for row, record in zip(rows, own, strict=True) if row.figure is not None]
    ranked = tuple(row for row, record in measured if record.ranked)
    first = own[0]
    ranked_by = next((metric_title(r.primary or "", metric) for r in own if (metric := primary_metric(r))), "")
    unit = metrics[0].unit if metrics else ""
    version = f", metric version {metrics[0].version}" if metrics else ""
    return Table(
        anchor=f"table-{int(frame['table'].iloc[0])}-{slug(first.part)}",
        title=part_title(first),
        subtitle=f"{task_title(first)}, protocol {first.protocol}{version}",
        metric=ranked_by,
        unit=unit_text(unit),
        better=metrics[0].better if metrics else "higher",
        mark=mark_text(mark, unit) if mark is not None else "",
        ticks=axis(scale, mark, unit),
        plot_width=_PLOT_WIDTH,
        ranked=ranked,
        excluded=tuple(row for row, record in measured if not record.ranked),
        unranked=tuple(row for row in rows if row.figure is None),
        shared=any("–" in row.rank for row in ranked),
        has_samples=any(row.samples is not None for row, _ in measured),
        strip_title=_strip_title(own),
        strip_columns=_strip_columns(own),
        timed=any(time is not None for time in times),
        times=pareto(own, [display_name(record) for record in own]),
        count=len(rows),
    )


def _note(record: Record) -> str:
    """A shut gate, which takes all points, or the instructor's word, in a few words beside the score."""
    if record.decision is not None:
        return one_line(sentence(record.decision, earned(record)), 240)
    shut = record.score is not None and record.score.shut and record.role is Role.STUDENT
    return f"but 0 points: {verdict(record).text[:1].lower()}{verdict(record).text[1:]}" if shut else ""


def _reason(record: Record) -> str:
    """Why there is no score; of what was not handed in, its own page says how to hand it in."""
    return "Nothing was handed in." if record.status is Status.NOT_HANDED_IN else one_line(reason(record), 600)


def _strip_title(records: Sequence[Record]) -> str:
    titles = {figure.group or figure.title for record in records if (figure := strip_figure(record)) is not None}
    return capitalised(one_line(titles.pop(), 60)) if len(titles) == 1 else "Samples"


def _strip_columns(records: Sequence[Record]) -> tuple[str, ...]:
    columns = {figure.columns for record in records if (figure := strip_figure(record)) is not None}
    only = columns.pop() if len(columns) == 1 else ()
    return tuple(one_line(column, 20) for column in only) if len(only) <= MOST_COLUMNS else ()


def _total_cells(own: Sequence[Record | None]) -> tuple[TotalCell, ...]:
    """The parts of one submission, None where it has no record of one."""
    scores = [record.score if record is not None and earned(record) is not None else None for record in own]
    points = iter(counted([score for score in scores if score is not None]))
    cells = []
    for record, score in zip(own, scores, strict=True):
        if record is None:
            cells.append(TotalCell("", False, None, None))
        elif (waiting := provisional(record)) is not None:
            cells.append(TotalCell(f"({points_text(waiting)})", False, verdict(record), None, flags(record)))
        elif score is None:
            cells.append(TotalCell("", False, verdict(record), None, flags(record)))
        else:
            adds = next(points)
            bonus = adds != score.points or score.optional
            cells.append(TotalCell(points_text(adds), bonus, verdict(record), adds, flags(record)))
    return tuple(cells)


def _totals(frame: pd.DataFrame, records: Sequence[Record]) -> Totals:
    indices = [index for row in frame["records"] for index in row]
    # Two tasks may have a part of the same name; a column is one part of one task, in the order of the assignment.
    columns: dict[tuple[str, str], Record] = {}
    for record in sorted((records[index] for index in indices), key=lambda r: (r.order, r.task, r.part)):
        columns.setdefault((record.task, record.part), record)
    rows: list[TotalRow] = []
    for row in frame.to_dict("records"):
        own = {(records[index].task, records[index].part): records[index] for index in row["records"]}
        points = finite(row["points"])
        rows.append(
            TotalRow(
                name=display_name(next(iter(own.values()))),
                id=one_line(row["submission"], 60),
                href=_href(row["submission"]),
                points=points_text(points),
                of=points_text(row["max_points"]),
                sort=points,
                complete=bool(row["complete"]),
                cells=_total_cells([own.get(part) for part in columns]),
            )
        )
    return Totals(
        tuple(part_title(record) for record in columns.values()),
        tuple(rows),
        points_text(max((float(value) for value in frame["max_points"]), default=0.0)),
        any(cell.bonus for row in rows for cell in row.cells),
    )


def _tiles(records: Sequence[Record]) -> tuple[Tile, ...]:
    """Counts of parts: all of them, then each outcome, which together make all."""
    own = [record for record in records if ranks(record)]
    kinds = [verdict(record).kind for record in own]
    submissions = len({record.submission for record in own})
    not_gradable = sum(record.status is Status.NOT_GRADABLE for record in own)
    tiles = [
        Tile(
            len(own),
            "part" if len(own) == 1 else "parts",
            f"of {submissions} submission{'s' * (submissions != 1)}",
            "all",
        ),
        Tile(kinds.count("pass"), "passed", "reached the mark", "pass"),
        Tile(kinds.count("below"), "missed the mark", "scored, not passed", "below"),
        *([Tile(held, "held", "the instructor decides", "held")] if (held := kinds.count("held")) else []),
        Tile(kinds.count("fail"), "failed", "the reason is given", "fail"),
        Tile(kinds.count("missing"), "not handed in", "required by the assignment", "missing"),
        Tile(not_gradable, "not gradable", "harness at fault, no penalty", "none"),
    ]
    if others := kinds.count("none") - not_gradable:
        tiles.append(Tile(others, "without a mark", "no rubric, or nothing measured", "none"))
    return tuple(tiles)


def _days(records: Sequence[Record]) -> tuple[str, ...]:
    days = distinct([day(record.graded_at) for record in records])
    return days if len(days) < 2 else (f"{days[0]} to {days[-1]}",)


def _section(
    number: int,
    assignment: str,
    data: str,
    frame: pd.DataFrame,
    total: pd.DataFrame,
    records: Sequence[Record],
    results: Path,
    left_out: int,
) -> Section:
    # A model at an earlier time competes with nobody.
    ranked = frame[~frame["earlier"]]
    own = [records[index] for index in sorted(ranked["record"])]
    of_section = [record for record in records if (record.assignment, record.data) == (assignment, data)]
    isolation = distinct([record.isolation for record in own])

    def digests(of: str) -> tuple[str, ...]:
        return distinct([short(record.digests.get(of, "")) for record in own])

    facts: list[tuple[str, tuple[str, ...], bool]] = [
        ("Data", (data_label(data),), False),
        ("Data SHA-256", digests("data"), True),
        ("Judge SHA-256", digests("judge"), True),
        ("Graded", _days(own), False),
        ("Isolation", isolation, False),
        ("Device", distinct([record.device for record in own]), False),
        ("gradebench", distinct([record.versions.get("gradebench", "") for record in own]), False),
    ]
    title, name = assignment_title(of_section), one_line(assignment, 60)
    kinds = {verdict(record).kind for record in own if ranks(record)}
    counted_records = [records[index] for row in total["records"] for index in row]
    ordered = sorted((r for r in own), key=lambda record: (record.order, record.task, record.part))
    points = [finite(value) for value in total["points"]]
    return Section(
        anchor=f"section-{number}-{slug(assignment)}",
        assignment=title,
        name=name if name != title else "",
        data=data_label(data),
        notice=data_notice(data),
        facts=tuple(fact for fact in facts if fact[1]),
        # An earlier state of a model is worth a word where it could not be scored.
        tiles=_tiles([*own, *(r for r in of_section if r.earlier_of and r.status is not Status.SCORED)]),
        totals=tuple(_totals(group, records) for _, group in total.groupby("data_digest", sort=True)),
        tables=tuple(_table(group, records, results) for _, group in ranked.groupby("table", sort=True)),
        large=len(ranked) > MOST_ROWS,
        learning=of_class(of_section, {r.submission: display_name(r) for r in of_section if ranks(r)}),
        not_isolated="NOT ISOLATED" in isolation,
        parts=tuple(dict.fromkeys(part_title(record) for record in ordered)),
        states=tuple((kind, label) for kind, label in _STATES if kind in kinds),
        flags=tuple(sorted({flag for record in own for flag in flags(record)})),
        has_references=any(not ranks(record) for record in own),
        summary=summary(counted_records, points, max((float(v) for v in total["max_points"]), default=0.0)),
        history=earlier(results, assignment, data),
        left_out=_left_out(left_out),
    )


def _left_out(count: int) -> str:
    if not count:
        return ""
    subject = "1 submission is" if count == 1 else f"{count} submissions are"
    return f"{subject} not shown, by request; ranks are among those shown."


def index_view(records: Sequence[Record], results: Path, left_out: int = 0) -> tuple[Section, ...]:
    """The sections of the index, MNIST first within each assignment. Pictures and scores are read from `results`.

    `left_out` submissions are not among the records, by request.
    """
    frame, total = leaderboard(records, results), totals(records)
    # Nobody competes with baselines and reference models for points.
    total = total[total["role"] == Role.STUDENT.value]
    keys: list[tuple[Any, Any]] = [(record.assignment, record.data) for record in records]
    sections: list[Section] = []
    for number, (assignment, data) in enumerate(sorted(set(keys), key=lambda key: (key[0], key[1] != "mnist", key[1]))):
        chosen = (frame["assignment"] == assignment) & (frame["data"] == data)
        summed = (total["assignment"] == assignment) & (total["data"] == data)
        sections.append(_section(number, assignment, data, frame[chosen], total[summed], records, results, left_out))
    return tuple(sections)
