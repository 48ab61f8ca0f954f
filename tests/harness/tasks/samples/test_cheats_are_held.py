"""Answers-only entries of conditional generation, graded as a class is: cheats win nothing; needs MNIST."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.facts import SHIPPED
from classifiers.judge import Judge
from harness.run import floors
from harness.tasks.base import Context
from tests.data import mnist_digits
from tests.harness.run.grading import collect, grade, run_of
from tests.harness.tasks.samples import cheats

pytestmark = pytest.mark.long

EACH = 1_000
LABELS = np.tile(np.arange(10), EACH)


def repeated(images):
    """Images, cycling 0 … 9, again and again until there are 10,000."""
    return np.resize(images, (EACH * 10, 1, 28, 28))


def moved(images, shift, noise):
    return cheats.disturbed(images, np.random.default_rng(0), shift, noise)


def mostly_one():
    """Seven in ten samples of each digit are one image, the others digits of the training set, moved."""
    images = moved(cheats.real(EACH, test=False)[0], 2, 0.1)
    one = np.arange(EACH * 10) // 10 % 10 < 7
    images[one] = repeated(cheats.real(1, test=False)[0])[one]
    return images


def optimised():
    images, labels = cheats.optimised(tuple(Judge.shipped().networks), 6)
    read = Judge.shipped().decide(images)[0]
    # Those that the judge reads as asked, so that the attack is as good as it can be.
    chosen = [images[np.resize(np.flatnonzero((labels == digit) & (read == digit)), EACH)] for digit in range(10)]
    return np.stack(chosen, axis=1).reshape(EACH * 10, 1, 28, 28)


CHEATS = {
    "training-images": (lambda: cheats.real(EACH, test=False)[0], {"copied-training"}),
    "training-images-moved": (lambda: moved(cheats.real(EACH, test=False)[0], 2, 0.0), {"copied-training"}),
    "test-images": (lambda: repeated(cheats.real(800)[0]), {"copied-test"}),
    "one-image": (lambda: repeated(cheats.real(1, test=False)[0]), {"mode-collapse"}),
    "three-images-moved": (lambda: moved(repeated(cheats.real(3, test=False)[0]), 1, 0.1), {"few-modes"}),
    "ten-images-moved": (lambda: moved(repeated(cheats.real(10, test=False)[0]), 1, 0.1), {"few-modes"}),
    "mostly-one-image": (mostly_one, {"few-modes"}),
    "optimised": (optimised, {"off-manifold"}),
}
"""Samples by submission, and a flag that they must get."""


def submit(folder, images):
    folder.mkdir(parents=True)
    np.savez(folder / "samples.npz", imgs=images, labels=LABELS)
    (folder / "submission.toml").write_text(
        '[submission]\nname = "T"\n\n[[entry]]\ntask = "conditional-generation"\npart = "cvae"\n'
        'outputs = "samples.npz"\n',
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    digits, judge = mnist_digits(), Judge.shipped()
    context = Context(digits, judge, seed=0, floors=floors.read(SHIPPED, judge.digest, digits.digest))
    base = tmp_path_factory.mktemp("cheats")
    for name, (draw, _) in CHEATS.items():
        submit(base / "class" / name, draw())
    submit(base / "class" / "honest", cheats.model("cvae", EACH)[0])
    # As in a demonstration, the honest model may be the shipped one.
    run = run_of(context, base / "results", compare_shipped=False)
    found = grade(collect(base / "class", base / "work"), run)
    return {record.submission: record for record in found}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_held_or_wins_no_points(graded, name):
    record = graded[name]
    flags = {one.name for one in record.evidence if one.flag}
    assert flags >= CHEATS[name][1]
    assert not any(record.gates[flag].holds for flag in flags)
    # The accuracy alone would have been worth the points of the part.
    assert record.metrics["accuracy"].value >= 0.97
    assert record.held or record.score.points == 0


def test_the_accuracy_of_few_images_is_known_as_well_as_few_images_tell(graded):
    honest, few = graded["honest"].metrics["accuracy"], graded["ten-images-moved"].metrics["accuracy"]
    assert honest.high - honest.low < 0.003
    # Wilson's interval of about 100 of 100: 1 / (1 + z² / n).
    assert few.low == pytest.approx(1 / (1 + 1.96**2 / 100), abs=0.02)


def test_an_honest_model_keeps_its_points(graded):
    record = graded["honest"]
    assert not any(one.flag for one in record.evidence)
    assert not record.held
    assert record.score.passed
