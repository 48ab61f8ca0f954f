"""The command that builds an autograder for Gradescope."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness import assignments, hiding, scratch
from harness.cli.console import console, fail, note
from harness.cli.grading import AssignmentOption, DataOption, JudgeOption, SeedOption, prepared


def autograder(
    assignment: AssignmentOption = assignments.DEFAULT,
    output: Annotated[Path, typer.Option("--output", "-o", help="The zip to write.")] = Path("autograder.zip"),
    wheel: Annotated[
        Path | None, typer.Option("--wheel", help="Wheel of gradebench, put into the zip.", show_default=False)
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="Else what pip installs there: an address pinned to a tag.")
    ] = "",
    data: DataOption = None,
    judge: JudgeOption = None,
    seed: SeedOption = 0,
) -> None:
    """Build an autograder for Gradescope, with the class's settings and versions.

    The zip holds setup.sh and run_autograder, and a private judge and a coursework of your own: Gradescope shows it to
    instructors alone. Where gradebench itself fails, no score is recorded and the student is told so.

    Example: [bold]gradebench autograder -a tsinghua-hw3 --wheel gradebench-0.1.0-py3-none-any.whl[/]
    """
    from harness.files import write_atomically
    from harness.run import autograder as building
    from harness.run import class_file
    from harness.run.prepare import Request

    if (wheel is None) == (not source):
        raise fail("give one of --wheel FILE and --source ADDRESS: no package index has gradebench")
    if wheel is not None and not (wheel.is_file() and wheel.suffix == ".whl"):
        raise fail(f"--wheel {wheel}: is no wheel")
    with scratch.folder("autograder") as folder:
        run = prepared(Request(assignment, folder, data, seed, judge))
    if run.context.data.name != "mnist":
        note(f"MNIST was not found: the class file states {run.context.data.name} (gradebench data fetch)")
    until = run.assignment.hide_until
    if until is not None and until > datetime.now(UTC):
        note(
            f"the assignment hides scores until {hiding.shown(until)}; Gradescope shows a student's own result at "
            "once, unless the assignment's settings there hide it"
        )
    own = Path(assignment) if Path(assignment).exists() else None
    settings = class_file.text_of(run, building.named(run.assignment.name, own), False, None)
    content = building.built(settings, wheel, source, judge, own)
    try:
        write_atomically(output, content)
    except OSError as error:
        raise fail(f"{output}: can't be written: {error.strerror}") from error
    console.print(f"{escape(str(output))}: upload it as the assignment's autograder", highlight=False, soft_wrap=True)
