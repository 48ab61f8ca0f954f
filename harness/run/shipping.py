"""Renews the results of baselines and reference models that are shipped, and tells which of them are stale.

Shipped are those of seed 0 on MNIST with the shipped judge, for the parts of the shipped assignments: records without
answers, with their pictures and sketches, but without the score of each question, which no page needs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.files import write_atomically
from harness.run import beside_results, keys, plan
from harness.run.beside_results import Result, shipped_file
from harness.run.hand_in import HandIn
from harness.run.identity import identity
from harness.run.plan import Plan, Planned
from harness.run.questions import Questions
from harness.run.run import OnRecord, grade_beside
from harness.run.settings import Run
from harness.types import Record


def stale(run: Run) -> list[Plan]:
    """Plan those baselines and reference models of the assignment whose shipped results are not what a run would give.

    Keys are compared, which takes no answers and not even the digits.
    """
    run = run.beside_class
    questions = Questions(run)
    return _those(plan.beside(run), lambda planned: not _is_current(planned, run, questions))


def renew(
    planned: Sequence[Plan],
    run: Run,
    on_record: OnRecord | None = None,
    before_asking: Callable[[], None] | None = None,
) -> list[Record]:
    """Grade baselines and reference models and ship their results; the records of those that could not be scored."""
    graded = {identity(r): r for r in grade_beside(planned, run, on_record, (), before_asking)}
    failed = []
    for each in (one for whole in planned for one in whole):
        record = graded[each.identity]
        if record.primary is None:
            failed.append(record)
            continue
        result = beside_results.result_of(run.results, record)
        write_atomically(shipped_file(each), beside_results.packed(_lean(result)) + b"\n")
    return failed


def superfluous(runs: Iterable[Run]) -> list[Path]:
    """Return the shipped files that no part of these runs' assignments has a use for."""
    wanted = {shipped_file(planned) for run in runs for whole in plan.beside(run) for planned in whole}
    return sorted(path for path in beside_results.SHIPPED.rglob("*") if path.is_file() and path not in wanted)


def _those(plans: Sequence[Plan], wanted: Callable[[Planned], bool]) -> list[Plan]:
    """The plans with each file once: parts that are answered alike share one."""
    files: set[Path] = set()
    found: list[list[Planned]] = []
    for whole in plans:
        found.append([])
        for planned in whole:
            if shipped_file(planned) not in files and wanted(planned):
                found[-1].append(planned)
            files.add(shipped_file(planned))
    return [whole for whole in found if whole]


def _is_current(planned: Planned, run: Run, questions: Questions) -> bool:
    result = beside_results.read(shipped_file(planned))
    digests = HandIn.of(planned).digests
    return result is not None and beside_results.holds(
        result, planned, run, keys.of_asking(planned, run, questions, digests)
    )


def _lean(result: Result) -> Result:
    """The result without the score of each question, and without times that were measured on another machine."""
    files = dict(result.files)
    if "arrays.npz" in files:
        with np.load(io.BytesIO(files["arrays.npz"]), allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files if name != "scores"}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **held)
        files |= {"arrays.npz": buffer.getvalue()}
    return Result(replace(result.record, timings={}), files)
