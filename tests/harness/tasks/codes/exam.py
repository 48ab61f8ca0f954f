"""Asks a model, in this process, all that a task asks, and marks the answers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from harness.sequences import derived
from harness.tasks.base import AsksAgain, Context
from harness.types import Answer, Entry, Kind, Marks, Question
from tests.data import embedded_digits
from tests.judges import ReadsFirstRow


def context(seed: int = 5) -> Context:
    """The embedded digits and a judge that is not asked."""
    return Context(embedded_digits(), ReadsFirstRow(), seed)


def entry(task: Any, **options: str) -> Entry:
    """An entry by weights with these options."""
    return Entry(task.name, Kind.WEIGHTS, "part", "model", options=options)


def asked(model: Any, questions: list[Question]) -> list[Answer]:
    """The answers of one worker, batch by batch."""
    answers = []
    for question in questions:
        method = derived.method(model, question.method)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in question.answers}
        rows = len(next(iter(question.inputs.values())))
        step = question.batch or rows
        for start in range(0, rows, step):
            with torch.no_grad():
                given = method(*(torch.from_numpy(a[start : start + step].copy()) for a in question.inputs.values()))
            values = given if isinstance(given, tuple) else (given,)
            for name, value in zip(question.answers, values, strict=False):
                parts[name].append(value.numpy().astype(np.float32))
        answers.append({name: np.concatenate(arrays) for name, arrays in parts.items()})
        for name, spec in question.answers.items():
            assert answers[-1][name].shape == spec.shape
            assert np.isfinite(answers[-1][name]).all()
    return answers


def sit(task: Any, of: Context, who: Entry, fresh: Callable[[], Any]) -> tuple[Marks, list[str], list[Answer]]:
    """Marks, notes and answers of a model; `fresh` makes it anew for each worker."""
    answers = asked(fresh(), task.questions(of, who))
    assert isinstance(task, AsksAgain)
    while more := task.follow_up(of, who, copy.deepcopy(answers)):
        answers += asked(fresh(), more)
    marks, notes = task.mark(of, who, answers)
    return marks, notes, answers
