"""Copies of small generators are found through what students do to hide them; independent trainings are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.likeness import answers, centres, units
from harness.likeness.generators import of_samples
from harness.likeness.kinds import KINDS
from harness.likeness.pairs import Sketch, alike
from tests.harness.likeness import generators


@pytest.fixture(scope="module")
def models() -> list:
    # The first two share their first weights and their recipe, the others only the recipe.
    return [generators.trained(seed, order) for seed, order in ((0, 0), (0, 1), (1, 2), (2, 3))]


def sketched(owner: int, model) -> Sketch:
    return Sketch(str(owner), "task", of_samples(*generators.answers(model)))


def pairs(models: list) -> dict[int, list[int]]:
    found = alike([sketched(owner, model) for owner, model in enumerate(models)])
    return {place: sorted(one.other for one in others) for place, others in found.items()}


def test_independent_trainings_are_no_copies_with_one_seed_neither(models):
    assert pairs(models) == {}


def test_a_rotated_permuted_and_noised_copy_is_found_among_them(models):
    assert pairs([*models, generators.disguised(models[1], 7)]) == {1: [4], 4: [1]}


def test_a_rotated_copy_with_a_louder_last_layer_is_found_by_its_hidden_units_alone(models):
    copied = generators.disguised(models[1], 7, gain=1.1)
    assert pairs([*models, copied]) == {1: [4], 4: [1]}
    rows = [of_samples(*generators.answers(m)) for m in (models[1], copied)]
    near = {
        k.name: k.distances(np.stack([r[k.name] for r in rows]))[0, 1] <= k.threshold
        for k in KINDS
        if k.name in rows[0]
    }
    assert near == {answers.DRAWS: False, centres.NAME: False, units.NAME: True}


def test_it_is_found_by_its_centres_but_not_by_its_answers(models):
    rows = [of_samples(*generators.answers(m)) for m in (models[1], generators.disguised(models[1], 7))]
    expected = {centres.NAME: True, answers.DRAWS: False}
    for kind in (kind for kind in KINDS if kind.name in expected):
        stacked = np.stack([row[kind.name] for row in rows])
        assert (kind.distances(stacked)[0, 1] <= kind.threshold) == expected[kind.name]


def test_a_copy_of_a_copy_is_a_copy_of_both(models):
    once = generators.disguised(models[3], 1)
    twice = generators.disguised(once, 2)
    assert pairs([*models, once, twice]) == {3: [4, 5], 4: [3, 5], 5: [3, 4]}


def test_weights_in_half_precision_are_the_same_weights(models):
    with torch.no_grad():
        half = generators.disguised(models[2], 1, noise=0)
        for parameter in half.parameters():
            parameter.copy_(parameter.half())
    assert pairs([*models, half]) == {2: [4], 4: [2]}


def test_samples_without_labels_and_centres_are_of_one_class():
    images = np.random.default_rng(0).random((100, 1, 28, 28)).astype(np.float32)
    found = of_samples(images)
    assert found.keys() == {answers.DRAWS}
    assert of_samples(images, np.arange(100) % 10, np.full((10, 1, 28, 28), 2.0)).keys() == found.keys()
    assert of_samples(images, units=np.zeros((units.UNITS, units.WIDTH), np.float32)).keys() == found.keys()
