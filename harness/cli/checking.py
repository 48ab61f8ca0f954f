"""The command that checks one submission, for its student and for CI."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from harness import assignments, scratch
from harness.cli import actions
from harness.cli.console import console, fail, note, print_json, print_reasons
from harness.cli.grading import (
    DataOption,
    FullOption,
    JsonOption,
    JudgeOption,
    TrustOption,
    conclude,
    grade_paths,
)
from harness.cli.reporting import exported, render, seen_by
from reports import exports

if TYPE_CHECKING:
    from harness.run.class_file import Found
    from harness.run.settings import Run
    from harness.types import Record


def check(
    path: Annotated[Path, typer.Argument(help="One submission: a folder or a zip.", show_default=False)],
    assignment: Annotated[
        str | None,
        typer.Option("--assignment", "-a", help=f"As for grade; else the class file's, or {assignments.DEFAULT}."),
    ] = None,
    data: DataOption = None,
    judge: JudgeOption = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of all questions; else the class file's, or 0.")
    ] = None,
    class_file: Annotated[
        Path | None,
        typer.Option(
            "--class-file", help="The class's settings; else gradebench-class.toml in the submission's folder."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Estimate on the first 500 test images, without a verdict.")
    ] = False,
    site_folder: Annotated[Path | None, typer.Option("--site", help="Write the submission's pages there.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit XML file, for CI.")] = None,
    export: Annotated[
        list[str] | None,
        typer.Option("--export", metavar="FORMAT=FILE", help="Write this, too (gradebench export lists formats)."),
    ] = None,
    full: FullOption = False,
    trust_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check one submission before the deadline: the verdict that the instructor's run gives.

    With a class file (gradebench class init), says whether that is so, or why it can't be. On a runner of GitHub
    Actions, writes annotations and the job summary.

    Example: [bold]gradebench check . --junit report.xml[/]
    """
    with ExitStack() as stack:
        on_a_runner = actions.on_a_runner()
        if on_a_runner:
            stack.enter_context(actions.fenced())
        if not path.exists():
            raise fail(f"{path}: no such file or folder")
        wanted = [_format_and_file(pair) for pair in export or []]
        if quick and (wanted or junit_file is not None or site_folder is not None):
            raise fail("--quick gives an estimate, no verdict: nothing is exported of it")
        found = _class_file(path, class_file)
        from harness.run import class_file as files
        from harness.run.prepare import Request
        from harness.run.quick import quick as on_few
        from harness.run.settings import RequestError
        from harness.summary import exit_code, exit_code_unmarked

        told: list[str] = []

        def adjusted(run: Run) -> Run:
            if found is not None:
                told.extend(files.differences(found, run))
                _tell_class(found, run, told)
            return on_few(run) if quick else run

        try:
            named = assignment or (found.assignment() if found is not None else assignments.DEFAULT)
        except RequestError as error:
            raise fail(str(error)) from error
        if seed is None:
            seed = found.settings.seed if found is not None and isinstance(found.settings.seed, int) else 0
        with scratch.folder("check") as folder:
            request = Request(named, folder, data, seed, judge, trust_code=trust_code, full=full)
            on_interrupt = "Interrupted. Nothing of a check is kept: check again."
            run, graded, _, seconds = grade_paths([path], request, "one", on_interrupt=on_interrupt, adjusted=adjusted)
            if site_folder is not None:
                render(graded, folder, site_folder, seen_by(False, True, None))
            if junit_file is not None:
                wanted.append(("junit", junit_file))
            _write(wanted, graded, folder)
        document = _class_document(found, told)
        if quick:
            _estimate(graded, as_json, document)
        else:
            conclude(run, graded, seconds, as_json, None, in_class=False, also=document)
        _tell_details(graded)
        code = exit_code_unmarked(_handed_in(graded)) if quick else exit_code(graded)
    if on_a_runner and not quick:
        outcome = {0: "all passed", 1: "not all passed", 3: "not all could be graded"}[code]
        actions.annotate(graded, f"{graded[0].name}: {outcome}")
        actions.summarise(graded, f"{graded[0].name}: {outcome}", told)
    raise typer.Exit(code)


