"""Measures the cost of transport: a model that computes nothing is asked the same questions, in the same sandbox."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from harness.sandbox.outside import Isolation, Session, Worker
from harness.timing import calls
from harness.timing.protocol import WARM_CALLS, WIRE_CALLS
from harness.types import Question

_CODE = """
import json
import torch

class Nothing:
    def __init__(self, answers):
        self.answers = answers

    def __getattr__(self, name):
        if name.startswith("_") or name in ("start", "step"):
            raise AttributeError(name)
        return self.answer

    def answer(self, *inputs):
        rows = len(inputs[0])
        return {name: torch.zeros([rows, *shape], dtype=getattr(torch, dtype))
                for name, (dtype, shape) in self.answers.items()}

def load(path):
    with open(path) as file:
        return Nothing(json.load(file))
"""


def seconds(question: Question, isolation: Isolation, on: int) -> float:
    """Measure a call with a question's shapes to a model that returns zeros: the median, in seconds.

    GradingError where the sandbox can't be started.
    """
    shapes = {name: (spec.dtype, spec.shape[1:]) for name, spec in question.answers.items()}
    with tempfile.TemporaryDirectory(prefix="gradebench-wire-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "nothing.py").write_text(_CODE)
        (root / "answers.json").write_text(json.dumps(shapes))

        def nothing() -> Session:
            # The code is ours, whatever this machine can isolate.
            worker = Worker(isolation, trust_code=True)
            return calls.opened(worker, lambda fresh: fresh.open_code(root, "nothing.py:load", "answers.json"))

        found = calls.run(nothing, on, [question] * WARM_CALLS, [question] * WIRE_CALLS, np.random.default_rng(0))
    return float(np.median([call.seconds for call in found.calls]))
