"""Checks each step of docs/derivations.md: symbolically where SymPy can, else numerically."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch

from reference import berlin_functions, ucl_functions

ROOT = Path(__file__).parents[2]
STEPS = re.findall(r"^\*\*Step (\d\.\d)\.\*\*", (ROOT / "docs" / "derivations.md").read_text("utf-8"), re.MULTILINE)
CHECKS = {}


def step(name):
    def keep(check):
        CHECKS[name] = check
        return check

    return keep


# A mixture of 2 components in 2 dimensions.
M = C = 2
ALPHA = sp.symbols("alpha1:3", positive=True)
SIGMA = sp.symbols("sigma1:3", positive=True)
MU = [sp.symbols(f"mu{i}_1:3", real=True) for i in (1, 2)]
T = sp.symbols("t1:3", real=True)
Z = sp.symbols("z1:3", real=True)
PHI = [
    (2 * sp.pi) ** (-sp.Rational(C, 2))
    * SIGMA[i] ** -C
    * sp.exp(-sum((T[k] - MU[i][k]) ** 2 for k in range(C)) / (2 * SIGMA[i] ** 2))
    for i in range(M)
]
S = sum(ALPHA[i] * PHI[i] for i in range(M))
E = -sp.log(S)
PI = [ALPHA[i] * PHI[i] / S for i in range(M)]
SOFTMAX = [sp.exp(Z[i]) / sum(sp.exp(z) for z in Z) for i in range(M)]


def equal(left, right):
    return sp.simplify(left - right) == 0


@step("1.1")
def the_sum_is_linear_in_alpha():
    assert all(equal(sp.diff(S, ALPHA[i]), PHI[i]) for i in range(M))


@step("1.2")
def chain_rule_of_the_logarithm():
    assert all(equal(sp.diff(E, ALPHA[i]), -PHI[i] / S) for i in range(M))


@step("1.3")
def derivative_by_alpha():
    assert all(equal(sp.diff(E, ALPHA[i]), -PI[i] / ALPHA[i]) for i in range(M))
    assert not equal(sp.diff(E, ALPHA[0]), PI[0] / ALPHA[0])


@step("1.4")
def derivative_of_the_kernel():
    for i, k in itertools.product(range(M), range(C)):
        assert equal(sp.diff(PHI[i], MU[i][k]), PHI[i] * (T[k] - MU[i][k]) / SIGMA[i] ** 2)


@step("1.5")
def derivative_by_the_means():
    for i, k in itertools.product(range(M), range(C)):
        assert equal(sp.diff(E, MU[i][k]), PI[i] * (MU[i][k] - T[k]) / SIGMA[i] ** 2)


@step("1.6")
def derivative_of_the_softmax():
    for i, j in itertools.product(range(M), range(M)):
        assert equal(sp.diff(SOFTMAX[j], Z[i]), SOFTMAX[j] * (int(i == j) - SOFTMAX[i]))


def of_outputs(expression):
    return expression.subs(dict(zip(ALPHA, SOFTMAX, strict=True)), simultaneous=True)


@step("1.7")
def chain_rule_of_the_softmax():
    for i in range(M):
        total = -sum(of_outputs(PI[j]) * (int(i == j) - SOFTMAX[i]) for j in range(M))
        assert equal(sp.diff(of_outputs(E), Z[i]), total)


@step("1.8")
def derivative_by_the_outputs():
    assert equal(sum(PI), 1)
    assert all(equal(sp.diff(of_outputs(E), Z[i]), SOFTMAX[i] - of_outputs(PI[i])) for i in range(M))


@step("1.9")
def the_posterior_from_logarithms():
    values = [sp.log(ALPHA[i]) - C * sp.log(SIGMA[i]) for i in range(M)]
    values = [v - sum((T[k] - MU[i][k]) ** 2 for k in range(C)) / (2 * SIGMA[i] ** 2) for i, v in enumerate(values)]
    shift = sp.Symbol("shift", real=True)
    shifted = [sp.exp(v - shift) for v in values]
    assert all(equal(shifted[i] / sum(shifted), PI[i]) for i in range(M))
    # Where the densities themselves are 0 in double precision.
    alpha, sigma, mu, t = (
        np.array([0.5, 0.5]),
        np.array([1e-3, 1e-3]),
        np.array([[0.0, 0], [1.0, 0]]),
        np.array([0.4, 0]),
    )
    assert np.array_equal(berlin_functions.posterior(alpha, mu, sigma, t), [1.0, 0.0])


# A machine with 2 inputs, 2 outputs and 2 hidden units.
X, Y, H = sp.symbols("x1:3"), sp.symbols("y1:3"), sp.symbols("h1:3")
W = sp.Matrix(2, 2, lambda i, k: sp.Symbol(f"w{i}{k}", real=True))
U = sp.Matrix(2, 2, lambda j, k: sp.Symbol(f"u{j}{k}", real=True))
A = [sum(X[i] * W[i, k] for i in range(2)) + sum(Y[j] * U[j, k] for j in range(2)) for k in range(2)]
B = [sum(U[j, k] * H[k] for k in range(2)) for j in range(2)]
BITS = list(itertools.product((0, 1), repeat=2))


def weight(x, y, h):
    """exp(−E) from the sheet's definition of the energy."""
    x, y, h = (sp.Matrix(v) for v in (x, y, h))
    return sp.exp((x.T * W * h)[0] + (y.T * U * h)[0])


