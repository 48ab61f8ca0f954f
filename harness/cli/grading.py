"""Commands that grade, and that mark kept answers again."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness import assignments, scratch
from harness.cli.console import console, fail, note, print_json, print_reasons, progress, results_table
from harness.cli.live import shown
from harness.cli.reporting import (
    HideOption,
    LeaveOutOption,
    NamesOption,
    StaffOption,
    TeamsOption,
    graded_in,
    hide,
    kept_teams,
    render,
    seen_by,
    told,
)
from harness.cli.running import grade_class
from harness.run.executors import DEFAULT, EXECUTORS

# All else is imported where it is used, so that the help of a command is printed at once.
if TYPE_CHECKING:
    from classifiers.facts import Facts
    from harness.intake.forms import Form
    from harness.ranking.intervals import Rank
    from harness.run.plan import Plan
    from harness.run.prepare import Request
    from harness.run.settings import Beside, Run
    from harness.types import Record, Submission

AssignmentOption = Annotated[
    str,
    typer.Option(
        "--assignment", "-a", help="Name (gradebench assignments), TOML file, or folder with assignment.toml."
    ),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder with the four MNIST IDX files; else see `gradebench data status`.")
]
RecordedAssignmentOption = Annotated[
    str | None,
    typer.Option("--assignment", "-a", help="As for grade; else the one that the records name.", show_default=False),
]
JudgeOption = Annotated[Path | None, typer.Option("--judge", help="Weight file of a private judge.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Submissions graded side by side.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all questions.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
FullOption = Annotated[
    bool, typer.Option("--full", help="Measure all of the samples that can be measured: seconds more an entry.")
]
TrustOption = Annotated[
    bool, typer.Option("--trust-code", help="Run student code even where it can't be isolated. Stamps NOT ISOLATED.")
]
ResultsOption = Annotated[Path, typer.Option("--results", help="Where the records go.")]
SiteOption = Annotated[Path | None, typer.Option("--site", help="Write the pages there, too.")]
ReferencesOption = Annotated[
    bool,
    typer.Option(
        "--references/--no-references",
        "--house/--no-house",
        help="Grade trivial baselines and reference models, too, unranked.",
    ),
]
KeepAnswersOption = Annotated[
    bool,
    typer.Option("--keep-answers", help="Keep answers of any size, to mark them again (gradebench mark)."),
]
EarlierOption = Annotated[
    list[Path] | None,
    typer.Option("--earlier", help="Results of an earlier class, to find copies of its work, too.", show_default=False),
]
TimingOption = Annotated[
    bool,
    typer.Option("--timing", help="Time the models, too, up to half a minute each, after the class is graded."),
]
ExecutorOption = Annotated[
    str, typer.Option("--executor", help="; ".join(f"{name}: {said}" for name, (_, said) in EXECUTORS.items()))
]
SchedulerOption = Annotated[
    str, typer.Option("--scheduler", help="Address of a cluster's scheduler, tls://HOST:PORT.", show_default=False)
]


def demo(
    site_folder: Annotated[Path, typer.Option("--site", help="Where the pages go.")] = Path("gradebench-demo"),
    data: DataOption = None,
    jobs: JobsOption = 2,
    staff: StaffOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grade a small class of example submissions and write its leaderboard.

    Needs no network and no MNIST. Example: [bold]gradebench demo --site demo[/]
    """
    from harness import records
    from harness.run.prepare import Request
    from submissions import examples

    with scratch.folder("demo") as folder:
        classroom = folder / "class"
        examples.build(classroom)
        # Shipped models are the class, so it is compared with none.
        wanted = Request(
            assignments.DEFAULT, site_folder / "records", data, seed=0, jobs=jobs, fresh=True, beside="baselines",
            compare_shipped=False,
        )  # fmt: skip
        for former in records.load_all(site_folder / "records").records:
            records.remove(site_folder / "records", former)
        run, graded, beside, seconds = grade_paths(
            [classroom], wanted, on_interrupt="Interrupted. Nothing of the demonstration is kept."
        )
    index = render(graded + beside, site_folder / "records", site_folder, seen_by(staff, None, None))
    conclude(run, graded, seconds, as_json, index)
    # The class holds broken submissions on purpose: that they are refused is the demonstration's success.


