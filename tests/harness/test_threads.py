"""Tests that the parent computes the same bits with any number of threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib, json

import numpy as np

from classifiers.judge import Judge
from harness.metrics import completions
from harness.tasks import TASKS, task as task_of
from harness.tasks.base import Context
from harness.tasks.inpainting.base import Inpainting
from harness.types import Entry, Kind
from tests.data import embedded_digits

digits, judge = embedded_digits(), Judge.shipped()
context, draw = Context(digits, judge, seed=3), np.random.default_rng(0)
found = {}


def note(name, arrays):
    found.update({f"{name} {key}": hashlib.sha256(array.tobytes()).hexdigest() for key, array in arrays.items()})


def mark(name, task, entry, answers):
    marks, _ = task.mark(context, entry, answers)
    found.update({f"{name} {key}": repr(metric) for key, metric in marks.metrics.items()})
    found.update({f"{name} {evidence.name}": repr(evidence) for evidence in marks.evidence})
    for figure in marks.figures:
        note(f"{name} {figure.name}", {key: np.asarray(value) for key, value in figure.data.items()})


def blurred(images, share):
    return ((1 - share) * images + share * draw.random(images.shape)).astype(np.float32)


odd = blurred(digits.test.images[:250], 0.6)
note("judge", {"probabilities": judge.examine(odd)[0], "features": judge.examine(odd)[1], "doubt": judge.doubt(odd)})
logarithms = completions.normalised(draw.random((2000, 16)))
note("completions", {"entropy": completions.entropy(logarithms), "marginals": completions.marginals(logarithms)})
for name, task in ((name, task_of(name)) for name in TASKS):
    entry = Entry(name, Kind.WEIGHTS, "made-m1", None, "a.pt")
    if isinstance(task, Inpainting):
        questions = task.questions(context, entry)
        mark(name, task, entry, [{"images": blurred(question.inputs["images"], 0.1)} for question in questions])
        for baseline in task.baselines:
            for number, answer in enumerate(task.baselines[baseline].answer(context, questions)):
                note(f"{name} {baseline} {number}", answer)
task = task_of("conditional-generation")
labels = np.arange(10_000) % 10
rows = np.stack([np.resize(np.flatnonzero(digits.test.labels == digit), 1000) for digit in range(10)], axis=1).ravel()
samples = blurred(digits.test.images[rows], 0.02)
entry = Entry(task.name, Kind.WEIGHTS, "made", None, "a.pt")
mark(task.name, task, entry, [{"images": samples}, {"images": samples[:200]}])
print(json.dumps(found))
"""


def bits(threads: int) -> dict[str, str]:
    """Metrics with all their digits, and digests of arrays, as one process with so many threads computes them."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=os.environ | counts, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_marks_evidence_judge_and_baselines_do_not_depend_on_the_number_of_threads() -> None:
    alone = bits(1)
    assert {"half-inpainting copies-input", "conditional-generation judge-fooling", "judge doubt"} <= set(alone)
    assert "row-inpainting ridge 0 images" in alone
    for threads in (2, 4):
        found = bits(threads)
        assert {name: value for name, value in found.items() if value != alone[name]} == {}
        assert found.keys() == alone.keys()
