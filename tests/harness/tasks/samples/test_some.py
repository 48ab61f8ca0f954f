"""Evidence from some samples, on real digits, shipped models and cheats; needs MNIST."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.facts import SHIPPED
from classifiers.judge import Judge
from harness.evidence.mode_collapse import BOUNDS
from harness.metrics.alike import distances
from harness.metrics.shapes import centred, shapes
from harness.run import floors
from harness.tasks.base import Context
from harness.tasks.samples.some import Some
from tests.data import mnist_digits
from tests.harness.tasks.samples import cheats

pytestmark = pytest.mark.numeric

EACH = 110
"""Samples of each digit, of which 100 are looked at."""


@pytest.fixture(scope="module")
def context():
    digits, judge = mnist_digits(), Judge.shipped()
    return Context(digits, judge, seed=3, floors=floors.read(SHIPPED, judge.digest, digits.digest))


@pytest.fixture(scope="module")
def flags(context):
    """Returns the names of the flags that samples get, and their values."""

    def of(images, labels, right=None):
        read = context.judge.decide(images)[0] == labels if right is None else right
        found = Some(context, "conditional-generation", images, labels, read).evidence()
        return {one.name for one in found if one.flag}, {one.name: one for one in found}

    return of


@pytest.mark.parametrize(
    ("modes", "shift", "noise"), [(m, s, n) for m in (3, 10, 30) for s, n in ((0, 0.0), (2, 0.0), (0, 0.1), (2, 0.1))]
)
def test_few_images_again_and_again_are_flagged_however_moved_and_disturbed(flags, modes, shift, noise):
    found, evidence = flags(*cheats.few(EACH, modes, shift, noise), right=np.ones(EACH * 10, bool))
    assert "few-modes" in found
    # Exact copies of m images: of the pairs 1 / m are alike.
    assert evidence["mode-collapse"].value == pytest.approx(1 / modes, abs=0.1)


@pytest.mark.parametrize("drawn", ["test digits", "cvae", "cgan", "dcgan"])
def test_real_digits_and_shipped_models_are_clear(context, flags, drawn):
    if drawn == "dcgan":
        pool = cheats.unconditional(drawn, 1_500)
        images, labels = pool, context.judge.decide(pool)[0]
    else:
        images, labels = cheats.real(EACH) if drawn == "test digits" else cheats.model(drawn, EACH)
    found, evidence = flags(images, labels)
    # Test digits are copies of themselves, and nothing else.
    assert found == ({"copied-test"} if drawn == "test digits" else set())
    states = {name: one.state for name, one in evidence.items() if name not in found}
    assert set(states.values()) == {"clear"}, states


@pytest.mark.long
def test_images_that_were_optimised_against_all_members_are_off_the_manifold(context, flags):
    images, labels = cheats.optimised(tuple(context.judge.networks), 6)
    read = context.judge.decide(images)[0] == labels
    assert read.mean() > 0.9  # the attack succeeds
    found, evidence = flags(images, labels)
    assert "off-manifold" in found
    assert evidence["off-manifold"].value > 0.8


@pytest.mark.parametrize("name", ["training", "test"])
@pytest.mark.parametrize(("shift", "noise"), [(0, 0.0), (2, 0.0), (2, 0.02)])
def test_images_of_a_set_are_copies_wherever_they_were_moved(flags, name, shift, noise):
    images, labels = cheats.real(EACH, test=name == "test")
    moved = cheats.disturbed(images, np.random.default_rng(0), shift, noise)
    found, _ = flags(moved, labels, right=np.ones(len(labels), bool))
    assert f"copied-{name}" in found
    assert "few-modes" not in found


def test_flags_take_samples_of_which_nine_in_ten_are_read_as_asked(flags):
    images, labels = cheats.few(EACH, 1)
    right = np.ones(len(labels), bool)
    right[: len(labels) // 10] = False  # .9
    assert "mode-collapse" in flags(images, labels, right)[0]
    right[: len(labels) // 10 + 1] = False
    found, evidence = flags(images, labels, right)
    assert not found
    assert evidence["mode-collapse"].state == "unusual"


def test_the_bounds_of_alike_shapes_are_those_of_training_digits():
    digits = mnist_digits().train
    for digit in range(10):
        rows = np.random.default_rng(0).permutation(np.flatnonzero(digits.labels == digit))
        of_images = shapes(centred(digits.images[rows[:2_500]]))
        pairs = distances(of_images)[np.triu_indices(len(of_images), 1)]
        assert np.quantile(pairs, 1e-3) == pytest.approx(BOUNDS[digit], abs=0.05), digit


def test_the_effective_number_is_that_of_the_images_where_modes_are_few(context):
    images, labels = cheats.few(EACH, 5)
    found = Some(context, "conditional-generation", images, labels, np.ones(len(labels), bool)).effective()
    assert found == pytest.approx(50, rel=0.2)
    images, labels = cheats.model("cvae", EACH)
    assert Some(context, "conditional-generation", images, labels, np.ones(len(labels), bool)).effective() is None
