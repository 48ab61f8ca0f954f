"""The command by which the instructor decides about entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness.cli.console import console, fail, listing, note, print_json, show
from harness.cli.reporting import kept_teams, told

if TYPE_CHECKING:
    from harness.types import Decision, Record

Row = dict[str, object]
"""An entry in the listing, by the names that JSON has."""
VERDICTS = ("accept", "reject", "points")
_MOST_NAMED = 20


def decide(
    results: Annotated[Path, typer.Argument(help="Folder of records.", show_default=False)],
    submission: Annotated[str | None, typer.Argument(help="Id of the submission.", show_default=False)] = None,
    part: Annotated[str | None, typer.Argument(help="Part of the assignment.", show_default=False)] = None,
    verdict: Annotated[str | None, typer.Argument(help="accept, reject, or points.", show_default=False)] = None,
    points: Annotated[float | None, typer.Argument(help="How many, after points.", show_default=False)] = None,
    reason: Annotated[str, typer.Option("--reason", help="Shown on pages and in exports.", show_default=False)] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take the decision about the part back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Accept or reject a held entry, or give it points; with the folder alone, list what is held and decided.

    [bold]accept[/] gives the points that the answers earn, whatever flags and conditions say; [bold]reject[/] gives
    none; [bold]points N[/] gives N. A decision is about these marks: another hand-in is judged anew.

    Example: [bold]gradebench decide results s1234567 cvae accept --reason "samples looked at, they differ"[/]
    """
    from harness import decisions, records
    from harness.types import Role

    if not results.is_dir():
        raise fail(f"{results}: no such folder")
    known = [record for record in told(records.load_all(results)) if record.role is Role.STUDENT]
    if submission is None:
        _list(results, known, as_json)
        return
    record = _found(known, submission, part, results)
    if undo:
        if verdict is not None or reason:
            raise fail("--undo takes the decision back: leave out the verdict and --reason")
        try:
            if not decisions.remove(results, record.submission, record.part):
                raise fail(f"{record.submission} · {record.part}: there is no decision to undo")
        except decisions.DecisionError as error:
            raise fail(str(error)) from error
        made = None
    else:
        made = _made(record, verdict, points, reason)
        try:
            decisions.write(results, made)
        except OSError as error:
            raise fail(f"the decision could not be written: {error.strerror}") from error
    now = decisions.applied(record, made)
    # Without its key, the next run of `grade` scores the entry anew, and asks nobody.
    records.save(results, replace(now, keys={stage: key for stage, key in now.keys.items() if stage != "score"}))
    _tell(now)
    if made is not None and made.verdict == "accept" and _changes_nothing(now):
        note("these are the points that the rubric gives anyway; `points N` in place of accept gives other ones")
    if as_json:
        print_json({"schema": 1, **_row(now)})


def _found(known: list[Record], submission: str, part: str | None, results: Path) -> Record:
    own = [record for record in known if record.submission == submission]
    if not own:
        class_ = kept_teams(results)
        members = [record for record in known if (one := class_.member(record)) is not None and one.team == submission]
        if members:
            ids = ", ".join(sorted({record.submission for record in members}))
            raise fail(f"{submission}: is a team; decide about the hand-in that counts, of {ids}")
        names = sorted({record.submission for record in known})
        more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        raise fail(f"{submission}: no such submission; there are {', '.join(names[:_MOST_NAMED]) or 'none'}{more}")
    found = [record for record in own if record.part == part]
    if not found:
        parts = ", ".join(record.part for record in own)
        raise fail(f"{submission}: has no part {part}; its parts are {parts}" if part else f"name a part of: {parts}")
    return found[0]


