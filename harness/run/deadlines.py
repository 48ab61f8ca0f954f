"""Says how long a model may take for its answers: what the assignment's part states, else what its task allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.run.plan import Planned
from harness.run.settings import Run
from harness.sandbox.outside import Limits
from harness.types import Failure, Question, Role


def stated(planned: Planned) -> float | None:
    """Return the seconds that the part states for each question, None where it states none.

    Reference models have the time that their task allows, whatever an assignment states for those who hand in.
    """
    return planned.part.deadline if planned.submission.role is Role.STUDENT else None


def deadline_of(question: Question, planned: Planned, run: Run) -> float:
    """Return the seconds in which an entry has to answer a question, all of its batches together."""
    return stated(planned) or question.deadline or run.limits.wall_seconds


def limits_for(limits: Limits, questions: Sequence[Question], planned: Planned, run: Run) -> Limits:
    """Return the limits of an entry's worker: processor time lasts for all deadlines, which else would not be true."""
    total = math.ceil(sum(deadline_of(question, planned, run) for question in questions))
    return replace(limits, cpu_seconds=max(limits.cpu_seconds, total))


def explained(failure: Failure, question: Question, planned: Planned, run: Run) -> Failure:
    """Return the failure of a model that was too slow, with who allows how long."""
    seconds = f"{deadline_of(question, planned, run):,g} s"
    if stated(planned) is not None:
        who = f"The assignment states a deadline of {seconds} for each question of the part {planned.part.id}."
    else:
        who = f"The task {planned.entry.task} allows {seconds} for this question."
    return replace(failure, message=f"{failure.message} {who}")
