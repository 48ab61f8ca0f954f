"""Tests of a mixture's error and its derivatives: PyTorch's distributions, brute force, the sheet's formulas."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from reference import berlin_functions
from reference.mixture_error import mixture_error

pytestmark = pytest.mark.numeric


def mixture(deviations, n=6, m=4, c=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731  # four uses
    z, mu, log_sigma = draw(n, m), draw(n, m, c), 0.5 * draw(n, m, deviations)
    return [each.requires_grad_() for each in (z, mu, log_sigma)], draw(n, c)


@pytest.mark.parametrize("deviations", [1, 3])
def test_the_error_is_the_negative_log_density(deviations):
    (z, mu, log_sigma), t = mixture(deviations)
    components = Independent(Normal(mu, log_sigma.exp().expand_as(mu)), 1)
    expected = -MixtureSameFamily(Categorical(logits=z), components).log_prob(t)
    assert torch.allclose(mixture_error(z, mu, log_sigma, t), expected, rtol=1e-13)
    z, mu, log_sigma = z.detach(), mu.detach(), log_sigma.detach()
    # Term by term, for one target.
    alpha, total = z[0].softmax(0).tolist(), 0.0
    for i, share in enumerate(alpha):
        density = share
        for k in range(3):
            sigma = math.exp(log_sigma[0, i, k % deviations])
            density *= math.exp(-((t[0, k] - mu[0, i, k]) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        total += density
    assert mixture_error(z, mu, log_sigma, t)[0].item() == pytest.approx(-math.log(total), rel=1e-12)


@pytest.mark.parametrize("deviations", [1, 3])
def test_derivatives_are_those_of_finite_differences(deviations):
    parameters, t = mixture(deviations)
    assert torch.autograd.gradcheck(lambda *given: mixture_error(*given, t), parameters, atol=1e-7)


def test_derivatives_are_the_sheets():
    (z, mu, log_sigma), t = mixture(1)
    mixture_error(z, mu, log_sigma, t).sum().backward()
    sigma = log_sigma.detach().exp()[:, :, 0].numpy()
    for i in range(len(t)):
        given = mu.detach()[i].numpy(), sigma[i], t[i].numpy()
        assert np.allclose(z.grad[i], berlin_functions.dE_dz(z.detach()[i].numpy(), *given), atol=1e-13)
        alpha = z.detach()[i].softmax(0).numpy()
        assert np.allclose(mu.grad[i], berlin_functions.dE_dmu(alpha, *given), rtol=1e-10)


@pytest.mark.parametrize("deviations", [1, 36])
def test_thin_components_far_from_the_target_give_no_nan_in_float32(deviations):
    z = torch.tensor([[-80.0, 80.0]], requires_grad=True)
    mu = torch.stack([torch.zeros(36), torch.ones(36)])[None].requires_grad_()
    log_sigma = torch.full((1, 2, deviations), math.log(1e-3), requires_grad=True)
    t = torch.full((1, 36), 0.05)
    error = mixture_error(z, mu, log_sigma, t)
    # The first component is 50 σ away and the second 950: all weight is the first one's.
    density = -36 * math.log(1e-3 * math.sqrt(2 * math.pi)) - 36 * 50**2 / 2
    assert error.item() == pytest.approx(160 - density, rel=1e-5)
    error.sum().backward()
    assert torch.allclose(mu.grad[0, 0], torch.tensor(-0.05 / 1e-6), rtol=1e-4)
    assert mu.grad[0, 1].abs().max() == 0
    assert all(each.grad.isfinite().all() for each in (z, mu, log_sigma))
