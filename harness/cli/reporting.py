"""Commands that render what was graded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness import scratch
from harness.cli.console import console, fail, note, progress
from reports import exports

if TYPE_CHECKING:
    from harness.records import Loaded
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
) -> None:
    """Render pages from records; grades nothing.

    Pages are made to be published: submissions from a learning platform have pseudonyms there, and exports, which name
    everybody, then go to RESULTS/@exports.

    Example: [bold]gradebench report results --site site --export csv[/]
    """
    from reports.exports.grades import Options

    if unknown := [name for name in export or [] if name not in exports.EXPORTS]:
        raise fail(f"--export {unknown[0]}: no such format; there are {', '.join(exports.EXPORTS)}")
    if not results.is_dir():
        raise fail(f"{results}: no such folder")
    known = graded_in(results)
    if not known:
        raise fail(f"{results}: holds no records; `gradebench grade PATH --results {results}` makes some")
    audience = seen_by(staff, names, leave_out)
    index = render(known, results, site_folder, audience)
    folder = results / "@exports" if pseudonymous(known, audience) else site_folder
    for wanted in export or []:
        path = exported(wanted, known, folder, results, Options(tell=note))
        if folder != site_folder:
            note(f"{path}: names everybody, and is not beside the pages")
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


def pseudonymous(known: list[Record], audience: Audience) -> bool:
    """True where some of the records are shown under a pseudonym."""
    from reports.audience import has_pseudonyms

    return has_pseudonyms(known, audience)


def render(known: list[Record], results: Path, folder: Path, audience: Audience) -> Path:
    """Write the pages with a progress bar; the path of the index. Ends the command where they can't be written."""
    from harness.secret import SecretError
    from reports import site

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
    except OSError as error:
        raise unwritten("the pages", folder, error) from error
    for problem in problems:
        note(f"passed over: {problem}")
    return index


def unwritten(what: str, folder: Path, error: OSError) -> typer.Exit:
    """Say that pages or exports could not be written, and how to have them later; the error to raise."""
    reason = error.strerror or type(error).__name__
    return fail(
        f"{folder}: {what} could not be written: {reason}. The records are kept; once there is room, "
        "`gradebench report` writes them"
    )
