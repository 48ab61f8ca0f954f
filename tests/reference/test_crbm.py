"""Tests of the conditional RBM: free energy, classification, inpainting and sampling, against enumeration."""

import math

import numpy as np
import pytest
import torch

from reference import berlin_functions, trainings
from reference.crbm import ALWAYS, CLASSES, CRBM, PIXELS, binarised
from reference.gibbs import LEVELS, STEP, THRESHOLDS, rounded
from reference.train import fit
from tests.data import embedded_digits
from tests.reference.machines import drawn, every, log_joint, machine

pytestmark = pytest.mark.numeric


def test_the_free_energy_is_that_of_all_hidden_states():
    w, u = drawn(6, 10, 5)
    x = every(6)
    found = machine(w, u).free_energies(torch.cat([x, torch.ones(64, 1, dtype=torch.float64)], 1))
    for label, one_hot in enumerate(torch.eye(10, dtype=torch.float64)):
        assert torch.allclose(found[:, label], -log_joint(w, u, x, one_hot.expand(64, -1)), rtol=1e-12)
        by_the_sheet = [
            berlin_functions.free_energy(np.append(row, 1.0), one_hot.numpy(), w.numpy(), u.numpy()) for row in x
        ]
        assert np.allclose(found[:, label], by_the_sheet, rtol=1e-12)


def digits(n):
    return torch.from_numpy(embedded_digits().test.images[:n])


def strong(units=12, seed=1):
    """A machine of MNIST's size that has opinions of the middle of an image."""
    built = CRBM(units=units)
    generator = torch.Generator().manual_seed(seed)
    built.W.normal_(0, 0.4, generator=generator)
    built.U.normal_(0, 1.0, generator=generator)
    return built


def test_classes_have_the_probabilities_of_their_free_energies():
    model, images = strong(), digits(8)
    x = binarised(images)
    assert torch.equal(x[:, :-1], (images.flatten(1) > 0.5).float()) and (x[:, -1] == 1).all()
    minus = model.free_energies(x).double()
    expected = torch.exp(-minus) / torch.exp(-minus).sum(1, keepdim=True)
    found = model.log_class_probabilities(images)
    assert torch.allclose(found.exp().double(), expected, rtol=1e-3)
    assert torch.equal(model.classify(images), expected.argmax(1))


def test_inpainting_is_the_mean_of_the_missing_pixels_given_the_others():
    model, images = strong(), digits(3)
    model.levels.copy_(torch.tensor([0.1, 0.9]))
    model.chains, model.sweeps = 8, 3000
    mask = torch.zeros_like(images, dtype=torch.bool)
    places = [(0, 13, 13), (0, 13, 14), (0, 14, 13)]
    for _, row, column in places:
        mask[:, 0, row, column] = True
    found = model.inpaint(images, mask)
    missing, labels = every(13).split([3, CLASSES], 1)  # y is not known, and need not be one-hot
    w, u = rounded(model.W).double(), rounded(model.U).double()
    for image, filled in zip(images, found, strict=True):
        x = (image.flatten() > 0.5).double().repeat(len(missing), 1)
        for k, (_, row, column) in enumerate(places):
            x[:, 28 * row + column] = missing[:, k]
        inputs = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], 1) @ w + labels @ u
        share = torch.nn.functional.softplus(inputs).sum(1).softmax(0)
        expected = 0.1 + 0.8 * (share[:, None] * missing).sum(0)
        assert torch.allclose(filled[mask[0]].double(), expected, atol=0.03)
    assert torch.equal(found[~mask], images[~mask])


def test_an_answer_depends_on_no_other_image_and_not_on_what_is_missing():
    model = strong(40)
    model.chains, model.sweeps = 2, 15
    images = digits(9)
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros_like(images, dtype=torch.bool)
    for i in range(9):
        row, column = torch.randint(7, 16, (2,), generator=generator).tolist()
        mask[i, :, row : row + 6, column : column + 6] = True
    found = model.inpaint(images, mask)
    alone = torch.cat([model.inpaint(images[i : i + 1], mask[i : i + 1]) for i in range(9)])
    # A draw that came out otherwise would change a mean of 24 by .04.
    assert torch.allclose(found, alone, atol=1e-6)
    others = torch.where(mask, 1 - images, images)
    assert torch.equal(model.inpaint(others, mask), found)


def test_rounded_weights_sum_the_same_in_any_order():
    generator = torch.Generator().manual_seed(3)
    weights = rounded(torch.randn(785, generator=generator)) + ALWAYS * (torch.arange(785) == 784)
    assert torch.equal((weights * STEP).round(), weights * STEP)
    sums = {sum(weights[torch.randperm(785, generator=generator)].tolist()) for _ in range(3)}
    sums |= {weights[torch.randperm(785, generator=generator)].cumsum(0)[-1].item() for _ in range(20)}
    assert len(sums) == 1


def test_thresholds_give_a_sigmoids_probabilities():
    for a in (-6.0, -1.5, 0.0, 0.3, 4.0):
        share = (a > THRESHOLDS).double().mean().item()
        assert share == pytest.approx(1 / (1 + math.exp(-a)), abs=1 / LEVELS)


def test_label_clamped_chains_reach_the_conditional_distribution():
    model = strong(8)
    model.W[:-1] *= 0.2
    model.levels.copy_(torch.tensor([0.0, 1.0]))
    label = torch.eye(CLASSES)[[4]].expand(4000, -1)
    start = torch.zeros(4000, PIXELS)
    found = model.sampled_given_labels(start, label, 30, torch.Generator().manual_seed(0)).flatten(1).mean(0)
    # p(h | y) of all hidden states: the pixels summed out, each is a factor 1 + exp(W h).
    h = every(8)
    w, u = model.W.double(), model.U.double()
    log_p = h @ (w[-1] + u[4]) + torch.nn.functional.softplus(h @ w[:-1].T).sum(1)
    expected = (log_p.softmax(0)[:, None] * torch.sigmoid(h @ w[:-1].T)).sum(0)
    assert (found - expected).abs().max() < 0.02


@pytest.mark.long
@pytest.mark.parametrize("name", ["crbm", "crbm-hybrid", "crbm-cd1"])
def test_a_training_repeats_learns_digits_and_holds_the_constant_unit(name):
    data = embedded_digits().train
    images, labels = torch.from_numpy(data.images[:1000]), torch.from_numpy(data.labels[:1000])
    found = []
    for _ in range(2):
        training = trainings()[name](1)
        training.epochs = 6
        history = fit(training, images, labels)
        found.append((history, training.model.state_dict()))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(found[0][1][key], found[1][1][key]) for key in found[0][1])
    assert training.model.W[-1, 0] == ALWAYS
    low, high = training.model.levels
    assert 0 <= low < 0.2 and 0.8 < high <= 1
    assert (training.model.classify(images) == labels).double().mean() > 0.6