def grade(
    paths: Annotated[list[Path], typer.Argument(help="Folders, zips or LMS exports.", show_default=False)],
    assignment: AssignmentOption = assignments.DEFAULT,
    results: ResultsOption = Path("results"),
    site_folder: SiteOption = None,
    staff: StaffOption = False,
    names: NamesOption = None,
    leave_out: LeaveOutOption = None,
    hide_until: HideOption = None,
    teams_file: TeamsOption = None,
    earlier: EarlierOption = None,
    data: DataOption = None,
    judge: JudgeOption = None,
    jobs: JobsOption = 2,
    seed: SeedOption = 0,
    only: Annotated[list[str] | None, typer.Option("--only", help="Grade this submission id alone.")] = None,
    task: Annotated[list[str] | None, typer.Option("--task", help="Grade this task alone.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Grade again what is graded already.")] = False,
    references: ReferencesOption = True,
    one: Annotated[bool, typer.Option("--one", help="Take each path as one submission, whatever it holds.")] = False,
    class_: Annotated[
        bool, typer.Option("--class", help="Take each path as a class: every child is a hand-in.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", help="A submission.toml for one folder, which stays untouched (gradebench adopt)."),
    ] = None,
    moved: Annotated[
        bool, typer.Option("--moved", help="The hand-ins' folder has moved: their records stay theirs.")
    ] = False,
    keep_answers: KeepAnswersOption = False,
    timing: TimingOption = False,
    full: FullOption = False,
    trust_code: TrustOption = False,
    executor: ExecutorOption = DEFAULT,
    scheduler: SchedulerOption = "",
    as_json: JsonOption = False,
) -> None:
    """Grade submissions; what is graded already is not graded again. Ctrl-C loses only what is under way.

    Baselines and reference models are graded after the class, once on a machine; pages are there before. A model has 5
    minutes for the answer to each question, or what its task allows, or its part's [bold]deadline[/] in the assignment.

    Exit code 0: all passed. 1: something is below its pass mark. 2: usage. 3: something could not be graded.

    Example: [bold]gradebench grade handed-in.zip --results results --site site[/]
    """
    from harness.run.prepare import Request
    from harness.summary import exit_code

    for path in paths:
        if not path.exists():
            raise fail(f"{path}: no such file or folder")
    beside: Beside = "all" if references else "none"
    audience = seen_by(staff, names, leave_out)
    wanted = Request(
        assignment,
        results,
        data,
        seed,
        judge,
        jobs,
        fresh,
        trust_code,
        only or [],
        task or [],
        beside,
        keep_answers,
        moved,
        executor,
        scheduler,
        timing,
        full,
        earlier or [],
    )
    if one and class_:
        raise fail("--one and --class: choose one of them")
    if manifest is not None and (len(paths) != 1 or not paths[0].is_dir() or not manifest.is_file()):
        raise fail(f"--manifest {manifest}: is a file for one folder")
    form: Form = "one" if one else "class" if class_ else "auto"

    def after_class(run: Run, graded: list[Record], seconds: float) -> None:
        remember_run(results)
        conclude(run, graded, seconds, as_json, None)

    def pages() -> None:
        if site_folder is not None:
            index = render(graded_in(results), results, site_folder, audience)
            console.print(f"pages: {escape(str(index))}", highlight=False, soft_wrap=True)

    def before_asking() -> None:
        pages()
        console.print(
            "The class is graded. Baselines and reference models follow, once on this machine; Ctrl-C leaves them for "
            "another time.",
            highlight=False,
            soft_wrap=True,
        )

    beside_paths = [site_folder] if site_folder is not None else []

    def settled(run: Run) -> Run:
        hide(results, [run.assignment.name], run.assignment.hide_until, hide_until)
        kept_teams(results, teams_file)
        keep_earlier(run)
        return run

    _, graded, _, _ = grade_paths(
        paths, wanted, form, beside_paths, manifest, after_class, before_asking, adjusted=settled
    )
    pages()
    raise typer.Exit(exit_code(graded))


