"""Promises that every task keeps: the registry, the titles of all that it shows, and the scores of single questions."""

import re
import subprocess
import sys

import numpy as np
import pytest

from harness import tasks
from harness.tasks.base import AsksAgain, Context
from harness.types import Entry, Kind
from tests.data import embedded_digits
from tests.judges import ReadsFirstRow

SHAPES = {
    "picture": {"pixels": 2},
    "bars": {"values": 1, "gate": 1, "real": 1},
    "matrix": {"counts": 2},
    "histogram": {"counts": 1, "edges": 1},
    "line": {"values": 1},
    "bands": {"panels": 3},
    "table": {"values": 2},
}
"""Dimensions of a figure's arrays, by its kind."""


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), ReadsFirstRow(), seed=5, second=ReadsFirstRow())


@pytest.fixture(scope="module", params=list(tasks.TASKS))
def marked(request, context):
    """A task and its marks for a weak answer."""
    task = tasks.task(request.param)
    part = "symbols-m3" if task.name == "symbol-prediction" else "part"
    # A baseline isn't asked for what only weights are.
    entry = Entry(task.name, Kind.BASELINE if task.baselines else Kind.WEIGHTS, part, options={"code": "2"})
    answers = _answers(task, context, task.questions(context, entry))
    while isinstance(task, AsksAgain) and (more := task.follow_up(context, entry, answers)):
        answers = [*answers, *_answers(task, context, more)]
    return task, task.mark(context, entry, answers)[0]


def _answers(task, context, questions):
    """Those of the task's first baseline, else of a model that knows nothing."""
    if task.baselines:
        return next(iter(task.baselines.values())).answer(context, questions)
    return [
        {name: _weak(question, name, spec.shape) for name, spec in question.answers.items()} for question in questions
    ]


def _weak(question, name, shape):
    if name == "images":
        return np.random.default_rng(0).random(shape).astype(np.float32)
    # A flow that is the identity; codes that say nothing.
    return next(iter(question.inputs.values())) if name in ("z", "values") else np.zeros(shape, np.float32)


def test_the_registry_says_what_the_classes_say():
    for name, (_, summary) in tasks.TASKS.items():
        assert tasks.task(name).name == name
        assert tasks.task(name).summary == summary
        assert tasks.task(name) is tasks.task(name)


def test_a_task_that_nobody_has_is_an_error_that_names_those_there_are():
    with pytest.raises(LookupError, match=r"'haiku'; there are conditional-generation, .*dirichlet-update, limerick"):
        tasks.task("haiku", {"limerick": tasks.task("next-pixel")})


def test_an_instructors_own_tasks_come_first():
    own = tasks.task("next-pixel")
    reference = "harness.tasks.inpainting.rows:RowInpainting"
    assert tasks.task("limerick", {"limerick": own}) is own
    assert tasks.task("row-inpainting", {"row-inpainting": own}) is own
    assert tasks.task("mine", {"mine": (reference, "recovers rows")}) is tasks.task("row-inpainting")


def test_to_list_the_tasks_imports_nothing_slow():
    code = "import sys, harness.tasks; print(*(m for m in ('torch', 'numpy', 'scipy', 'sklearn') if m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_scores_of_single_questions_have_the_primary_metric_as_their_mean(marked):
    task, marks = marked
    metric = marks.metrics[marks.primary]
    # A task may rank by one metric for each size of a code.
    assert marks.primary == task.primary or marks.primary.startswith(f"{task.primary}_")
    assert marks.scores.dtype == np.float64
    assert marks.scores.shape == (metric.n,)
    # Symbol prediction rounds its metrics to 7 decimals.
    assert marks.scores.mean() == pytest.approx(metric.value, rel=1e-9, abs=1e-7)


def test_all_that_is_shown_has_a_title(marked):
    task, marks = marked
    assert task.title
    titles = [metric.title for metric in marks.metrics.values()]
    assert len(set(titles)) == len(titles)
    for title in [*titles, *(one.title for one in (*marks.evidence, *marks.gates.values()))]:
        assert title
        assert "_" not in title
    for metric in marks.metrics.values():
        assert metric.unit
    assert {one.name for one in marks.evidence} <= set(marks.gates)
    assert set(marks.gates) <= set(task.gates) | {one.name for one in marks.evidence}
    assert not marks.metrics[marks.primary].beside
    assert any(metric.beside for metric in marks.metrics.values())


def test_figures_have_the_shapes_of_their_kinds(marked):
    _, marks = marked
    assert marks.figures
    names = [figure.name for figure in marks.figures]
    assert len(set(names)) == len(names)
    for figure in marks.figures:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", figure.name)
        assert figure.title and "_" not in figure.title
        for key, values in figure.data.items():
            assert np.ndim(values) == SHAPES[figure.kind][key]
        if figure.kind == "picture":
            assert figure.data["pixels"].dtype == np.uint8
            assert figure.caption
        if figure.kind == "bands":
            panels, _, series = figure.data["panels"].shape
            assert (panels, series) == (len(figure.columns), len(figure.series))
        if figure.kind in {"line", "histogram"}:
            assert figure.x and figure.y and figure.unit
    strips = [figure.strip for figure in marks.figures if figure.strip[0] < figure.strip[1]]
    assert len(strips) <= 1
