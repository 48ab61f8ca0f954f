"""The command that writes a class for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import fail, listing, note, show
from harness.cli.reporting import TeamsOption, exported, graded_in, kept_teams, refuse_hidden
from reports import exports


class Held(StrEnum):
    """The treatment of grades that are not final."""

    leave = "leave"
    number = "number"


def export(
    format_name: Annotated[
        str | None, typer.Argument(metavar="FORMAT", help="Name of a format; none lists them.", show_default=False)
    ] = None,
    results: Annotated[Path | None, typer.Argument(help="Folder of records.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else the format's own name, here.")
    ] = None,
    worksheet: Annotated[
        Path | None, typer.Option("--worksheet", help="The platform's own sheet, which is filled in.")
    ] = None,
    column: Annotated[
        str, typer.Option("--column", help="Heading of the sheet's column for points, or Canvas's number of it.")
    ] = "",
    assignment: Annotated[
        str, typer.Option("--assignment", "-a", help="Where the records belong to several assignments.")
    ] = "",
    submission: Annotated[str, typer.Option("--submission", help="Export this submission id alone.")] = "",
    held: Annotated[
        Held, typer.Option("--held", help="Grades that are not final: leave them out, or export the points so far.")
    ] = Held.leave,
    scale: Annotated[
        bool, typer.Option("--scale", help="Convert points where the sheet's maximum is not the assignment's.")
    ] = False,
    teams_file: TeamsOption = None,
    staff: Annotated[
        bool, typer.Option("--staff", help="Write scores that are still hidden (--hide-until), for your own eyes.")
    ] = False,
) -> None:
    """Write the class for another program: a platform's grade sheet, a table, a result file.

    Says on stderr whose grade is left out, and why: not final, not handed in, not found in the sheet.

    Example: [bold]gradebench export moodle results --worksheet Grades.csv -o Filled.csv[/]
    """
    if format_name is None:
        rows = [(name, summary) for name, (_, summary) in exports.EXPORTS.items()]
        show(listing(("format", "writes"), rows))
        return
    if format_name not in exports.EXPORTS:
        raise fail(f"{format_name}: no such format; there are {', '.join(exports.EXPORTS)}")
    if results is None or not results.is_dir():
        raise fail(f"{results}: no such folder" if results else "name the folder of records, too")
    from reports.exports.grades import Options

    known = graded_in(results)
    if not known:
        raise fail(f"{results}: holds no records; `gradebench grade PATH --results {results}` makes some")
    class_ = kept_teams(results, teams_file)
    refuse_hidden(format_name, known, results, assignment, staff)
    options = Options(output, worksheet, column, assignment, submission, held is Held.number, scale, class_, note)
    typer.echo(exported(format_name, known, Path(), results, options))
