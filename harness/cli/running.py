"""Grades a class, then baselines and reference models, where a person sees how it goes and may interrupt it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from rich.markup import escape

from harness.cli.console import console
from harness.cli.interrupt import stoppable
from harness.cli.live import shown

if TYPE_CHECKING:
    from harness.run.plan import Plan
    from harness.run.settings import Run
    from harness.types import Record


def grade_class(
    planned: Sequence[Plan],
    run: Run,
    *,
    after_class: Callable[[list[Record]], None],
    before_asking: Callable[[], None] | None = None,
    on_interrupt: str = "",
) -> tuple[list[Record], list[Record]]:
    """Grade what is planned; the records of the class, and those of baselines and reference models.

    Parameters
    ----------
    after_class : called with the class's records as soon as they are there
    before_asking : called before the first baseline or reference model is asked; not where all are known
    on_interrupt : is said after Ctrl-C where the records are not kept
    """
    from harness.run import run as run_module
    from harness.types import Role

    of_class = [plan for plan in planned if plan[0].submission.role is Role.STUDENT]
    others = [plan for plan in planned if plan[0].submission.role is not Role.STUDENT]
    how_to_go_on = partial(_how_to_go_on, planned, run) if not on_interrupt else lambda: on_interrupt
    with stoppable(how_to_go_on, run.activity.stop):
        with shown("grading", of_class, run.activity, run.jobs) as on_record:
            graded = run_module.grade((), run, on_record, planned=of_class, on_timing=_tell_timing)
        after_class(graded)
        return graded, _grade_beside(others, run, before_asking) if others else []


def _tell_timing(record: Record, timed: int, of: int) -> None:
    """Say which model is timed; nothing else runs meanwhile, so that a bar has nothing to show."""
    console.print(
        f"timing {timed + 1} of {of}: {escape(record.submission)} · {escape(record.part)}",
        highlight=False,
        soft_wrap=True,
    )


def _grade_beside(planned: Sequence[Plan], run: Run, before_asking: Callable[[], None] | None) -> list[Record]:
    """Grade baselines and reference models; they are shown from where the first one has to be asked."""
    from harness.run import run as run_module

    known: list[tuple[Record, bool]] = []
    tell: Callable[[Record, bool], None] = lambda record, was_known: known.append((record, was_known))  # noqa: E731

    with ExitStack() as stack:

        def begin() -> None:
            nonlocal tell
            if before_asking is not None:
                before_asking()
            tell = stack.enter_context(shown("baselines and references", planned, run.activity, run.jobs))
            for record, was_known in known:
                tell(record, was_known)

        return run_module.grade_beside(
            planned, run, lambda record, was_known: tell(record, was_known), before_asking=begin
        )


def _how_to_go_on(planned: Sequence[Plan], run: Run) -> str:
    from harness import records

    entries = [each for plan in planned for each in plan]
    paths = [records.path_of(run.results, *each.identity) for each in entries]
    done = sum(path.exists() for path in paths)
    return (
        f"Interrupted. {done} of {len(paths)} records are kept in {run.results}; the same command goes on from there "
        "and loses only what was under way."
    )