def sigm(a):
    return sp.exp(a) / (1 + sp.exp(a))


@step("2.1")
def the_weight_is_a_product():
    assert equal(weight(X, Y, H), sp.exp(A[0] * H[0]) * sp.exp(A[1] * H[1]))


@step("2.2")
def the_sum_over_hidden_units():
    assert equal(sp.expand(sum(weight(X, Y, h) for h in BITS)), sp.expand((1 + sp.exp(A[0])) * (1 + sp.exp(A[1]))))


@step("2.3")
def hidden_units_are_independent():
    total = sum(weight(X, Y, h) for h in BITS)
    for h in BITS:
        product = sp.prod([sp.exp(A[k] * h[k]) / (1 + sp.exp(A[k])) for k in range(2)])
        assert equal(sp.expand(weight(X, Y, h) * sp.denom(product)), sp.expand(sp.numer(product) * total))


@step("2.4")
def hidden_probability():
    numbers = dict(zip([*X, *Y, *W, *U], [1, 0, 1, 1, 0.3, -0.7, 1.1, 0.4, -0.2, 0.9, 0.5, -1.3], strict=True))
    total = sum(weight(X, Y, h) for h in BITS).subs(numbers)
    for k in range(2):
        share = sum(weight(X, Y, h) for h in BITS if h[k]).subs(numbers) / total
        assert abs(float(share - sigm(A[k]).subs(numbers))) < 1e-14


@step("2.5")
def outputs_are_independent_and_x_cancels():
    total = sum(weight(X, y, H) for y in BITS)
    for y in BITS:
        product = sp.prod([sp.exp(B[j] * y[j]) for j in range(2)])
        denominator = sp.prod([1 + sp.exp(B[j]) for j in range(2)])
        assert equal(sp.expand(weight(X, y, H) * denominator), sp.expand(product * total))


@step("2.6")
def output_probability():
    total = sum(weight(X, y, H) for y in BITS)
    share = sum(weight(X, y, H) for y in BITS if y[1])
    assert equal(sp.expand(share * (1 + sp.exp(B[1]))), sp.expand(sp.exp(B[1]) * total))


@step("2.7")
def the_free_energy():
    free = -sum(sp.log(1 + sp.exp(a)) for a in A)
    assert equal(sp.expand(sum(weight(X, Y, h) for h in BITS)), sp.expand(sp.exp(-free)))


@step("2.8")
def one_z_normalises_both():
    generator = np.random.default_rng(0)
    w, u = generator.normal(size=(2, 3)), generator.normal(size=(2, 3))
    states, hidden = BITS, list(itertools.product((0, 1), repeat=3))
    both = sum(
        np.exp(np.array(x) @ w @ h + np.array(y) @ u @ h)
        for x in states for y in states for h in map(np.array, hidden)
    )  # fmt: skip
    free = sum(np.exp(-berlin_functions.free_energy(np.array(x), np.array(y), w, u)) for x in states for y in states)
    assert free == pytest.approx(both, rel=1e-13)


@step("2.9")
def the_logarithm_without_overflow():
    a = sp.Symbol("a", positive=True)
    assert equal(sp.exp(a + sp.log(1 + sp.exp(-a))), 1 + sp.exp(a))  # a > 0
    assert equal(sp.exp(0 + sp.log(1 + sp.exp(-sp.Abs(-a)))), 1 + sp.exp(-a))  # −a < 0


