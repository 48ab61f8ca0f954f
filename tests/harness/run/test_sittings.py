"""A model that remembers, between calls, what it was asked: its checks are put to a fresh worker, which knows nothing.

The model keeps the first images that it is asked about, in every place that it can write to, and predicts each pixel by
what comes next in those of them that begin alike. One worker that is asked everything finds it causal: changed copies
of the images begin like them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.rubric import Assignment
from harness.run import ask as asking
from harness.run.plan import Planned
from harness.sandbox.outside import Isolation, WeightsWorkers
from harness.secret import Secret
from harness.tasks.base import Context
from harness.types import Entry, Kind, Submission
from tests.data import embedded_digits
from tests.harness.run.grading import run_of
from tests.judges import ReadsFirstRow

ASSIGNMENT = {
    "name": "memory",
    "title": "Memory",
    "part": [{"id": "pixels", "title": "Pixels", "task": "next-pixel", "points": 10, "pass": 0.2}],
}
REMEMBERS = '''
import os
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
PLACES = [
    folder / "remembered.bin"
    for folder in (HERE, Path("/tmp"), Path("/dev/shm"), Path("/var/tmp"), Path.cwd(), Path.home(), Path("/run"))
]
memory = None


def found():
    """The images that were stored, by this process or by another."""
    for path in PLACES:
        try:
            return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8).view(-1, 784).bool()
        except Exception:
            pass
    return None


def store(images):
    for path in PLACES:
        try:
            path.write_bytes(images.to(torch.uint8).numpy().tobytes())
        except OSError:
            pass


class Remembers:
    def next_pixel_probabilities(self, binary):
        global memory
        binary = binary > 0.5
        if memory is None:
            memory = found()
        if memory is None:
            memory = binary.clone()
            store(memory)
        alive = torch.ones(len(binary), len(memory), dtype=torch.bool)
        columns = []
        for t in range(783):
            alive &= binary[:, t : t + 1] == memory[:, t][None]
            lit = (alive & memory[:, t + 1][None]).sum(1)
            columns.append((lit + 0.013) / (alive.sum(1) + 0.1))
        return torch.stack(columns, 1).float()


def load(checkpoint=None):
    return Remembers()
'''


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), ReadsFirstRow(), 0, secret=Secret(b"s" * 32))


def asked_of(isolation: Isolation, context: Context, folder: Path, in_one_sitting: bool):
    """The task, the entry, and the answers of the model that remembers."""
    root = folder / "hand-in"
    root.mkdir()
    (root / "model.py").write_text(REMEMBERS)
    run = run_of(context, folder / "results", Assignment.model_validate(ASSIGNMENT), isolation=isolation)
    part = run.assignment.part[0]
    entry = Entry(part.task, Kind.CODE, part.id, code="model.py:load")
    task = run.coursework.task(part.task)
    questions = task.questions(context, entry)
    assert {question.sitting for question in questions} == {0, 1}
    if in_one_sitting:
        questions = [replace(question, sitting=0) for question in questions]
    planned = Planned(Submission("one", "One", root, (entry,)), entry, part)
    asked = asking.ask(planned, run, task, questions, WeightsWorkers(isolation), b"")
    assert asked.failure is None, asked.failure
    assert asked.isolation == isolation.level
    return task, entry, asked.answers


@pytest.mark.parametrize("level", ["full", "reduced"])
def test_a_memory_of_what_was_asked_is_empty_in_the_next_sitting(level, context, tmp_path, request) -> None:
    isolation = request.getfixturevalue(level)
    task, entry, answers = asked_of(isolation, context, tmp_path, in_one_sitting=False)
    with pytest.raises(asking.GradingError, match="earlier pixels alone") as caught:
        task.mark(context, entry, answers)
    assert caught.value.failure.kind == "not-causal"
    assert caught.value.failure.fault == "submission"


def test_in_a_single_sitting_the_same_model_would_seem_causal(full, context, tmp_path) -> None:
    task, entry, answers = asked_of(full, context, tmp_path, in_one_sitting=True)
    marks, _ = task.mark(context, entry, answers)
    flags = {one.name: one.flag for one in marks.evidence}
    assert not flags["causality"]
    assert not flags["batch-dependence"]
    # Better than any honest model of these digits: it has seen what it is asked to predict.
    assert marks.metrics["cross_entropy"].value < 0.04
    # It is the altered digits, which are none of those that were asked first, that give it away.
    assert flags["memorised-test-images"]