def keep_earlier(run: Run) -> None:
    """Keep the list of earlier classes, or end the command where it can't be written."""
    from harness.run import earlier

    try:
        earlier.keep(run.results, run.earlier)
    except OSError as error:
        raise fail(f"{run.results / earlier.FILE}: can't be written: {error.strerror}") from error


def remember_run(results: Path) -> None:
    """Add the class's totals, in teams where it has some, to the runs so far."""
    from reports import history
    from reports.teams import joined

    try:
        history.remember(results, joined(graded_in(results), kept_teams(results)).records)
    except OSError as error:
        note(f"{results / history.FILE}: could not be written: {error.strerror}")


def adopt(
    folder: Annotated[Path, typer.Argument(help="A student's repository.", show_default=False)],
    assignment: AssignmentOption = assignments.DEFAULT,
    data: DataOption = None,
) -> None:
    """Print the submission.toml that would grade a repository, with the likeliest files filled in.

    Checkpoints are opened without executing anything.

    Example: [bold]gradebench adopt repo -a ucl-hw4 > m.toml[/], then [bold]gradebench grade repo --manifest m.toml[/]
    """
    from harness.run.adopt import adopt as adopt_folder
    from harness.run.prepare import Request
    from harness.types import GradingError

    if not folder.is_dir():
        raise fail(f"{folder}: no such folder")
    with scratch.folder("adopt") as results:
        run = prepared(Request(assignment, results, data, 0))
        try:
            with progress("opening checkpoints") as bar:
                found = adopt_folder(folder, run, bar)
        except GradingError as error:
            raise fail(error.failure.message, 1) from error
    for sentence in found.notes:
        note(sentence)
    typer.echo("\n".join(found.lines))
    console.print(f"{found.found} of {len(run.assignment.part)} parts have a file", highlight=False)
    raise typer.Exit(0 if found.found else 1)


