"""Training steps of the two models of TU Berlin's sheet 10, in one thread, against loops that follow the formulas.

The loop of the mixture density network goes image by image and component by component, and leaves the derivatives to
automatic differentiation. That of the conditional RBM goes example by example: a chain, two outer products, and for the
discriminative gradient a free energy for each of the ten digits. Both do a part of the batch; their time is scaled.
"""

import math

import pytest
import torch
from torch.nn import functional

from reference import patch_window
from reference.crbm import HYBRID, binarised
from reference.crbm import Training as MachineTraining
from reference.crbm_gradients import discriminative_gradient
from reference.mdn import DIMENSIONS, SHARED, dequantised
from reference.mdn import Training as MixtureTraining
from reference.mixture_error import mixture_error
from tests.data import embedded_digits

pytestmark = pytest.mark.usefixtures("one_thread")

SHARE = 1 / 16


def batch(n):
    digits = embedded_digits().train
    return torch.from_numpy(digits.images[:n]), torch.from_numpy(digits.labels[:n])


def error_by_loops(model, inputs, targets):
    total = torch.zeros(())
    for seen, t in zip(inputs, targets, strict=True):
        z, mu, log_sigma = (each[0] for each in model(seen[None]))
        alpha = torch.exp(z) / torch.exp(z).sum()
        logs = []
        for i in range(len(alpha)):
            sigma = log_sigma[i, 0].exp()
            squared = ((t - mu[i]) ** 2).sum()
            logs.append(
                alpha[i].log()
                - DIMENSIONS / 2 * math.log(2 * math.pi)
                - DIMENSIONS * sigma.log()
                - squared / (2 * sigma**2)
            )
        total = total - torch.logsumexp(torch.stack(logs), 0)
    return total / len(inputs)


def test_mixture_density_network(compare):
    training = MixtureTraining(SHARED)
    images, labels = batch(SHARED.batch)
    some = images[: int(SHARE * len(images))]
    places = patch_window.draw(len(some), torch.Generator().manual_seed(0))
    inputs = patch_window.around(some, places)
    targets = dequantised(patch_window.inside(some, places), torch.Generator().manual_seed(1))
    expected = error_by_loops(training.model, inputs, targets)
    found = mixture_error(*training.model(inputs), t=targets).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)

    def by_loops():
        training.optimizer.zero_grad()
        error_by_loops(training.model, inputs, targets).backward()
        training.optimizer.step()

    compare(
        f"a training step of the MDN, {len(images)} images",
        lambda: training.step(images, labels, 0.5, torch.Generator().manual_seed(2)),
        "image by image, component by component",
        by_loops,
        share=SHARE,
    )


def gradients_by_loops(w, u, x, labels, generator):
    """Contrastive divergence's estimate and the discriminative gradient (W, U each), summed example by example."""

    def bernoulli(p):
        return (torch.rand(p.shape, generator=generator) < p).float()

    estimate, gradient = [torch.zeros_like(w), torch.zeros_like(u)], [torch.zeros_like(w), torch.zeros_like(u)]
    one_hot = torch.eye(len(u))
    for seen, label in zip(x, labels.tolist(), strict=True):
        y = one_hot[label]
        hidden = torch.sigmoid(w.T @ seen + u.T @ y)
        states = bernoulli(hidden)
        end, end_y = bernoulli(torch.sigmoid(w @ states)), bernoulli(torch.sigmoid(u @ states))
        end[-1] = 1
        of_end = torch.sigmoid(w.T @ end + u.T @ end_y)
        estimate[0] += torch.outer(seen, hidden) - torch.outer(end, of_end)
        estimate[1] += torch.outer(y, hidden) - torch.outer(end_y, of_end)
        minus = torch.stack([functional.softplus(w.T @ seen + u.T @ other).sum() for other in one_hot])
        for other, p in enumerate(minus.softmax(0)):
            active = torch.sigmoid(w.T @ seen + u.T @ one_hot[other])
            surprise = float(other == label) - p
            gradient[0] += surprise * torch.outer(seen, active)
            gradient[1][other] += surprise * active
    return [[each / len(x) for each in pair] for pair in (estimate, gradient)]


def test_conditional_rbm(compare):
    training = MachineTraining(HYBRID)
    images, labels = batch(HYBRID.batch)
    generator = torch.Generator().manual_seed(0)
    training.step(images, labels, 0.0, generator)
    w, u = training.model.W.clone(), training.model.U.clone()
    some = slice(0, round(SHARE * len(images)))
    x = binarised(images)[some]
    _, expected = gradients_by_loops(w, u, x, labels[some], generator)
    found, _ = discriminative_gradient(w, u, x, labels[some])
    for ours, by_hand in zip(found, expected, strict=True):
        # Products may be bfloat16.
        assert (ours - by_hand).norm() < 0.02 * by_hand.norm()

    def by_loops():
        estimate, gradient = gradients_by_loops(w, u, x, labels[some], generator)
        for weights, one, other in zip((w, u), estimate, gradient, strict=True):
            weights += 1e-4 * (HYBRID.generative * one + HYBRID.discriminative * other)

    compare(
        f"a training step of the hybrid CRBM, {len(images)} images",
        lambda: training.step(images, labels, 0.5, generator),
        "example by example, digit by digit",
        by_loops,
        share=len(x) / len(images),
    )
