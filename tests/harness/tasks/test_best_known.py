"""Scores better than the best that is known: told where the digits are MNIST's, for which good models are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness import tasks
from harness.tasks.base import Context
from harness.tasks.best_known import beyond_known
from harness.types import Entry, Kind, Metric
from tests.data import embedded_digits
from tests.judges import ReadsFirstRow


def context(name: str) -> Context:
    return Context(replace(embedded_digits(), name=name), ReadsFirstRow(), 0)


@pytest.mark.parametrize(("value", "better", "flag"), [
    (0.4, "lower", True), (0.5, "lower", False), (0.6, "lower", False), (0.6, "higher", True), (0.5, "higher", False),
])  # fmt: skip
def test_a_value_beyond_the_bound_is_flagged(value, better, flag) -> None:
    metric = Metric(value, "share", better, 10, title="made-up score")
    (found,) = beyond_known(context("mnist"), metric, 0.5)
    assert (found.name, found.flag, found.value, found.integrity) == ("too-good", flag, value, True)
    assert (found.low, found.high) == ((0.5, None) if better == "lower" else (None, 0.5))
    assert "made-up score" in found.message


def test_other_digits_have_no_best_known() -> None:
    metric = Metric(0.0, "share", "lower", 10)
    assert beyond_known(context("digits"), metric, 0.5) == ()
    assert beyond_known(context("mnist"), metric, None) == ()
    assert beyond_known(context("mnist"), replace(metric, value=None), 0.5) == ()


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_an_in_painter_that_knows_the_truth_is_too_good_on_mnist_alone(name) -> None:
    of, task = context(name), tasks.task("half-inpainting")
    entry = Entry(task.name, Kind.WEIGHTS, "flow", "realnvp", "best.pt")
    answers = []
    for question in task.questions(of, entry):
        answers.append({"images": np.where(question.inputs["mask"], np.float32(0), question.inputs["images"])})
    for error, flag in ((0.13, True), (0.16, False)):  # squares: .0169 and .0256; the bound is .02
        case = task.asked(of)
        answers[0] = {"images": np.where(case.mask, case.originals + np.float32(error), case.originals)}
        marks, _ = task.mark(of, entry, answers)
        assert marks.metrics["masked_mse"].value == pytest.approx(error**2, rel=1e-4)
        found = [one.flag for one in marks.evidence if one.name == "too-good"]
        assert found == ([flag] if name == "mnist" else [])
