"""Commands that render what was graded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness import hiding, scratch, teams
from harness.cli.console import console, fail, note, progress
from reports import exports

if TYPE_CHECKING:
    from harness.records import Loaded
    from harness.teams import Teams
    from harness.types import Record
    from reports.audience import Audience
    from reports.exports.grades import Options

StaffOption = Annotated[
    bool,
    typer.Option("--staff", help="Pages for the instructor alone: with names, and with security findings."),
]
NamesOption = Annotated[
    bool | None,
    typer.Option(
        "--names/--no-names",
        help="Show names and ids, or pseudonyms. Without it, what a platform exported has pseudonyms.",
        show_default=False,
    ),
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--leave-out",
        help="Show nothing of this submission; as a line of opt-out.txt in RESULTS does.",
        show_default=False,
    ),
]

HideOption = Annotated[
    str | None,
    typer.Option(
        hiding.OPTION,
        metavar="DATE",
        help="Show no scores before, such as 2026-12-01T18:00+01:00; none shows them. Kept in RESULTS.",
        show_default=False,
    ),
]
TeamsOption = Annotated[
    Path | None,
    typer.Option("--teams", help="CSV file id,team: one row a team. Kept in RESULTS.", show_default=False),
]


def report(
    results: Annotated[Path, typer.Argument(help="Folder of records.", show_default=False)],
    site_folder: Annotated[Path, typer.Option("--site", help="Where the pages go.")] = Path("site"),
    export: Annotated[
        list[str] | None,
        typer.Option("--export", help=f"Write this format, too: {', '.join(exports.EXPORTS)}.", show_default=False),
    ] = None,
    staff: StaffOption = False,
    names: NamesOption = None,
    leave_out: LeaveOutOption = None,
    hide_until: HideOption = None,
    teams_file: TeamsOption = None,
) -> None:
    """Render pages from records; grades nothing.

    Pages are made to be published: submissions from a learning platform have pseudonyms there, and exports, which name
    everybody, then go to RESULTS/@exports.

    Example: [bold]gradebench report results --site site --export csv[/]
    """
    from harness.types import Role
    from reports.exports.grades import Options

    if unknown := [name for name in export or [] if name not in exports.EXPORTS]:
        raise fail(f"--export {unknown[0]}: no such format; there are {', '.join(exports.EXPORTS)}")
    if not results.is_dir():
        raise fail(f"{results}: no such folder")
    known = graded_in(results)
    if not known:
        raise fail(f"{results}: holds no records; `gradebench grade PATH --results {results}` makes some")
    if hide_until is not None:
        hide(results, {record.assignment for record in known if record.role is Role.STUDENT}, None, hide_until)
    class_ = kept_teams(results, teams_file)
    audience = seen_by(staff, names, leave_out)
    for wanted in export or []:
        refuse_hidden(wanted, known, results, "", staff)
    index = render(known, results, site_folder, audience)
    apart = pseudonymous(known, audience) or (not staff and bool(still_hidden(results)))
    folder = results / "@exports" if apart else site_folder
    for wanted in export or []:
        path = exported(wanted, known, folder, results, Options(teams=class_, tell=note))
        if apart:
            note(f"{path}: tells more than the pages do, and is not beside them")
    console.print(f"{len(known)} records; pages: {escape(str(index))}", highlight=False, soft_wrap=True)


def exported(name: str, known: list[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write one export and return its path. Ends the command where it can't be made or written."""
    from reports.exports.grades import ExportError

    try:
        return exports.export(name)(known, folder, results, options)
    except ExportError as error:
        raise fail(f"{name}: {error}") from error
    except OSError as error:
        raise unwritten(f"the export {name}", options.path(folder, "").parent, error) from error


def told(loaded: Loaded) -> list[Record]:
    """Return the records that could be read, and say which could not."""
    for problem in loaded.problems:
        note(f"passed over: {problem}")
    return loaded.records


def graded_in(results: Path) -> list[Record]:
    """Return the records of a folder with the instructor's decisions, and say which files could not be read.

    An entry whose decision can't be read stands as the rubric scored it.
    """
    from harness import decisions, records

    known, made = told(records.load_all(results)), decisions.load_all(results)
    for problem in made.problems:
        note(f"passed over: {problem}")
    return decisions.applied_to(known, made.decisions)


def seen_by(staff: bool, names: bool | None, leave_out: list[str] | None) -> Audience:
    """The audience that these options name."""
    from reports.audience import Audience

    return Audience(staff, names, tuple(leave_out or ()))