def _made(record: Record, verdict: str | None, points: float | None, reason: str) -> Decision:
    """The decision that was asked for; ends the command where it can't be made."""
    from harness import decisions
    from harness.numbers import finite, plain_number
    from harness.types import Decision

    where = f"{record.submission} · {record.part}"
    if verdict not in VERDICTS:
        raise fail(f"{where}: {verdict or 'no verdict'}: write {', '.join(VERDICTS[:-1])}, or points N")
    if (verdict == "points") != (points is not None):
        raise fail(f"{where}: points needs a number, and {' and '.join(VERDICTS[:-1])} take none")
    reason = decisions.spoken(reason)
    if not reason:
        raise fail(f"{where}: say why, by --reason TEXT; the student reads it")
    by_rubric = record.by_rubric if record.decision is not None else record.score
    worth = by_rubric.max_points if by_rubric is not None else record.worth
    if verdict == "points" and (finite(points) is None or not 0 <= (points or 0.0) <= worth):
        raise fail(f"{where}: {points:g} points: from 0 to {plain_number(worth, short=True)} can be given")
    if verdict != "points" and by_rubric is None:
        raise fail(f"{where}: has no score to {verdict} ({record.state}); points N gives it some")
    if verdict == "accept" and by_rubric is not None and by_rubric.unconditional is None:
        raise fail(f"{where}: was scored by an older version; grade it again first, which asks nobody")
    decided_at = datetime.now(UTC).isoformat(timespec="seconds")
    return Decision(
        record.submission,
        record.part,
        "accept" if verdict == "accept" else "reject" if verdict == "reject" else "points",
        points,
        reason,
        decisions.about(record),
        decided_at,
    )


def _changes_nothing(record: Record) -> bool:
    """Tell an entry of which nothing was held back, so that to accept it gives what it had."""
    free = record.by_rubric
    if free is None or record.score is None or free.held or free.shut or free.open_points:
        return False
    return free.points == record.score.points


def _tell(record: Record) -> None:
    from harness.totals import earned

    given = earned(record)
    worth = record.score.max_points if record.score is not None else record.worth
    state = record.decision.verdict if record.decision is not None else f"{record.state}, no decision"
    shown = f", {given:g} of {worth:g} points" if given is not None else ""
    console.print(
        f"[bold]{escape(record.submission)} · {escape(record.part)}[/]  {state}{shown}. "
        "Pages and exports are made anew by `gradebench report`.",
        highlight=False,
        soft_wrap=True,
    )


def _list(results: Path, known: list[Record], as_json: bool) -> None:
    """Print what is held, what was decided, and decisions that no longer apply."""
    from harness import decisions

    loaded = decisions.load_all(results)
    for problem in loaded.problems:
        note(f"passed over: {problem}")
    now = decisions.applied_to(known, loaded.decisions)
    rows = [_row(record) for record in now if record.held or record.decision is not None]
    applies = {(record.submission, record.part) for record in now if record.decision is not None}
    lapsed: list[Row] = [
        {"id": one.submission, "part": one.part, "state": "no longer applies", "points": None, "said": said}
        for one in loaded.decisions
        if (one.submission, one.part) not in applies
        for said in [f"{one.verdict}: {one.reason} (made about another hand-in, or other marks)"]
    ]
    if as_json:
        print_json({"schema": 1, "entries": rows, "lapsed": lapsed})
        return
    if not rows and not lapsed:
        show("Nothing is held, and nothing was decided.")
        return
    table = listing(
        ("submission", "part", "state", "points", "said"),
        [(row["id"], row["part"], row["state"], _points(row), row["said"]) for row in (*rows, *lapsed)],
    )
    show(table)


def _row(record: Record) -> Row:
    from harness.decisions import sentence
    from harness.totals import earned, held_for, provisional

    decision, given = record.decision, earned(record)
    return {
        "id": record.submission,
        "part": record.part,
        "state": record.state if decision is None else f"decided: {decision.verdict}",
        "points": given,
        "provisional_points": provisional(record),
        "said": held_for(record) if decision is None else sentence(decision, given),
    }


def _points(row: Row) -> str:
    if row["points"] is not None:
        return f"{row['points']:g}"
    waiting = row.get("provisional_points")
    return f"({waiting:g})" if waiting is not None else "-"
