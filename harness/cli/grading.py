"""Commands that grade, and that render what was graded."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from classifiers.judge import Judge
from classifiers.weights_file import WeightsError
from harness import grade as run_module
from harness import intake, mnist, records, rubric
from harness.cli.console import console, fail, print_json, print_reasons, progress, results_table
from harness.grade import House, Run
from harness.rubric import Assignment, AssignmentError, Part
from harness.sandbox import probe
from harness.summary import EXIT_NOT_GRADABLE, exit_code, summary
from harness.tasks import TASKS, Context, official_inpainting
from harness.types import HOUSE, GradingError, Record, Submission
from reference import MODELS, architecture
from reports import csv_export, junit, site
from submissions import examples

DEFAULT_ASSIGNMENT = "tsinghua-hw3"

AssignmentOption = Annotated[
    str, typer.Option("--assignment", "-a", help="Name (gradebench assignments) or TOML file of the assignment.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder with the four MNIST IDX files; else see `gradebench data status`.")
]
JudgeOption = Annotated[Path | None, typer.Option("--judge", help="Weight file of a private judge.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Submissions graded side by side.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all questions.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
TrustOption = Annotated[
    bool, typer.Option("--trust-code", help="Run student code even where it can't be isolated. Stamps NOT ISOLATED.")
]


class Export(StrEnum):
    """Formats that `report --export` writes beside the pages."""

    CSV = "csv"
    JUNIT = "junit"


def demo(
    site_folder: Annotated[Path, typer.Option("--site", help="Where the pages go.")] = Path("gradebench-demo"),
    data: DataOption = None,
    jobs: JobsOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Grade a small class of example submissions and write its leaderboard.

    Needs no network and no MNIST. Example: [bold]gradebench demo --site demo[/]
    """
    with tempfile.TemporaryDirectory(prefix="gradebench-demo-") as folder:
        classroom = Path(folder) / "class"
        examples.build(classroom)
        wanted = Request(
            DEFAULT_ASSIGNMENT, site_folder / "records", data, seed=0, jobs=jobs, fresh=True, house="baselines"
        )
        run, graded, house, seconds = _grade([classroom], wanted)
    index = _render(graded + house, site_folder / "records", site_folder)
    _conclude(run, graded, seconds, as_json, index)
    # The class holds broken submissions on purpose: that they are refused is the demonstration's success.


