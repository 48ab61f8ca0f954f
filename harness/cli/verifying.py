"""The command that grades hand-ins again and compares with the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness import scratch
from harness.cli.console import console, fail, listing, note, print_json
from harness.cli.grading import (
    DataOption,
    JobsOption,
    JsonOption,
    JudgeOption,
    RecordedAssignmentOption,
    TrustOption,
    collected,
    prepared,
)
from harness.cli.live import shown
from harness.cli.reporting import told

if TYPE_CHECKING:
    from harness.run.prepare import Request
    from harness.run.verify import Verified
    from harness.types import Record

EXIT_EQUAL, EXIT_DIFFERS, EXIT_NOT_VERIFIED = 0, 1, 3


def verify(
    results: Annotated[Path, typer.Argument(help="Folder of records.", show_default=False)],
    paths: Annotated[list[Path], typer.Argument(help="The hand-ins, as for grade.", show_default=False)],
    only: Annotated[list[str] | None, typer.Option("--only", help="Verify this submission id alone.")] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Verify so many entries, drawn by chance.")
    ] = None,
    draw: Annotated[int, typer.Option("--draw", min=0, help="Seed of the draw of --sample.")] = 0,
    assignment: RecordedAssignmentOption = None,
    data: DataOption = None,
    judge: JudgeOption = None,
    jobs: JobsOption = 2,
    trust_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grade hand-ins again and compare with the records: equal, or what differs.

    Kept answers are not used, and no record changes. On the same machine, with the same versions, all numbers must be
    equal; else they may differ by a stated tolerance. Seed and --full are those of each record; give --judge as it was
    given to grade.

    Exit code 0: all equal. 1: something differs. 2: usage. 3: something could not be verified, and nothing differs.

    Example: [bold]gradebench verify results handed-in.zip --sample 20[/]
    """
    from harness import records
    from harness.run.prepare import Request
    from harness.run.verify import chosen
    from harness.secret import FILE

    if not results.is_dir():
        raise fail(f"{results}: no such folder")
    for path in paths:
        if not path.exists():
            raise fail(f"{path}: no such file or folder")
    known = told(records.load_all(results))
    to_verify = chosen(known, only or (), sample, draw)
    if not to_verify:
        raise fail(f"{results}: holds no records of hand-ins{' of ' + ', '.join(only) if only else ''}")
    named = sorted({record.assignment for record in to_verify})
    if assignment is None and len(named) > 1:
        raise fail(f"{results}: holds records of {', '.join(named)}; choose one by --assignment")
    found: list[Verified] = []
    # Of a folder without a secret seed none is made: nothing is written there.
    secret_from = results if (results / FILE).exists() else None
    with scratch.folder("verify") as folder:
        for seed, full in sorted({(record.seed, record.full) for record in to_verify}):
            request = Request(
                assignment or named[0], folder / f"{seed}-{full}", data, seed, judge, jobs, True, trust_code, full=full,
                secret_from=secret_from,
            )  # fmt: skip
            own = [record for record in to_verify if (record.seed, record.full) == (seed, full)]
            found += _verified(own, paths, request, results)
    _conclude(found, as_json)


def _verified(known: Sequence[Record], paths: Sequence[Path], request: Request, results: Path) -> list[Verified]:
    """Grade the hand-ins of some records, of one seed and measured as fully, again, and compare."""
    from harness.run import run as run_module
    from harness.run.identity import identity
    from harness.run.verify import compared, planned_again

    run = prepared(request)
    own = [record for record in known if record.assignment == run.assignment.name]
    for record in known:
        if record not in own:
            note(f"{record.submission} · {record.part}: not verified; it is of the assignment {record.assignment}")
    with collected(paths, run, beside=[results]) as submissions:
        planned = planned_again(own, submissions, run)
        with shown("verifying", planned, run.activity, run.jobs) as on_record:
            graded = run_module.grade((), run, on_record, planned=planned) if planned else []
    now = {identity(record): record for record in graded}
    return [compared(record, now.get(identity(record))) for record in own]


def _conclude(found: Sequence[Verified], as_json: bool) -> None:
    """Print differences and what could not be verified; ends the command with its exit code."""
    outcomes = Counter(one.outcome for one in found)
    rows = [
        (one.record.submission, one.record.part, each.what, each.recorded, each.now, each.allowed)
        for one in found
        for each in one.differences
    ]
    if as_json:
        print_json(_document(found))
    elif rows:
        from rich.console import Console

        Console().print(listing(("submission", "part", "what", "recorded", "now", "allowed"), rows))
    for one in found:
        if one.outcome == "not verified":
            where = f"[bold]{escape(one.record.submission)} · {escape(one.record.part)}[/]"
            console.print(f"{where}  not verified: {escape(one.reason)}", highlight=False, soft_wrap=True)
    for said, count in Counter(said for one in found for said in one.otherwise).items():
        note(f"{count} of {len(found)}: {said}")
    console.print(
        f"{outcomes['equal']} equal, {outcomes['differs']} differ, {outcomes['not verified']} not verified",
        highlight=False,
    )
    if outcomes["differs"]:
        raise typer.Exit(EXIT_DIFFERS)
    raise typer.Exit(EXIT_NOT_VERIFIED if outcomes["not verified"] or not found else EXIT_EQUAL)


def _document(found: Sequence[Verified]) -> dict[str, object]:
    return {
        "schema": 1,
        "entries": [
            {
                "id": one.record.submission,
                "part": one.record.part,
                "outcome": one.outcome,
                "reason": one.reason or None,
                "otherwise": list(one.otherwise),
                "differences": [
                    {"what": each.what, "recorded": each.recorded, "now": each.now, "allowed": each.allowed}
                    for each in one.differences
                ],
            }
            for one in found
        ],
    }
