"""Tests of both gradients: against automatic differentiation, and finite differences of an enumerated likelihood."""

import pytest
import torch
from torch.nn import functional

from reference.crbm_gradients import Chains, contrastive_divergence, discriminative_gradient, draw
from tests.reference.machines import drawn, log_joint, log_likelihood

pytestmark = pytest.mark.numeric

INPUTS, LABELS, UNITS = 4, 2, 3


def examples(n):
    """Of a machine that is not the one which is trained."""
    generator = torch.Generator().manual_seed(5)
    x = (torch.rand(n, INPUTS, generator=generator) < torch.tensor([0.9, 0.2, 0.5, 0.7])).float()
    x[:, 2] = x[:, 0]  # so that not all follows from biases
    labels = (x[:, 1] + torch.randint(2, (n,), generator=generator)).clamp(max=1).long()
    return x, labels


def with_constant(x):
    return functional.pad(x, (0, 1), value=1.0)


def finite_differences(w, u, x, y, step=1e-5):
    found = []
    for weights in (w, u):
        slopes = torch.zeros_like(weights)
        for place in range(weights.numel()):
            ends = []
            for sign in (1, -1):
                weights.view(-1)[place] += sign * step
                ends.append(log_likelihood(w, u, x.double(), y.double()))
                weights.view(-1)[place] -= sign * step
            slopes.view(-1)[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(slopes)
    return found


@pytest.mark.parametrize("start", ["examples", "elsewhere"])
def test_long_chains_give_the_likelihoods_gradient(start):
    w, u = drawn(INPUTS, LABELS, UNITS, seed=1)
    x, labels = examples(20_000)
    y = functional.one_hot(labels, LABELS).float()
    expected = finite_differences(w, u, x, y)
    shown = Chains(with_constant(x), y)
    chains = shown if start == "examples" else Chains(torch.ones_like(shown.x), torch.zeros_like(y))
    generator = torch.Generator().manual_seed(0)
    found, ends, energies = contrastive_divergence(w.float(), u.float(), shown, chains, 60, generator)
    for estimate, slope in zip(found, expected, strict=True):
        # A mean of 20,000 draws has a standard error below .005; bfloat16 products add as much.
        assert (estimate - slope).abs().max() < 0.02
        assert slope.abs().max() > 0.1
    assert (ends.x[:, -1] == 1).all()
    by_hand = -log_joint(w, u, x.double(), y.double()).mean().item()
    assert energies[0] == pytest.approx(by_hand, abs=0.02)


def test_one_sweep_points_uphill():
    w, u = drawn(INPUTS, LABELS, UNITS, seed=2, scale=0.3)
    x, labels = examples(5000)
    y = functional.one_hot(labels, LABELS).float()
    shown = Chains(with_constant(x), y)
    (by_w, by_u), _, _ = contrastive_divergence(w.float(), u.float(), shown, shown, 1, torch.Generator().manual_seed(0))
    slopes = finite_differences(w, u, x, y)
    uphill = (by_w * slopes[0]).sum() + (by_u * slopes[1]).sum()
    sizes = [sum(each.double().square().sum() for each in pair).sqrt() for pair in ((by_w, by_u), slopes)]
    assert uphill / (sizes[0] * sizes[1]) > 0.8
    before = log_likelihood(w, u, x.double(), y.double())
    assert log_likelihood(w + 0.5 * by_w, u + 0.5 * by_u, x.double(), y.double()) > before + 0.01


def test_persistent_chains_go_on_where_they_ended():
    w, u = (weights.float() for weights in drawn(INPUTS, LABELS, UNITS))
    # Held far from the examples: chains that begin there show it in their states.
    w[:INPUTS] = 0
    w[-1] = 30.0
    w[0] = 40.0
    x = with_constant(torch.zeros(50, INPUTS))
    y = torch.zeros(50, LABELS)
    _, ends, _ = contrastive_divergence(w, u, Chains(x, y), Chains(x, y), 1, torch.Generator().manual_seed(0))
    assert (ends.x[:, 0] == 1).all()
    assert x[:, 0].max() == 0  # the examples themselves stay


def test_the_discriminative_gradient_is_that_of_automatic_differentiation():
    w, u = (weights.requires_grad_() for weights in drawn(INPUTS, LABELS, UNITS, seed=3))
    x, labels = examples(40)
    one_hot = torch.eye(LABELS, dtype=torch.float64)
    joint = torch.stack([log_joint(w, u, x.double(), row.expand(len(x), -1)) for row in one_hot], 1)
    log_p = joint.log_softmax(1)[torch.arange(len(x)), labels]
    log_p.mean().backward()
    found, surprise = discriminative_gradient(w.detach().float(), u.detach().float(), with_constant(x), labels)
    assert torch.allclose(found.W.double(), w.grad, atol=3e-3)
    assert torch.allclose(found.U.double(), u.grad, atol=3e-3)
    assert torch.allclose(surprise.double(), -log_p, atol=0.05)


def test_states_are_drawn_with_their_probabilities():
    probabilities = torch.tensor([0.0, 0.1, 0.5, 1.0]).repeat(20_000, 1)
    states = draw(probabilities, torch.Generator().manual_seed(1))
    assert set(states.unique().tolist()) == {0, 1}
    assert torch.allclose(states.mean(0), probabilities[0], atol=0.012)
