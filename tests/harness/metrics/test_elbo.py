"""Tests of bounds on the likelihood, against torch's distributions and a model whose likelihood is known."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import Bernoulli, Normal, kl_divergence

from harness.metrics import elbo
from harness.metrics.cross_entropy_of_images import image_cross_entropy


def test_the_divergence_is_that_of_torchs_normal_distributions():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(20, 5, generator=generator) * 3
    log_variance = torch.randn(20, 5, generator=generator) * 2
    expected = kl_divergence(Normal(mean.double(), (log_variance.double() / 2).exp()), Normal(0.0, 1.0))
    assert elbo.divergence(mean.numpy(), log_variance.numpy()) == pytest.approx(expected.numpy(), rel=1e-9)


def test_the_likelihood_is_that_of_torchs_bernoulli_distribution():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(7, 1, 28, 28, generator=generator) * 0.9 + 0.05
    x = torch.rand(7, 1, 28, 28, generator=generator).round()
    expected = Bernoulli(p.double()).log_prob(x.double()).flatten(1).sum(1)
    assert elbo.log_bernoulli(p.numpy(), x.numpy()) == pytest.approx(expected.numpy(), rel=1e-9)
    assert -image_cross_entropy(p.numpy(), x.numpy()) * 784 == pytest.approx(expected.numpy(), rel=1e-9)


def test_gray_targets_are_expectations_of_binary_ones():
    p, x = np.float32(0.3), np.float32(0.6)
    image = np.full((1, 4), x)
    one, zero = (elbo.log_bernoulli(np.full((1, 4), p), np.full((1, 4), np.float32(v)))[0] for v in (1, 0))
    share = float(x)
    assert elbo.log_bernoulli(np.full((1, 4), p), image)[0] == pytest.approx(share * one + (1 - share) * zero, rel=1e-6)
    entropy = -4 * (share * math.log(share) + (1 - share) * math.log(1 - share))
    assert elbo.gray_entropy(image)[0] == pytest.approx(entropy, rel=1e-6)


def test_certain_pixels_count_as_one_in_ten_millions():
    found = elbo.log_bernoulli(np.array([[0, 1]], np.float32), np.array([[1, 1]], np.float32))
    assert found[0] == pytest.approx(math.log(1e-7), rel=1e-6)
    assert image_cross_entropy(np.array([[-0.1]], np.float32), np.array([[1]], np.float32)) is None
    assert image_cross_entropy(np.array([[1.1]], np.float32), np.array([[1]], np.float32)) is None


def test_codes_are_drawn_by_mean_deviation_and_noise():
    mean, log_variance = np.array([[1.0, -2.0]]), np.log(np.array([[4.0, 9.0]]))
    assert elbo.drawn_codes(mean, log_variance, np.array([[0.5, -1.0]])).tolist() == [[2.0, -5.0]]


def test_the_importance_bound_rises_to_the_likelihood_of_a_linear_gaussian_model():
    # x | z ~ N(W z, I), z ~ N(0, I): x ~ N(0, W Wᵀ + I).
    rng = np.random.default_rng(0)
    w = rng.standard_normal((3, 2))
    x = rng.standard_normal((6, 3)) * 2
    truth = multivariate_normal(np.zeros(3), w @ w.T + np.eye(3)).logpdf(x)
    posterior = np.linalg.inv(np.eye(2) + w.T @ w)
    mean = x @ w @ posterior.T
    log_variance = np.log(np.full((6, 2), 0.5))
    bounds = []
    for draws in (1, 30, 20_000):
        noise = rng.standard_normal((draws, 6, 2))
        codes = mean + np.sqrt(0.5) * noise
        likelihoods = -0.5 * ((x - codes @ w.T) ** 2).sum(2) - 1.5 * math.log(2 * math.pi)
        bounds.append(elbo.importance_bound(likelihoods, mean, log_variance, codes).mean())
    assert bounds[0] < bounds[1] < truth.mean() + 0.1
    assert bounds[2] == pytest.approx(truth.mean(), abs=0.02)
