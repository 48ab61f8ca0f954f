"""The commands of `gradebench`, gathered: grading, looking, training."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from harness.cli import grading, looking, reporting, training
from harness.provenance import versions
from harness.summary import EXIT_NOT_GRADABLE

app = typer.Typer(
    name="gradebench",
    help="Grade generative-model coursework on MNIST: safely, repeatably, with the uncertainty shown.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

COMMANDS: tuple[Callable[..., None], ...] = (
    grading.demo,
    grading.grade,
    grading.check,
    grading.mark,
    grading.adopt,
    reporting.report,
    looking.inspect,
    looking.tasks,
    looking.models,
    looking.assignments,
    looking.doctor,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(looking.data, name="data")
app.add_typer(training.reference, name="reference")
app.add_typer(training.judge, name="judge")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gradebench {versions()['gradebench']}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Grade generative-model coursework on MNIST."""


def main() -> None:
    """Entry point of the command."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("interrupted; what is done is kept, and the same command goes on from there", err=True)
        sys.exit(130)
    except Exception:
        # Exit code 1 means "below the pass mark", which a failure of the command must not be taken for.
        traceback.print_exc()
        sys.exit(EXIT_NOT_GRADABLE)
