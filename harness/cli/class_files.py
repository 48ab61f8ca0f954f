"""The command that writes a class file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness import assignments, scratch
from harness.cli.console import console, fail, note
from harness.cli.grading import AssignmentOption, DataOption, JudgeOption, SeedOption, prepared

class_ = typer.Typer(
    help="Write the class file that makes a student's check the instructor's.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
NAME = "gradebench-class.toml"


@class_.callback()
def _root() -> None: ...


@class_.command("init")
def init(
    assignment: AssignmentOption = assignments.DEFAULT,
    data: DataOption = None,
    judge: JudgeOption = None,
    seed: SeedOption = 0,
    secret_seed: Annotated[
        bool, typer.Option("--secret-seed", help="Students are not told the seed; grade with one of your own.")
    ] = False,
    deadline: Annotated[
        datetime | None,
        typer.Option("--deadline", formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"], help="In UTC.", show_default=False),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(NAME),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the class file: assignment, seed, data, judge and versions of this machine, which students share.

    Run it with the options, and on the machine, that you grade with.

    Example: [bold]gradebench class init -a ucl-hw4 --deadline 2026-12-01T12:00[/]
    """
    from harness.files import write_atomically
    from harness.run import class_file
    from harness.run.prepare import Request

    if output.exists() and not force:
        raise fail(f"{output}: is there already; --force replaces it")
    with scratch.folder("class") as folder:
        run = prepared(Request(assignment, folder, data, seed, judge))
    named = run.assignment.name
    if Path(assignment).exists():
        # A coursework of the instructor's own is found from the place of the class file.
        named = Path(os.path.relpath(Path(assignment).resolve(), output.resolve().parent)).as_posix()
        note(f"students need the coursework, too, at {named} as seen from {output.name}")
    if run.context.data.name != "mnist":
        note(f"MNIST was not found: the class would be graded on {run.context.data.name} (gradebench data fetch)")
    when = deadline.replace(tzinfo=UTC) if deadline is not None else None
    try:
        write_atomically(output, class_file.text_of(run, named, secret_seed, when).encode())
    except OSError as error:
        raise fail(f"{output}: can't be written: {error.strerror}") from error
    console.print(f"{escape(str(output))}: give it to your students", highlight=False, soft_wrap=True)
