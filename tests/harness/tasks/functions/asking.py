"""Asks functions as the worker does, but in this process: for tests of what is asked and marked."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from harness.student_code import functions, tolerated
from harness.types import Entry, Kind


def entry(task: Any, part: str = "") -> Entry:
    return Entry(task.name, Kind.CODE, part or task.name, code="sheet.py:*")


def seed() -> None:
    torch.manual_seed(0)


def answers(task: Any, context: Any, model: Any, part: str = "") -> tuple[list[Any], list[str]]:
    """The answers of a model's functions to all questions of a part, and the worker's notes."""
    tolerated.reported.clear()
    ways, given, notes = functions.Ways(), [], []
    for question in task.questions(context, entry(task, part)):
        header = {
            "method": question.method,
            "call": asdict(question.call),
            "answers": [[name, spec.dtype, list(spec.shape)] for name, spec in question.answers.items()],
        }
        said, (values, outcomes) = functions.ask(model, "sheet.py", header, question.inputs, ways, seed)
        assert np.isfinite(values).all()
        notes += said
        given.append({"value": values, "outcome": outcomes})
    return given, notes


def mark(task: Any, context: Any, model: Any, part: str = "") -> tuple[Any, list[str]]:
    """Marks of a model's functions, and the notes of worker and task."""
    given, said = answers(task, context, model, part)
    marks, notes = task.mark(context, entry(task, part), given)
    return marks, [*said, *notes]


def namespace(source: str) -> SimpleNamespace:
    """The functions of a source text, as a module."""
    import sys
    import types

    module = types.ModuleType("student_sheet")
    sys.modules["student_sheet"] = module
    exec(compile(source, "sheet.py", "exec"), module.__dict__)
    return module  # type: ignore[return-value]
