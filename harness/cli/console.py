"""Shows people how a command goes: progress bars and tables on stderr, a plain log where that is no terminal.

Standard output carries the one document of `--json`, or nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from harness.cli.tables import Justify, Listing

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.ranking.intervals import Rank
    from harness.types import Record

console = Console(stderr=True)

LOG_INTERVAL = 10.0
"""Seconds between two lines of progress where stderr is no terminal."""

_COLOURS = {"scored": "green", "failed": "red", "not-gradable": "yellow", "not-handed-in": "magenta", "held": "yellow"}
"""By the state of a record."""


def print_json(document: object) -> None:
    """Put one JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def fail(message: str, code: int = 2) -> typer.Exit:
    """Say what is wrong with a command's input; `raise fail(...)`."""
    console.print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    return typer.Exit(code)


def note(sentence: str) -> None:
    """Tell what a person should know, and need not mend."""
    console.print(f"[yellow]note:[/] {escape(sentence)}", highlight=False, soft_wrap=True)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar: call what it yields with (done, total, what is being done)."""
    if not console.is_terminal:
        last = 0.0

        def log(done: int, total: int, what: str = "") -> None:
            nonlocal last
            if done == total or time.monotonic() - last > LOG_INTERVAL:
                last = time.monotonic()
                console.print(f"{title}: {done}/{total} {escape(what)}".rstrip(), highlight=False, soft_wrap=True)

        yield log
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[what]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        job = bar.add_task(title, total=None, what="")

        def update(done: int, total: int, what: str = "") -> None:
            bar.update(job, completed=done, total=total, what=escape(what))

        yield update


def results_table(records: list[Record], ranks: Mapping[tuple[str, str], Rank] | None = None) -> Listing:
    """Records as a table: submission, part, verdict, primary metric with its interval, rank if there is one, points.

    `ranks` are those of the class, by submission and part. Where a terminal is too narrow, intervals are left out, and
    then submissions stand above their parts, so that no id is broken.
    """
    from harness.numbers import plain_interval, plain_number
    from harness.ranking.intervals import rank_text
    from harness.totals import earned, provisional

    rows = []
    for record in records:
        metric = record.metrics.get(record.primary or "")
        measured = metric is not None and metric.value is not None
        value = plain_number(metric.value, metric.unit) if metric is not None and measured else "-"
        interval = (plain_interval(metric, "–") if metric is not None and measured else "") or "-"
        given, open_ = earned(record), provisional(record)
        points = f"{given:g} / {record.score.max_points:g}" if given is not None and record.score is not None else "-"
        points = f"({open_:g})" if open_ is not None else points
        points = "" if record.earlier_of else points
        row = [record.submission, record.part, _verdict(record), value, interval]
        row += [rank_text(ranks.get((record.submission, record.part)))] if ranks else []
        cells = [Text(cell, no_wrap=True) for cell in (*row, points)]
        cells[2].stylize(_COLOURS[record.state])
        rows.append(cells)
    headings = ("submission", "part", "verdict", "score", "95 % interval", *(["rank"] if ranks else []), "points")
    right: dict[str, Justify] = dict.fromkeys(headings[3:], "right")
    return Listing(headings, rows, ("95 % interval",), grouped=True, justify=right)


def print_reasons(records: list[Record]) -> None:
    """Say below the table why entries have no score, or not all points, and which flags are raised."""
    for submission, parts in _not_handed_in(records).items():
        where = f"[bold]{escape(submission)}[/]"
        console.print(f"{where}  not handed in: {escape(', '.join(parts))}.", highlight=False, soft_wrap=True)
    for (submission, why), parts in _reasons(records).items():
        where = f"[bold]{escape(submission)} · {escape(', '.join(parts))}[/]"
        console.print(f"{where}  {escape(why)}", highlight=False, soft_wrap=not console.is_terminal)


def _reasons(records: list[Record]) -> dict[tuple[str, str], list[str]]:
    """The parts of each submission by what is to be said of them; nothing of those that were not handed in."""
    from harness.totals import reason
    from harness.types import Status

    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.status is Status.NOT_HANDED_IN and record.decision is None:
            continue
        why = reason(record)
        flags = [evidence.name for evidence in record.findings if evidence.flag]
        if flags:
            why = f"{why} Flags: {', '.join(flags)}.".strip()
        if why:
            found.setdefault((record.submission, why), []).append(record.part)
    return found


def _not_handed_in(records: list[Record]) -> dict[str, list[str]]:
    """The parts that were not handed in, by submission."""
    from harness.types import Status

    missing: dict[str, list[str]] = {}
    for record in records:
        if record.status is Status.NOT_HANDED_IN and record.decision is None:
            missing.setdefault(record.submission, []).append(record.part)
    return missing


def listing(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Listing:
    """A plain table of strings, in which no word is broken."""
    return Listing(columns, [[Text(str(cell)) for cell in row] for row in rows])


def show(*shown: RenderableType) -> None:
    """Put what a command was asked for on standard output; progress and notes are on standard error."""
    out = Console(highlight=False)
    for each in shown:
        out.print(each)


def _verdict(record: Record) -> str:
    from harness.types import HELD, Status

    if record.decision is not None:
        return {"accept": "accepted", "reject": "rejected", "points": "decided"}[record.decision.verdict]
    if record.held:
        return HELD
    if record.status is not Status.SCORED:
        return record.status.value.replace("-", " ")
    if record.score is None:
        return "below mark"
    if record.score.shut:
        return "gate shut"
    return ("passed" if record.score.passed else "below mark") + ", borderline" * record.score.borderline
