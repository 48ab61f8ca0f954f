"""Grading one conditional VAE: a warm gradebench against the way course staff do it by hand.

The naive way is two fresh processes: one imports torch, loads the checkpoint and writes 10,000 samples; the other
imports torch, loads the classifier, reads the samples and prints the accuracy. Both ways use the same networks and
weights. The naive way's classifier is the judge, or PyTorch's example CNN, which staff would train.
"""

import subprocess
import sys

import pytest
import torch

from classifiers.judge import Judge
from harness.sandbox.outside import WeightsWorkers
from harness.tasks.base import Context
from harness.types import Entry, Kind, Submission
from submissions.examples import weights
from tests.data import embedded_digits
from tests.harness.run.grading import grade, run_of

SAMPLE = """
import sys, torch
from reference.cvae import CVAE
model = CVAE("relu")
model.load_state_dict(torch.load(sys.argv[1], weights_only=True)["model"])
model.eval()
noise, labels = torch.randn(10000, 100), torch.arange(10000) % 10
with torch.no_grad():
    images = torch.cat([model.sample(n, torch.nn.functional.one_hot(y, 10).float())
                        for n, y in zip(noise.split(100), labels.split(100))])
torch.save({"imgs": images, "labels": labels}, sys.argv[2])
"""
SCORE = """
import sys, torch
from classifiers.judge import Judge
answers = torch.load(sys.argv[1], weights_only=True)
judged = Judge.shipped().labels(answers["imgs"].numpy())
print((judged == answers["labels"].numpy()).mean())
"""
PLAIN = """
import sys, torch
from classifiers.evaluate import plain_example
answers = torch.load(sys.argv[1], weights_only=True)
judged = plain_example()(answers["imgs"].numpy())
print((judged == answers["labels"].numpy()).mean())
"""


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "best.pt"
    torch.save({"model": weights("cvae")[0]}, path)
    return path


def by_hand(checkpoint, score):
    """Grade in two fresh processes; return the share that the second one prints."""
    samples = checkpoint.parent / "samples.pt"
    subprocess.run([sys.executable, "-c", SAMPLE, checkpoint, samples], check=True)
    said = subprocess.run([sys.executable, "-c", score, samples], check=True, capture_output=True, text=True)
    return float(said.stdout)


@pytest.mark.parametrize(("judge", "score"), [("the same judge", SCORE), ("PyTorch's example CNN", PLAIN)])
def test_grading_one_conditional_vae(compare, checkpoint, tmp_path, judge, score):
    entry = Entry("conditional-generation", Kind.WEIGHTS, "cvae", "cvae", "best.pt", options=weights("cvae")[1])
    submission = Submission("s1", "s1", checkpoint.parent, (entry,))
    run = run_of(Context(embedded_digits(), Judge.shipped(), 0), tmp_path / "results", fresh=True)
    with WeightsWorkers(run.isolation) as warm:
        (graded,) = grade([submission], run, None, [warm])
        compare(
            "grading one conditional VAE, all evidence, warm",
            lambda: grade([submission], run, None, [warm]),
            f"two fresh processes, {judge}, accuracy alone",
            lambda: by_hand(checkpoint, score),
        )
    assert graded.metrics["accuracy"].value > 0.98
    assert by_hand(checkpoint, SCORE) > 0.98
