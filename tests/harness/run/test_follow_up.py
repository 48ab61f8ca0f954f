"""Questions that depend on earlier answers: asked in a fresh worker, kept, keyed, and marked with the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import records
from harness.run import kept, plan, references
from harness.run.questions import Questions
from harness.run.run import grade
from harness.tasks.base import Context
from harness.types import Entry, Kind, Role, Status, Submission
from tests.data import embedded_digits
from tests.harness.run.grading import run_of
from tests.judges import ReadsFirstRow

ASSIGNMENT = """
name = "relay"
title = "Relay"
[[part]]
id = "two"
title = "Two numbers"
task = "relay"
points = 1
pass = 1
options = { size = "2" }
[[part]]
id = "three"
title = "Three numbers"
task = "relay"
points = 1
pass = 1
options = { size = "3" }
"""
TASKS = """
import numpy as np

from harness.tasks.base import Baseline
from harness.types import ArraySpec, Marks, Metric, Question


def _echo(context, questions):
    return [{"y": question.inputs["x"]} for question in questions]


class Relay:
    # Asks `first` of zeros, then twice `second` of what came back last.

    name, title, summary, protocol, primary = "relay", "Relay", "pass numbers on", 1, "sum"
    gates, outputs, baselines = (), None, {"echo": Baseline("Echo", _echo)}

    def questions(self, context, entry):
        size = int(entry.options["size"])
        return [Question("first", {"x": np.zeros(size, np.float32)}, {"y": ArraySpec((size,))})]

    def follow_up(self, context, entry, answers):
        if len(answers) > 2:
            return ()
        return [Question("second", {"x": answers[-1]["y"]}, {"y": ArraySpec(answers[-1]["y"].shape)})]

    def mark(self, context, entry, answers):
        total = float(answers[-1]["y"].sum())
        return Marks({"sum": Metric(total, "", "higher", len(answers), title="sum")}, "sum"), []


TASKS = {"relay": Relay}
"""
CODE = """
import torch

class Model:
    def __init__(self):
        self.calls = 0
    def first(self, x):
        self.calls += 1
        return x + self.calls
    def second(self, x):
        self.calls += 1
        return 10 * x + self.calls

def load(checkpoint):
    return Model()
"""


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "coursework"
    folder.mkdir()
    (folder / "assignment.toml").write_text(ASSIGNMENT)
    (folder / "tasks.py").write_text(TASKS)
    return run_of(Context(embedded_digits(), ReadsFirstRow(), 0), tmp_path / "results", str(folder))


def handed_in(tmp_path: Path, **options: str) -> Submission:
    (tmp_path / "one").mkdir(exist_ok=True)
    (tmp_path / "one" / "model.py").write_text(CODE)
    entries = tuple(Entry("relay", Kind.CODE, part, code="model.py:load", options=options) for part in ("two", "three"))
    return Submission("one", "One", tmp_path / "one", entries)


def test_each_round_is_answered_by_a_fresh_worker_and_options_come_from_the_part(run, tmp_path):
    found = grade([handed_in(tmp_path)], run)
    assert [record.status for record in found] == [Status.SCORED] * 2
    # 0 + 1, then 10 · 1 + 1 and 10 · 11 + 1 by models that count their calls from the start: each time one.
    assert {record.part: record.metrics["sum"].value for record in found} == {"two": 2 * 111, "three": 3 * 111}
    assert {record.part: record.options for record in found} == {"two": {"size": "2"}, "three": {"size": "3"}}
    for record, size in zip(sorted(found, key=lambda record: record.order), (2, 3), strict=True):
        assert [answer["y"].tolist() for answer in kept.load_answers(run.results, record)] == [
            [value] * size for value in (1, 11, 111)
        ]


def test_kept_answers_of_all_rounds_are_marked_again_without_asking(run, tmp_path, monkeypatch):
    (first, _) = grade([handed_in(tmp_path)], run)

    def refuse(*_):
        raise AssertionError("asked")

    monkeypatch.setattr("harness.run.workers.for_code", refuse)
    (again, _) = grade([handed_in(tmp_path)], run)
    assert again == records.load(records.path_of(run.results, Role.STUDENT, "one", first.part))
    assert again.metrics == first.metrics


def test_a_change_of_the_sources_asks_again_although_the_first_questions_stay(run, monkeypatch):
    entry = Entry("relay", Kind.CODE, "two", options={"size": "2"})
    task = run.coursework.task("relay")
    before = Questions(run).digest(task, entry)
    assert Questions(run).digest(task, entry) == before
    monkeypatch.setattr("harness.run.questions.sources_of", lambda *_: "other")
    assert Questions(run).digest(task, entry) != before


def test_a_hand_in_that_states_another_option_than_its_part_is_refused(run, tmp_path):
    found = grade([handed_in(tmp_path, size="2")], run)
    by_part = {record.part: record for record in found}
    assert by_part["two"].status is Status.SCORED
    assert by_part["three"].failure.kind == "part-option"
    assert by_part["three"].failure.message == "The part three has size = 3; submission.toml states 2."


def test_baselines_get_the_options_of_their_part_and_references_have_to_have_them(run, tmp_path, monkeypatch):
    entries = tuple(Entry("relay", Kind.WEIGHTS, f"own-{n}", "own", "own.pt", options={"size": n}) for n in ("2", "4"))
    models = [Submission(entry.part, entry.part, tmp_path, (entry,), role=Role.REFERENCE) for entry in entries]
    monkeypatch.setattr(references, "submissions", lambda: models)
    planned = [p for each in plan.plans([handed_in(tmp_path)], replace(run, beside="all")) for p in each]
    assert [(p.part.id, p.entry.options["size"]) for p in planned if p.submission.role is Role.BASELINE] == [
        ("two", "2"),
        ("three", "3"),
    ]
    assert [(p.part.id, p.submission.id) for p in planned if p.submission.role is Role.REFERENCE] == [("two", "own-2")]