def mark(
    results: Annotated[Path, typer.Argument(help="Folder of records.", show_default=False)],
    judge: JudgeOption = None,
    assignment: RecordedAssignmentOption = None,
    data: DataOption = None,
    ask: Annotated[
        list[Path] | None,
        typer.Option("--ask", help="Hand-ins: ask these models again where answers were not kept.", show_default=False),
    ] = None,
    jobs: JobsOption = 2,
    full: Annotated[
        bool, typer.Option("--full", help="As for grade; without it, of each record, as it was graded.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Mark kept answers again, without a model: with another judge, or after a threshold has changed.

    Answers of up to 8 MB an entry are kept by default, larger ones by [bold]grade --keep-answers[/]. Exit code 3: some
    entries would have to be asked again; they are named, and nothing of theirs has changed.

    Example: [bold]gradebench mark results --judge my-judge/judge.safetensors[/]
    """
    from harness import records
    from harness.run import run as run_module
    from harness.run.plan import plans
    from harness.run.prepare import Request
    from harness.run.remark import remark
    from harness.summary import EXIT_NOT_GRADABLE, exit_code
    from harness.types import Role

    if not results.is_dir():
        raise fail(f"{results}: no such folder")
    known = [record for record in told(records.load_all(results)) if record.role is Role.STUDENT]
    if not known:
        raise fail(f"{results}: holds no records; `gradebench grade PATH --results {results}` makes some")
    named = sorted({record.assignment for record in known})
    if assignment is None and len(named) > 1:
        raise fail(f"{results}: holds records of {', '.join(named)}; choose one by --assignment")
    started = time.monotonic()
    marked, to_ask, run = [], [], None
    for seed, fully in sorted({(record.seed, full or record.full) for record in known}):
        run = prepared(Request(assignment or named[0], results, data, seed, judge, jobs, full=fully))
        with progress("marking") as bar:
            own = [record for record in known if (record.seed, full or record.full) == (seed, fully)]
            found = remark(own, run, partial(_told, bar, len(own)))
        marked += found.records
        to_ask += found.to_ask
        for record in found.elsewhere:
            note(
                f"{record.submission} · {record.part}: not marked; it is of the assignment {record.assignment} and "
                f"data {record.data}, and this marks {run.assignment.name} on {run.context.data.name}"
            )
        console.print(f"{len(found.records)} marked, {found.changed} changed", highlight=False)
        if found.to_ask and ask:
            only = tuple({record.submission for record in found.to_ask})
            with collected(ask, run) as submissions:
                again = replace(run, only=frozenset(only))
                planned = plans(submissions, again)
                with shown("grading", planned, again.activity, again.jobs) as on_record:
                    graded = run_module.grade(submissions, again, on_record, planned=planned)
                marked += [r for r in graded if r.role is Role.STUDENT]
            to_ask = [record for record in to_ask if record not in found.to_ask]
    if run is None:
        raise AssertionError
    for record in to_ask:
        console.print(
            f"[bold]{escape(record.submission)} · {escape(record.part)}[/]  its answers were not kept: it would have "
            "to be asked again; give its hand-in by --ask PATH",
            highlight=False,
            soft_wrap=True,
        )
    conclude(run, marked, time.monotonic() - started, as_json, None)
    raise typer.Exit(EXIT_NOT_GRADABLE if to_ask else exit_code(marked))


def _told(bar: Callable[[int, int, str], None], of: int, done: int, record: Record) -> None:
    bar(done, of, f"{record.submission} · {record.part}")


def prepared(request: Request) -> Run:
    """Prepare a run, or end the command with what is wrong."""
    from harness.run.prepare import RequestError, prepare

    try:
        return prepare(request)
    except RequestError as error:
        raise fail(str(error)) from error


def trained_on(facts: Facts) -> None:
    """Say so where a judge has not seen what it is to judge."""
    if facts.data != "mnist":
        note(f"this judge was trained on {facts.data}, not on MNIST")


@contextmanager
def collected(
    paths: Sequence[Path],
    run: Run,
    form: Form = "auto",
    beside: Sequence[Path] = (),
    manifest: Path | None = None,
    on_note: Callable[[str], None] = note,
    chosen: Callable[[str], bool] | None = None,
) -> Iterator[list[Submission]]:
    """Yield the submissions below `paths`; archives are unpacked into a folder that is removed afterwards.

    `chosen` decides by a name in a class's folder whether its hand-in is read.
    """
    from harness import intake
    from harness.run.places import PlaceError, placed
    from harness.types import GradingError

    with scratch.folder("intake") as work:
        try:
            if manifest is not None:
                tasks, models = run.coursework.tasks, run.coursework.models
                yield placed([intake.with_manifest(paths[0], manifest, work, tasks=tasks, models=models)], run)
                return
            found = intake.collect(
                paths,
                work,
                tasks=run.coursework.tasks,
                models=run.coursework.models,
                form=form,
                on_note=on_note,
                beside=[run.results, *beside],
                **({} if chosen is None else {"chosen": chosen}),
            )
            yield placed(found, run)
        except GradingError as error:
            raise fail(error.failure.message) from error
        except PlaceError as error:
            raise fail(str(error)) from error


def grade_paths(
    paths: Sequence[Path],
    request: Request,
    form: Form = "auto",
    beside: Sequence[Path] = (),
    manifest: Path | None = None,
    after_class: Callable[[Run, list[Record], float], None] | None = None,
    before_asking: Callable[[], None] | None = None,
    on_interrupt: str = "",
    adjusted: Callable[[Run], Run] = lambda run: run,
    on_note: Callable[[str], None] = note,
    chosen: Callable[[str], bool] | None = None,
) -> tuple[Run, list[Record], list[Record], float]:
    """The run, the records of the submissions, those of baselines and reference models, and the seconds it took.

    `after_class` is called with the class's records, and `before_asking` before the first baseline or reference model
    is asked that is not known from another run. `on_interrupt` is said after Ctrl-C, where records are not kept.
    `adjusted` changes the run before anything is asked. `chosen` decides by a name in a class's folder whether its
    hand-in is graded; where there is none, nothing is.
    """
    from classifiers.deferred import DeferredJudge
    from harness.run.executors.interface import ExecutorError
    from harness.run.plan import plans

    started = time.monotonic()
    run = adjusted(prepared(request))
    if isinstance(run.context.judge, DeferredJudge):
        trained_on(run.context.judge.facts)
    for sentence in (run.context.data.source if run.context.data.name != "mnist" else "", run.isolation.notice):
        if sentence:
            on_note(sentence)
    beside = [*beside, *([request.data] if request.data is not None else [])]
    with collected(paths, run, form, beside, manifest, on_note, chosen) as submissions:
        if chosen is not None and not submissions:
            return run, [], [], time.monotonic() - started
        if unknown := sorted(run.only - {s.id for s in submissions}):
            raise fail(f"--only {unknown[0]}: no such submission; there are {', '.join(s.id for s in submissions)}")
        planned = plans(submissions, run)
        if not planned:
            named = ", ".join(shlex.quote(str(path)) for path in paths)
            raise fail(f"{named}: nothing to grade for the assignment {run.assignment.name}")
        if run.keep_answers:
            _tell_size(planned, run)
        try:
            graded, found = grade_class(
                planned,
                run,
                after_class=lambda own: after_class(run, own, time.monotonic() - started) if after_class else None,
                before_asking=before_asking,
                on_interrupt=on_interrupt,
            )
        except ExecutorError as error:
            raise fail(str(error)) from error
    return run, graded, found, time.monotonic() - started


def _tell_size(planned: Sequence[Plan], run: Run) -> None:
    """Say how much room the answers will take at most."""
    from harness.run import kept
    from harness.run.questions import Questions
    from harness.types import Kind

    questions, sizes, total, entries = Questions(run), dict[str, int](), 0, 0
    for plan in planned:
        for each in plan:
            if each.failure is not None:
                continue
            task = run.coursework.task(each.entry.task)
            if each.entry.kind is Kind.OUTPUTS:
                size = sum(spec.nbytes for spec in (task.outputs or {}).values())
            else:
                key = f"{task.name}/{each.entry.part}"
                if key not in sizes:
                    sizes[key] = kept.asked_bytes(questions.of(task, each.entry))
                size = sizes[key]
            total, entries = total + size, entries + 1
    console.print(
        f"keeping the answers of {entries} entries: up to {total / 1e6:,.0f} MB in {escape(str(run.results))}, "
        "before compression",
        highlight=False,
        soft_wrap=True,
    )


def conclude(
    run: Run,
    graded: list[Record],
    seconds: float,
    as_json: bool,
    index: Path | None,
    in_class: bool = True,
    also: Mapping[str, object] | None = None,
) -> None:
    """Print the table of results, the reasons, and with `as_json` the summary; ranks where there is a class.

    `also` is added to the summary.
    """
    from harness.summary import summary

    data = run.context.data
    ranks = _ranks(run) if in_class else {}
    graded = sorted(graded, key=lambda record: (record.submission, record.order, record.part))
    console.print(results_table(graded, ranks))
    print_reasons(graded)
    console.print(
        f"{len(graded)} graded in {seconds:.1f} s · data {data.name} · isolation {run.isolation.level}"
        + (f" · pages: {escape(str(index))}" if index is not None else ""),
        highlight=False,
        soft_wrap=True,
    )
    if as_json:
        print_json(summary(graded, run.assignment, data, run.isolation.level, seconds, ranks) | dict(also or {}))


def _ranks(run: Run) -> dict[tuple[str, str], Rank]:
    """The ranks of the class that the results folder holds, by submission and part."""
    from harness import decisions, records
    from reports.leaderboard import places

    of = (run.assignment.name, run.context.data.name)
    made = decisions.load_all(run.results)
    for problem in made.problems:
        note(f"passed over: {problem}")
    known = decisions.applied_to(records.load_all(run.results).records, made.decisions)
    known = [record for record in known if (record.assignment, record.data) == of]
    return places(known, run.results)