@step("3.1")
def the_projection_is_the_nearest_point():
    generator = np.random.default_rng(0)
    x, z = generator.normal(size=(30, 7)) * np.arange(1, 8) + 3, generator.normal(size=(4, 7))
    found = berlin_functions.pca(z, x, 3)
    basis = np.linalg.eigh(np.cov(x.T))[1][:, -3:]
    nearest = [np.linalg.lstsq(basis, row, rcond=None)[0] for row in z - x.mean(axis=0)]
    assert np.allclose(found, x.mean(axis=0) + np.array(nearest) @ basis.T, atol=1e-12)


@step("3.2")
def the_flip_keeps_the_value_and_turns_the_derivative():
    a = torch.tensor([0.3, -2.0], dtype=torch.float64, requires_grad=True)
    flipped = 2 * a.detach() - a
    assert torch.equal(flipped, a)
    assert torch.autograd.grad(flipped.sum(), a)[0].tolist() == [-1.0, -1.0]


@step("3.3")
def the_gradient_goes_through_the_patch():
    g = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    m = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    filled = torch.ones(4, dtype=torch.float64) * (1 - m) + (2 * g.detach() - g) * m
    assert torch.autograd.grad(filled.sum(), g)[0].tolist() == (-m).tolist()


def sequence(generator, length=6, missing=2):
    """A joint distribution of binary sequences, as a table, and an image with one missing pixel in both completions."""
    table = generator.random((2,) * length)
    table /= table.sum()
    image = generator.integers(0, 2, length)
    completions = [np.concatenate([image[:missing], [v], image[missing + 1 :]]) for v in (0, 1)]
    predictions = [
        [table[(*row[:t], 1)].sum() / table[tuple(row[:t])].sum() for t in range(1, length)] for row in completions
    ]
    return table, np.array(completions), np.array(predictions)


@step("4.1")
def the_posterior_of_completions():
    table, images, predictions = sequence(np.random.default_rng(0))
    joint = np.array([table[tuple(row)] for row in images])
    assert np.allclose(ucl_functions.one_pixel_posterior(predictions, images), joint / joint.sum(), rtol=1e-13)


@step("4.2")
def factors_before_the_hole_cancel_and_those_after_it_do_not():
    _, images, predictions = sequence(np.random.default_rng(1))
    all_terms = ucl_functions.one_pixel_posterior(predictions, images)
    # Column t predicts pixel t + 1; pixel 2 is missing.
    assert np.allclose(ucl_functions.one_pixel_posterior(predictions[:, 1:], images[:, 1:]), all_terms, rtol=1e-13)
    until_hole = ucl_functions.one_pixel_posterior(predictions[:, :2], images[:, :3])
    assert np.abs(until_hole - all_terms).max() > 0.01


@step("4.3")
def a_softmax_of_log_likelihoods_does_not_underflow():
    images = np.ones((2, 2001))
    predictions = np.full((2, 2000), 1e-3)
    predictions[1, -1] = 3e-3
    assert np.allclose(ucl_functions.one_pixel_posterior(predictions, images), [0.25, 0.75], rtol=1e-9)


@step("4.4")
def the_posterior_is_a_dirichlet_distribution():
    p, q = sp.symbols("p q", positive=True)
    a = sp.symbols("a1:4", positive=True)
    n = sp.symbols("n1:4", positive=True, integer=True)

    def density(parameters):
        return p ** (parameters[0] - 1) * q ** (parameters[1] - 1) * (1 - p - q) ** (parameters[2] - 1)

    likelihood = p ** n[0] * q ** n[1] * (1 - p - q) ** n[2]
    ratio = density(a) * likelihood / density([x + y for x, y in zip(a, n, strict=True)])
    assert equal(sp.powsimp(ratio, force=True), 1)


@step("4.5")
def the_prediction_is_the_posterior_mean():
    a = sp.symbols("a1:4", positive=True)

    def evidence(parameters):
        return sp.prod([sp.gamma(x) for x in parameters]) / sp.gamma(sum(parameters))

    for k in range(3):
        mean = evidence([x + int(i == k) for i, x in enumerate(a)]) / evidence(a)
        assert equal(sp.gammasimp(mean), a[k] / sum(a))


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_step(name):
    CHECKS[name]()


def test_every_step_is_checked():
    assert sorted(CHECKS) == STEPS
    assert len(STEPS) == 26