def grade(
    paths: Annotated[list[Path], typer.Argument(help="Folders, zips or LMS exports.", show_default=False)],
    assignment: AssignmentOption = DEFAULT_ASSIGNMENT,
    results: Annotated[Path, typer.Option("--results", help="Where the records go.")] = Path("results"),
    site_folder: Annotated[Path | None, typer.Option("--site", help="Write the pages there, too.")] = None,
    data: DataOption = None,
    judge: JudgeOption = None,
    jobs: JobsOption = 2,
    seed: SeedOption = 0,
    only: Annotated[list[str] | None, typer.Option("--only", help="Grade this submission id alone.")] = None,
    task: Annotated[list[str] | None, typer.Option("--task", help="Grade this task alone.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Grade again what is graded already.")] = False,
    house: Annotated[
        bool, typer.Option("--house/--no-house", help="Grade trivial baselines and reference models, too, unranked.")
    ] = True,
    trust_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grade submissions; what is graded already is not graded again.

    Exit code 0: all passed. 1: something is below its pass mark. 2: usage. 3: something could not be graded.

    Example: [bold]gradebench grade handed-in.zip --results results --site site[/]
    """
    for path in paths:
        if not path.exists():
            raise fail(f"{path}: no such file or folder")
    rows: House = "all" if house else "none"
    wanted = Request(assignment, results, data, seed, judge, jobs, fresh, trust_code, only or [], task or [], rows)
    run, graded, _, seconds = _grade(paths, wanted)
    _conclude(run, graded, seconds, as_json, None)
    if site_folder is not None:
        try:
            index = _render(records.load_all(results), results, site_folder)
        except records.RecordError as error:
            raise fail(f"no pages were written: {error}", EXIT_NOT_GRADABLE) from error
        console.print(f"pages: {escape(str(index))}", highlight=False, soft_wrap=True)
    raise typer.Exit(exit_code(graded))


def check(
    path: Annotated[Path, typer.Argument(help="One submission: a folder or a zip.", show_default=False)],
    assignment: AssignmentOption = DEFAULT_ASSIGNMENT,
    data: DataOption = None,
    judge: JudgeOption = None,
    seed: SeedOption = 0,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit XML file, for CI.")] = None,
    trust_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check one submission before the deadline: the verdict that the instructor's run gives.

    Example: [bold]gradebench check . --junit report.xml[/]
    """
    if not path.exists():
        raise fail(f"{path}: no such file or folder")
    with tempfile.TemporaryDirectory(prefix="gradebench-check-") as folder:
        wanted = Request(assignment, Path(folder), data, seed, judge, trust_code=trust_code)
        run, graded, _, seconds = _grade([path], wanted, single=True)
    if junit_file is not None:
        junit.write(graded, junit_file)
    _conclude(run, graded, seconds, as_json, None)
    for record in graded:
        for note in record.notes:
            console.print(f"[dim]{escape(record.part)}:[/] {escape(note)}", highlight=False)
        if record.failure is not None and record.failure.detail:
            console.print(f"[bold]{escape(record.part)}, in detail[/]")
            console.print(escape(record.failure.detail), highlight=False, soft_wrap=True)
    raise typer.Exit(exit_code(graded))


def report(
    results: Annotated[Path, typer.Argument(help="Folder of records.", show_default=False)],
    site_folder: Annotated[Path, typer.Option("--site", help="Where the pages go.")] = Path("site"),
    export: Annotated[list[Export] | None, typer.Option("--export", help="Write this format, too.")] = None,
) -> None:
    """Render pages from records; grades nothing.

    Example: [bold]gradebench report results --site site --export csv[/]
    """
    if not results.is_dir():
        raise fail(f"{results}: no such folder")
    try:
        known = records.load_all(results)
    except records.RecordError as error:
        raise fail(str(error)) from error
    if not known:
        raise fail(f"{results}: holds no records; `gradebench grade PATH --results {results}` makes some")
    index = _render(known, results, site_folder)
    for wanted in export or []:
        if wanted is Export.CSV:
            csv_export.to_csv(known, site_folder / "scores.csv")
        else:
            junit.write(known, site_folder / "junit.xml")
    console.print(f"{len(known)} records; pages: {escape(str(index))}", highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Request:
    """What the options of a command say of a run."""

    assignment: str
    results: Path
    data: Path | None
    seed: int
    judge: Path | None = None
    jobs: int = 1
    fresh: bool = False
    trust_code: bool = False
    only: Sequence[str] = ()
    tasks: Sequence[str] = ()
    house: House = "none"


def prepare(request: Request) -> Run:
    """All that a run needs, or an error that says what is wrong with it."""
    if unknown := [name for name in request.tasks if name not in TASKS]:
        raise fail(f"--task {unknown[0]}: no such task; there are {', '.join(TASKS)}")
    private = request.judge is not None
    try:
        chosen: Assignment = rubric.find(request.assignment)
        digits = mnist.load(request.data)
        official = official_inpainting.read(request.data or Path(os.environ.get(mnist.VARIABLE) or mnist.cache()))
        public = Judge.shipped()
        referee = Judge.read(request.judge) if request.judge is not None else public
    except (AssignmentError, WeightsError) as error:
        raise fail(str(error)) from error
    except GradingError as error:
        raise fail(error.failure.message) from error
    trained_on(referee)
    if unknown := [part.task for part in chosen.part if part.task not in TASKS]:
        raise fail(f"assignment {chosen.name}: no such task: {unknown[0]}; there are {', '.join(TASKS)}")
    for part in chosen.part:
        _check_part(chosen, part)
    try:
        request.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail(f"--results {request.results}: {error.strerror}") from error
    return Run(
        Context(digits, referee, request.seed, public if private else None, official),
        chosen,
        request.results,
        probe(),
        request.jobs,
        request.fresh,
        request.trust_code,
        only=frozenset(request.only),
        tasks=frozenset(request.tasks),
        house=request.house,
    )


def trained_on(referee: Judge) -> None:
    """Say so where a judge has not seen what it is to judge."""
    if referee.facts.data != "mnist":
        console.print(
            f"[yellow]note:[/] this judge was trained on {escape(referee.facts.data)}, not on MNIST",
            highlight=False,
            soft_wrap=True,
        )


def _check_part(assignment: Assignment, part: Part) -> None:
    """An error that names what a part asks for and its task does not have."""
    task = TASKS[part.task]
    for kind, named, allowed in (("gate", part.gates, task.gates), ("model", part.models, task.models)):
        if unknown := [name for name in named if name not in allowed]:
            known = ", ".join(allowed)
            raise fail(f"assignment {assignment.name}: part {part.id}: no {kind} {unknown[0]!r}; there are {known}")


@contextmanager
def collected(paths: Sequence[Path], single: bool = False) -> Iterator[list[Submission]]:
    """The submissions below `paths`; archives are unpacked into a folder that is removed afterwards."""
    work = Path(tempfile.mkdtemp(prefix="gradebench-intake-"))
    try:
        allowed = {name: architecture(name).options for name in MODELS}
        try:
            found = intake.collect(paths, work, tasks=TASKS, models=allowed)
        except GradingError as error:
            raise fail(error.failure.message) from error
        if single and len(found) != 1:
            raise fail(f"{paths[0]}: {len(found)} submissions found; `check` takes one, `grade` takes many")
        yield found
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _grade(
    paths: Sequence[Path], request: Request, single: bool = False
) -> tuple[Run, list[Record], list[Record], float]:
    """The run, the records of the submissions, those of the house rows, and the seconds that it took."""
    started = time.monotonic()
    run = prepare(request)
    if run.context.data.name != "mnist":
        console.print(f"[yellow]note:[/] {escape(run.context.data.source)}", highlight=False, soft_wrap=True)
    if run.isolation.notice:
        console.print(f"[yellow]note:[/] {escape(run.isolation.notice)}", highlight=False, soft_wrap=True)
    with collected(paths, single) as submissions:
        if unknown := sorted(run.only - {s.id for s in submissions}):
            raise fail(f"--only {unknown[0]}: no such submission; there are {', '.join(s.id for s in submissions)}")
        total = run_module.count(submissions, run)
        if total == 0:
            named = ", ".join(shlex.quote(str(path)) for path in paths)
            raise fail(f"{named}: nothing to grade for the assignment {run.assignment.name}")
        with progress("grading") as bar:
            bar(0, total, "")
            done = 0

            def on_record(record: Record, known: bool) -> None:
                nonlocal done
                done += 1
                bar(done, total, f"{record.submission} · {record.part}{' (known)' if known else ''}")

            graded = run_module.grade(submissions, run, on_record)
    own = [record for record in graded if not record.submission.startswith(HOUSE)]
    house = [record for record in graded if record.submission.startswith(HOUSE)]
    return run, own, house, time.monotonic() - started


def _render(known: list[Record], results: Path, folder: Path) -> Path:
    with progress("pages") as bar:
        return site.render(known, results, folder, lambda done, total: bar(done, total, ""))


def _conclude(run: Run, graded: list[Record], seconds: float, as_json: bool, index: Path | None) -> None:
    console.print(results_table(graded))
    print_reasons(graded)
    data = run.context.data
    console.print(
        f"{len(graded)} graded in {seconds:.1f} s · data {data.name} · isolation {run.isolation.level}"
        + (f" · pages: {escape(str(index))}" if index is not None else ""),
        highlight=False,
        soft_wrap=True,
    )
    if as_json:
        print_json(summary(graded, run.assignment, data, run.isolation.level, seconds))
