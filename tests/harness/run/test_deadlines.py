"""Tests of deadlines: the task's, or the one that an assignment's part states."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from harness import rubric
from harness.assignments.coursework import Coursework
from harness.run import ask as asking
from harness.run import deadlines, keys, workers
from harness.run.plan import Planned
from harness.run.questions import Questions
from harness.run.settings import Run
from harness.sandbox.outside import Limits, WeightsWorkers
from harness.tasks.base import Context
from harness.types import ArraySpec, Question, Role, refuse
from tests.harness.run.grading import run_of
from tests.harness.run.planning import planned_of

TOML = """
name = "short"
title = "Short"
[[part]]
id = "streams-m1"
title = "Streams"
task = "symbol-prediction"
points = 1
pass = 0.1
"""


def run_with(tmp_path: Path, line: str = "", context: Context | None = None) -> Run:
    assignment = rubric.parse((TOML + line).encode(), "short.toml")
    return run_of(context, tmp_path, "tsinghua-hw3", coursework=Coursework(assignment))


def question(deadline: float | None) -> Question:
    return Question("slow", {}, {"x": ArraySpec((1,))}, None, deadline)


def test_a_part_s_own_deadline_takes_the_place_of_the_task_s(tmp_path: Path) -> None:
    silent, stated = run_with(tmp_path), run_with(tmp_path, "deadline = 7.5")
    for run, expected in ((silent, [20.0, run_with(tmp_path).limits.wall_seconds]), (stated, [7.5, 7.5])):
        planned = planned_of(run, "one")
        assert [deadlines.deadline_of(question(own), planned, run) for own in (20.0, None)] == expected
    # It is for those who hand in: a reference model has the task's time, in whatever assignment.
    reference = planned_of(stated, "ref", role=Role.REFERENCE)
    assert deadlines.deadline_of(question(20.0), reference, stated) == 20.0


@pytest.mark.parametrize("line", ["deadline = 0", "deadline = -1", "deadline = inf", 'deadline = "soon"'])
def test_a_deadline_is_a_positive_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(rubric.AssignmentError, match="deadline"):
        run_with(tmp_path, line)


def test_processor_time_lasts_for_all_deadlines(tmp_path: Path) -> None:
    run = run_with(tmp_path, "deadline = 1000.5")
    planned = planned_of(run, "one")
    questions = [question(None)] * 3
    assert deadlines.limits_for(Limits(cpu_seconds=1800), questions, planned, run).cpu_seconds == 3002
    assert deadlines.limits_for(Limits(cpu_seconds=9000), questions, planned, run).cpu_seconds == 9000


class TooSlow:
    """A worker whose model is never done."""

    notes: tuple[str, ...] = ()
    isolation_stamp = "none"

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> TooSlow:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open_code(self, *_: object) -> None:
        pass

    def ask(self, question: Question, deadline: float, *_: object) -> dict[str, np.ndarray]:
        message = f"The method {question.method} took longer than {deadline:g} s and was stopped."
        raise refuse("worker", "timeout", message)


def test_the_refusal_says_who_allows_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "Worker", TooSlow)

    def message(run: Run) -> str:
        planned = planned_of(run, "one")
        task = run.coursework.task(planned.part.task)
        asked = asking.ask(planned, run, task, [question(1200.0)], WeightsWorkers(run.isolation), b"")
        assert asked.failure is not None
        assert asked.failure.kind == "timeout"
        return asked.failure.message

    assert message(run_with(tmp_path)) == (
        "The method slow took longer than 1200 s and was stopped. The task symbol-prediction allows 1,200 s for this "
        "question."
    )
    assert message(run_with(tmp_path, "deadline = 90")) == (
        "The method slow took longer than 90 s and was stopped. The assignment states a deadline of 90 s for each "
        "question of the part streams-m1."
    )


def test_another_deadline_asks_again(tmp_path: Path, embedded_context: Context) -> None:
    def key(line: str, role: Role = Role.STUDENT) -> str:
        run = run_with(tmp_path, line, embedded_context)
        (tmp_path / "model.py").write_text("def load(path): ...", encoding="utf-8")
        planned: Planned = planned_of(run, "one", role=role)
        digests = {"code": "x"}
        planned = dataclasses.replace(planned, submission=dataclasses.replace(planned.submission, root=tmp_path))
        return keys.of_asking(planned, run, Questions(run), digests)

    assert key("deadline = 90") == key("deadline = 90.0")
    assert len({key(""), key("deadline = 90"), key("deadline = 100")}) == 3
