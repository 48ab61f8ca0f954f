"""Grading one conditional VAE: a warm gradebench against the way course staff do it by hand.

For one, the naive way is two fresh processes: one imports torch, loads the checkpoint and writes 10,000 samples; the
other imports torch, loads the classifier, reads the samples and prints the accuracy. Both ways use the same networks
and weights. The naive way's classifier is the judge, or PyTorch's example CNN, which staff would train. For a class it
is the bare compute: sampling by PyTorch's own layers and judging in one warm process, without sandbox, evidence,
comparison or records.
"""

import os
import subprocess
import sys

import pytest
import torch

from classifiers.judge import Judge
from harness.sandbox.outside import WeightsWorkers
from harness.tasks.base import Context
from harness.types import Entry, Kind, Submission
from reference.cvae import CVAE
from submissions.examples import weights
from tests.data import embedded_digits, mnist_digits
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


CLASS = 50


@pytest.fixture
def class_of_fifty(tmp_path):
    """Submissions whose weights differ by a thousandth of their spread, and the class's folder."""
    state, options = weights("cvae")
    generator, submissions = torch.Generator().manual_seed(5), []
    for number in range(CLASS):
        folder = tmp_path / "class" / f"s{number}"
        folder.mkdir(parents=True)
        moved = {
            name: value + 1e-3 * value.std() * torch.randn(value.shape, generator=generator)
            for name, value in state.items()
        }
        torch.save({"model": moved}, folder / "best.pt")
        entry = Entry("conditional-generation", Kind.WEIGHTS, "cvae", "cvae", "best.pt", options=options)
        submissions.append(Submission(folder.name, folder.name, folder, (entry,)))
    return submissions


def bare(submissions, judge):
    """Sample and judge each of the class; the accuracies."""
    labels = torch.arange(10000) % 10
    noise = torch.randn(10000, 100, generator=torch.Generator().manual_seed(0))
    asked = torch.nn.functional.one_hot(labels, 10).float()
    found = []
    for submission in submissions:
        model = CVAE("relu")
        model.load_state_dict(torch.load(submission.root / "best.pt", weights_only=True)["model"])
        model.eval()
        with torch.inference_mode():
            images = torch.cat([model.sample(*each) for each in zip(noise.split(500), asked.split(500), strict=True)])
        found.append((judge.labels(images.numpy()) == labels.numpy()).mean())
    return found


def test_grading_a_class(compare, class_of_fifty, tmp_path):
    judge = Judge.shipped()
    run = run_of(Context(mnist_digits(), judge, 0), tmp_path / "results", fresh=True, jobs=len(os.sched_getaffinity(0)))
    graded = grade(class_of_fifty, run)
    compare(
        f"grading a class of {CLASS}, sandboxed, all evidence, compared, records",
        lambda: grade(class_of_fifty, run),
        "sampling by PyTorch's layers and judging alone, in one warm process",
        lambda: bare(class_of_fifty, judge),
        rounds=2,
    )
    assert len(graded) == CLASS
    assert min(record.metrics["accuracy"].value for record in graded) > 0.98
    assert min(bare(class_of_fifty, judge)) > 0.98
