"""Fresh questions of every task whose models are timed: distributed as the graded ones, asked once, scored as those."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from classifiers.judge import Judge
from harness import tasks
from harness.secret import Secret
from harness.sequences import derived
from harness.tasks.base import Context, TimedTask
from harness.tasks.functions.base import FunctionTask
from harness.timing import agreement
from harness.types import Answer, Entry, Kind, Question
from reference import shipped
from tests.data import embedded_digits

TIMED = [name for name in tasks.TASKS if isinstance(tasks.task(name), TimedTask) and tasks.task(name).time_reference]
SIZES = [3, 1, 40]


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def entry_of(name: str) -> Entry:
    model = tasks.task(name).time_reference
    return Entry(name, Kind.WEIGHTS, model, shipped.facts(model)["model"], options=shipped.options(model))


def answers(model: torch.nn.Module, questions: Sequence[Question]) -> list[Answer]:
    given = []
    with torch.no_grad():
        for question in questions:
            method = derived.method(model, question.method)
            rows = len(next(iter(question.inputs.values())))
            batch = question.batch or rows
            parts = []
            for start in range(0, rows, batch):
                found = method(*(torch.from_numpy(array[start : start + batch]) for array in question.inputs.values()))
                parts.append(found if isinstance(found, tuple) else (found,))
            columns = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
            given.append(dict(zip(question.answers, columns, strict=True)))
    return given


def test_all_tasks_with_a_reference_that_is_quick_enough_are_timed():
    functions = {name for name in tasks.TASKS if isinstance(tasks.task(name), FunctionTask)}
    # No single call of a model with codes has a score: the harness rounds or draws the codes between two of them.
    of_two_calls = {"reconstruction", "bernoulli-density", "conditional-density"}
    # Samples are scored as a set of 10,000, not row by row.
    of_sets = {"generation"}
    slow = {"half-inpainting", "half-inpainting-extended"}
    assert set(tasks.TASKS) - set(TIMED) == slow | of_two_calls | of_sets | functions


@pytest.mark.parametrize("name", TIMED)
def test_questions_are_fresh_and_scored_row_by_row(name, context):
    task, entry = tasks.task(name), entry_of(name)
    graded = next(q for q in task.questions(context, entry) if q.method != "complete")
    secret, another = Secret(bytes(32)), Secret(bytes([1] * 32))
    drawn = task.timed(context, entry, secret.generator("questions", 0), SIZES)
    again = task.timed(context, entry, secret.generator("questions", 0), SIZES)
    others = task.timed(context, entry, another.generator("questions", 0), SIZES)
    seen = set()
    model = shipped.module(task.time_reference)
    for size, one, same, other in zip(SIZES, drawn, again, others, strict=True):
        asked = one.question
        assert (asked.method, asked.batch, list(asked.inputs)) == (graded.method, None, list(graded.inputs))
        for key, array in asked.inputs.items():
            assert array.shape == (size, *graded.inputs[key].shape[1:])
            assert array.dtype == graded.inputs[key].dtype
            assert np.array_equal(array, same.question.inputs[key])
        # A single image may come by chance.
        assert size == 1 or any((a != other.question.inputs[key]).any() for key, a in asked.inputs.items())
        rows = zip(*(array.reshape(size, -1) for array in asked.inputs.values()), strict=True)
        seen |= {b"".join(part.tobytes() for part in row) for row in rows}
        (answer,) = answers(model, [asked])
        assert {key: spec.shape for key, spec in asked.answers.items()} == {k: a.shape for k, a in answer.items()}
        scores = one.rate(answer)
        assert scores.shape == (size,)
        assert np.isfinite(scores).all()
    assert len(seen) == sum(SIZES)


@pytest.mark.parametrize("name", ["conditional-generation", "patch-inpainting", "next-pixel", "symbol-prediction"])
def test_scores_of_fresh_questions_are_those_of_graded_ones(name, context):
    task, entry = tasks.task(name), entry_of(name)
    model = shipped.module(task.time_reference)
    marks, _ = task.mark(context, entry, answers(model, task.questions(context, entry)))
    (drawn,) = task.timed(context, entry, torch.Generator().manual_seed(5), [300])
    (answer,) = answers(model, [drawn.question])
    scores = drawn.rate(answer)
    better = marks.metrics[marks.primary].better
    assert not agreement.worse(scores, marks.scores, better)
    assert not agreement.worse(marks.scores, scores, better)
    # The same answers to other questions are worse.
    shuffled = {key: array[::-1].copy() for key, array in answer.items()}
    assert agreement.worse(drawn.rate(shuffled), marks.scores, better)