def _format_and_file(pair: str) -> tuple[str, Path]:
    name, equals, file = pair.partition("=")
    if name not in exports.EXPORTS or not equals or not file:
        raise fail(f"--export {pair}: is to be FORMAT=FILE, with a format of {', '.join(exports.EXPORTS)}")
    return name, Path(file)


def _class_file(submission: Path, named: Path | None) -> Found | None:
    """The class file that was named, or that lies in the submission's folder. Ends the command for a broken one."""
    from harness.run.class_file import beside, read
    from harness.run.settings import RequestError

    try:
        return read(named, trusted=True) if named is not None else beside(submission)
    except RequestError as error:
        raise fail(str(error)) from error


def _tell_class(found: Found, run: Run, differences: list[str]) -> None:
    """Say whether the instructor's run will say the same, and why not."""
    from harness.run import class_file as files

    where = escape(str(found.path))
    if not differences:
        console.print(
            f"[green]as in class:[/] assignment, data, judge, seed and versions are those of {where}; the instructor's "
            "run says the same",
            highlight=False,
            soft_wrap=True,
        )
    else:
        console.print(
            f"[yellow]not as in class:[/] the instructor's run may say otherwise than this check ({where}):",
            highlight=False,
            soft_wrap=True,
        )
        for sentence in differences:
            console.print(f"  - {escape(sentence)}", highlight=False, soft_wrap=True)
    if varying := files.varying(run):
        note(f"{', '.join(varying)}: some questions are secret and new for each run; they look for answers by heart")
    if files.late(found.settings):
        note(f"the deadline has passed: {found.settings.deadline}")


def _class_document(found: Found | None, differences: list[str]) -> dict[str, Any]:
    """The part of the JSON document about the class file; empty where there is none."""
    if found is None:
        return {}
    deadline = found.settings.deadline
    told = {"same": not differences, "differences": differences, "deadline": deadline.isoformat() if deadline else None}
    return {"class": told}


def _handed_in(records: list[Record]) -> list[Record]:
    from harness.types import Status

    return [record for record in records if record.status is not Status.NOT_HANDED_IN]


def _write(wanted: list[tuple[str, Path]], graded: list[Record], results: Path) -> None:
    from reports.exports.grades import Options

    for name, file in wanted:
        exported(name, graded, file.parent, results, Options(file=file, tell=note))


def _estimate(graded: list[Record], as_json: bool, document: dict[str, Any]) -> None:
    """Print what a quick check measured. Says nothing of passing: that takes the whole test set."""
    from harness.cli.console import listing
    from harness.numbers import plain_interval, plain_number
    from harness.run.quick import IMAGES
    from harness.totals import primary_metric

    rows, parts = [], []
    for record in graded:
        metric = primary_metric(record)
        mark = record.score.pass_mark if record.score is not None else None
        value = plain_number(metric.value, metric.unit) if metric is not None else record.status.value.replace("-", " ")
        unit = metric.unit if metric is not None else ""
        rows.append(
            (
                record.part,
                value,
                plain_interval(metric, "–") if metric is not None else "-",
                plain_number(mark, unit) if metric is not None and mark is not None else "-",
                metric.n if metric is not None else "-",
            )
        )
        measured = metric is not None and {"value": metric.value, "low": metric.low, "high": metric.high, "n": metric.n}
        parts.append(
            {"part": record.part, "status": record.status.value, "pass_mark": mark, "estimate": measured or None}
        )
    console.print(listing(("part", "estimate", "95 % interval", "pass mark", "n"), rows))
    print_reasons([record for record in graded if record.score is None])
    console.print(
        f"[yellow]estimate, no verdict:[/] measured on at most the first {IMAGES} test images. `gradebench check` "
        "without --quick gives the verdict.",
        highlight=False,
        soft_wrap=True,
    )
    if as_json:
        print_json({"schema": 1, "estimate": True, "images": IMAGES, "parts": parts, **document})


def _tell_details(graded: list[Record]) -> None:
    for record in graded:
        for sentence in record.notes:
            console.print(f"[dim]{escape(record.part)}:[/] {escape(sentence)}", highlight=False)
        if record.failure is not None and record.failure.detail:
            console.print(f"[bold]{escape(record.part)}, in detail[/]")
            console.print(escape(record.failure.detail), highlight=False, soft_wrap=True)