def hide(results: Path, assignments: Iterable[str], of_assignment: datetime | None, option: str | None) -> None:
    """Keep the moment until which an assignment and the option --hide-until hide scores, and say it where they do."""
    lifted = option is not None and option.strip().lower() == hiding.LIFTED
    try:
        until = hiding.moment(option, hiding.OPTION) if option is not None and not lifted else None
        for assignment in sorted(assignments):
            hiding.remember(results, assignment, of_assignment, until, lifted)
    except ValueError as error:
        raise fail(f"{error}. {hiding.LIFTED} shows all") from error
    except hiding.HidingError as error:
        raise fail(str(error)) from error
    except OSError as error:
        raise fail(f"{results / hiding.FILE}: can't be written: {error.strerror}") from error


def still_hidden(results: Path) -> Mapping[str, datetime]:
    """The assignments of a results folder whose scores are hidden now. Ends the command where that can't be told."""
    try:
        return hiding.hidden(results)
    except hiding.HidingError as error:
        raise fail(str(error)) from error


def refuse_hidden(name: str, known: list[Record], results: Path, assignment: str, staff: bool) -> None:
    """End the command where an export is for a platform that students see, before the moment that scores are shown."""
    hidden = still_hidden(results)
    named = {record.assignment for record in known} & set(hidden)
    named &= {assignment} if assignment else named
    for one in sorted(named):
        told = f"the scores of {one} are hidden until {hiding.shown(hidden[one])}"
        if not exports.seen_by_students(name):
            note(f"{name}: {told}; keep this file to yourself until then")
        elif staff:
            note(f"{name}: {told}, and students see what is uploaded; keep this file to yourself until then")
        else:
            raise fail(
                f"{name}: {told}, and students see what is uploaded. Export it then; {hiding.OPTION} {hiding.LIFTED} "
                "of `gradebench report` shows scores from now on; --staff writes the file for your own eyes"
            )


def kept_teams(results: Path, file: Path | None = None) -> Teams:
    """The class in teams: by the list that a command names, which is kept, else by the one that is kept."""
    try:
        return teams.keep(file, results) if file is not None else teams.kept(results)
    except teams.TeamsError as error:
        raise fail(f"--teams {error}" if file is not None else str(error)) from error
    except OSError as error:
        raise fail(f"{results / teams.FILE}: can't be written: {error.strerror}") from error


def pseudonymous(known: list[Record], audience: Audience) -> bool:
    """True where some of the records are shown under a pseudonym."""
    from reports.audience import has_pseudonyms

    return has_pseudonyms(known, audience)


def render(known: list[Record], results: Path, folder: Path, audience: Audience) -> Path:
    """Write the pages with a progress bar; the path of the index. Ends the command where they can't be written."""
    from harness.secret import SecretError
    from reports import site

    audience = replace(audience, hidden=still_hidden(results), teams=kept_teams(results))
    if not audience.staff:
        for one in sorted({record.assignment for record in known} & set(audience.hidden)):
            until = hiding.shown(audience.hidden[one])
            note(f"{one}: pages tell no scores until {until}; --staff shows them, {hiding.OPTION} none ends it")

    if pseudonymous(known, audience) and results.resolve().is_relative_to(folder.resolve()):
        raise fail(
            f"{results}: lies inside the pages' folder {folder}, and names everybody whom the pages don't. Choose "
            "another --results or --site, or show names by --names"
        )
    scratch.sweep_writes(folder)
    problems: list[str] = []
    try:
        with progress("pages") as bar:
            index = site.render(
                known, results, folder, lambda done, total: bar(done, total, ""), problems.append, audience
            )
    except SecretError as error:
        raise fail(str(error)) from error
    except site.TellingError as error:
        names = ", ".join(str(path) for path in error.paths[:5]) + ", …" * (len(error.paths) > 5)
        raise fail(
            f"{folder}: scores are hidden, and these files may tell them: {names}. Delete them, or choose another "
            "--site; no page was written"
        ) from error
    except OSError as error:
        raise unwritten("the pages", folder, error) from error
    for problem in problems:
        note(problem)
    return index


def unwritten(what: str, folder: Path, error: OSError) -> typer.Exit:
    """Say that pages or exports could not be written, and how to have them later; the error to raise."""
    reason = error.strerror or type(error).__name__
    return fail(
        f"{folder}: {what} could not be written: {reason}. The records are kept; once there is room, "
        "`gradebench report` writes them"
    )
