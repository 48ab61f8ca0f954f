"""The commands of `gradebench`, by name; the module of a command is imported when the command is called."""

from __future__ import annotations

import errno
import sys
import traceback
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from harness.registry import imported

EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": (
        "harness.cli.grading:demo",
        "Grade a small class of example submissions and write its leaderboard.",
    ),
    "grade": (
        "harness.cli.grading:grade",
        "Grade submissions; what is graded already is not graded again. Ctrl-C loses only what is under way.",
    ),
    "watch": (
        "harness.cli.watching:watch",
        "Grade a folder while it fills: what is new or replaced, once its files have stopped changing.",
    ),
    "check": (
        "harness.cli.checking:check",
        "Check one submission before the deadline: the verdict that the instructor's run gives.",
    ),
    "class": ("harness.cli.class_files:class_", "Write the class file that makes a student's check the instructor's."),
    "mark": (
        "harness.cli.grading:mark",
        "Mark kept answers again, without a model: with another judge, or after a threshold has changed.",
    ),
    "adopt": (
        "harness.cli.grading:adopt",
        "Print the submission.toml that would grade a repository, with the likeliest files filled in.",
    ),
    "decide": (
        "harness.cli.deciding:decide",
        "Accept or reject a held entry, or give it points; with the folder alone, list what is held and decided.",
    ),
    "verify": (
        "harness.cli.verifying:verify",
        "Grade hand-ins again and compare with the records: equal, or what differs.",
    ),
    "report": ("harness.cli.reporting:report", "Render pages from records; grades nothing."),
    "export": (
        "harness.cli.exporting:export",
        "Write the class for another program: a platform's grade sheet, a table, a result file.",
    ),
    "autograder": (
        "harness.cli.autograding:autograder",
        "Build an autograder for Gradescope, with the class's settings and versions.",
    ),
    "inspect": ("harness.cli.looking:inspect", "Show what a checkpoint holds, without executing anything of it."),
    "tasks": ("harness.cli.looking:tasks", "List the tasks."),
    "models": ("harness.cli.looking:models", "List the architectures that can be submitted as weights."),
    "assignments": ("harness.cli.looking:assignments", "List the assignments and their parts."),
    "doctor": (
        "harness.cli.looking:doctor",
        "Try what this machine has: isolation, data, threads, optional parts.",
    ),
    "data": ("harness.cli.looking:data", "Where the digits come from."),
    "reference": ("harness.cli.training:reference", "Train and evaluate the reference models."),
    "judge": ("harness.cli.training:judge", "Train and evaluate judges."),
}
"""Each command's "module:attribute", a function or a group of commands, and its summary in one line, by name."""


class _Deferred(TyperCommand):
    """A command of which only the name and the summary are known until it is called."""

    def __init__(self, name: str) -> None:
        self._reference, summary = COMMANDS[name]
        super().__init__(name, help=summary)

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """Import the command, and go on with it in the place of this one."""
        found = imported(self._reference)
        if not isinstance(found, typer.Typer):
            command, found = found, typer.Typer(add_completion=False, rich_markup_mode="rich")
            found.command(self.name)(command)
        return typer.main.get_command(found).make_context(*arguments, **settings)


class _Commands(TyperGroup):
    """The group of all commands, in the order of `COMMANDS`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name in COMMANDS:
            self.add_command(_Deferred(name))


app = typer.Typer(
    name="gradebench",
    cls=_Commands,
    help="Grade generative-model coursework on MNIST: safely, repeatably, with the uncertainty shown.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from harness.provenance import versions

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
    except SystemExit as ending:
        if ending.code == EXIT_INTERRUPTED:
            from harness.cli.interrupt import leave

            leave()
        raise
    except KeyboardInterrupt:
        typer.echo("interrupted; what is done is kept, and the same command goes on from there", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        from harness.cli import actions
        from harness.cli.console import fail
        from harness.run.settings import RequestError
        from harness.summary import EXIT_NOT_GRADABLE

        # A message may hold a stranger's text, in which a runner of GitHub Actions must find no commands.
        with actions.fenced() if actions.on_a_runner() else nullcontext():
            if isinstance(error, RequestError):
                sys.exit(fail(str(error)).exit_code)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                where = f"{error.filename}: " if error.filename else ""
                fail(f"{where}{error.strerror}. What is recorded is kept; once there is room, the same command goes on")
                sys.exit(EXIT_NOT_GRADABLE)
            # Exit code 1 means "below the pass mark", which a failure of the command must not be taken for.
            traceback.print_exc()
            sys.exit(EXIT_NOT_GRADABLE)
