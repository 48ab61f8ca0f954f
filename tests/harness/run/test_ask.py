"""Tests of asking: optional questions, and sessions that end early."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from harness.run import ask as asking
from harness.run import workers
from harness.run.plan import Planned
from harness.sandbox.outside import WeightsWorkers
from harness.types import ArraySpec, Entry, Kind, Question, Submission, refuse
from tests.harness.run.grading import run_of


class Stops:
    """A worker that answers its first question and times out on others."""

    notes: tuple[str, ...] = ()
    isolation_stamp = "none"
    deadlines: ClassVar[list[float]] = []

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def open_code(self, *_):
        pass

    def ask(self, question, deadline, *_):
        self.deadlines.append(deadline)
        if question.method == "slow":
            raise refuse("worker", "timeout", "The method slow took longer than 1 s and was stopped.")
        return {"x": np.zeros(1)}


def question(method, **more):
    return Question(method, {}, {"x": ArraySpec((1,))}, **more)


def test_an_optional_question_may_stay_unanswered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "Worker", Stops)
    monkeypatch.setattr(Stops, "deadlines", [])
    run = run_of(None, tmp_path)
    part = run.assignment.part[0]
    entry = Entry(part.task, Kind.CODE, part.id, code="model.py:load")
    planned = Planned(Submission("one", "One", tmp_path, (entry,)), entry, part)
    task = run.coursework.task(part.task)
    warm = WeightsWorkers(run.isolation)
    asked = asking.ask(planned, run, task, [question("fast"), question("slow", optional=True, deadline=1.0)], warm, b"")
    assert asked.failure is None
    assert [list(answer) for answer in asked.answers] == [["x"], []]
    assert "took longer than 1 s" in asked.notes[0]
    assert Stops.deadlines == [run.code_limits.wall_seconds, 1.0] or Stops.deadlines == [run.limits.wall_seconds, 1.0]
    asked = asking.ask(planned, run, task, [question("slow")], warm, b"")
    assert asked.answers is None
    assert asked.failure.kind == "timeout"
