"""Scalar, batched, numpy, torch, float32 and named forms of functions are all graded; broken ones are answered."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness import tasks
from harness.student_code.no_differentiation import DifferentiationError, no_differentiation
from harness.types import GradingError
from reference import berlin_functions
from tests.harness.tasks.functions.asking import mark, namespace

pytestmark = pytest.mark.numeric

NUMPY_BATCHED = """
import numpy as np
def posterior(alpha, mu, sigma, t):
    log = np.log(alpha) - t.shape[1] * np.log(sigma) - ((t[:, None, :] - mu) ** 2).sum(axis=2) / (2 * sigma**2)
    joint = np.exp(log - log.max(axis=1, keepdims=True))
    return joint / joint.sum(axis=1, keepdims=True)
def grad_alpha(alpha, mu, sigma, t):
    return -posterior(alpha, mu, sigma, t) / alpha
def grad_mu(alpha, mu, sigma, t):
    return (posterior(alpha, mu, sigma, t) / sigma**2)[:, :, None] * (mu - t[:, None, :])
def grad_z(z, mu, sigma, t):
    alpha = np.exp(z - z.max(axis=1, keepdims=True))
    alpha /= alpha.sum(axis=1, keepdims=True)
    return alpha - posterior(alpha, mu, sigma, t)
"""
TORCH_SCALAR = """
import torch
def log_joint(alpha, mu, sigma, t):
    return alpha.log() - len(t) * sigma.log() - ((t - mu) ** 2).sum(1) / (2 * sigma**2)
def dEdAlpha(alpha, mu, sigma, t):
    return -torch.softmax(log_joint(alpha, mu, sigma, t), 0) / alpha
def dE_dmu(t, sigma, mu, alpha):
    weight = torch.softmax(log_joint(alpha, mu, sigma, t), 0) / sigma**2
    return weight.unsqueeze(1) * (mu - t)
def dE_dz(alpha, mu, sigma, t):
    return (alpha - torch.softmax(log_joint(alpha, mu, sigma, t), 0)).tolist()
"""
TORCH_BATCHED = """
import torch
def posterior(alpha, mu, sigma, t):
    distance = torch.norm(t.unsqueeze(1) - mu, dim=2)
    return torch.softmax(alpha.log() - t.shape[1] * sigma.log() - 0.5 * (distance / sigma) ** 2, dim=1)
def d_alpha(alpha, mu, sigma, t):
    return -posterior(alpha, mu, sigma, t) / alpha
def d_mu(alpha, mu, sigma, t):
    return posterior(alpha, mu, sigma, t)[:, :, None] * (mu - t[:, None]) / sigma[:, :, None] ** 2
def d_z(z, mu, sigma, t):
    alpha = torch.softmax(z, dim=1)
    return alpha - posterior(alpha, mu, sigma, t)
"""
PURE_PYTHON = """
from math import exp, log
def posterior(alpha, mu, sigma, t):
    logs = [float(log(a) - len(t) * log(s) - sum((x - y) ** 2 for x, y in zip(t, m)) / (2 * s * s))
            for a, m, s in zip(alpha, mu, sigma)]
    joint = [exp(l - max(logs)) for l in logs]
    return [j / sum(joint) for j in joint]
def dE_dalpha(alpha, mu, sigma, t):
    return [-p / float(a) for p, a in zip(posterior(alpha, mu, sigma, t), alpha)]
def dE_dmu(alpha, mu, sigma, t):
    return [[p * float(m[k] - t[k]) / float(s) ** 2 for k in range(len(t))]
            for p, m, s in zip(posterior(alpha, mu, sigma, t), mu, sigma)]
def dE_dz(z, mu, sigma, t):
    total = sum(exp(float(v)) for v in z)
    alpha = [exp(float(v)) / total for v in z]
    return [a - p for a, p in zip(alpha, posterior(alpha, mu, sigma, t))]
"""


@pytest.fixture(scope="module")
def task():
    return tasks.task("mixture-density")


@pytest.mark.parametrize(
    ("source", "way"),
    [
        (NUMPY_BATCHED, "numpy arrays, all cases at once"),
        (TORCH_SCALAR, "tensors, one case at a time"),
        (TORCH_BATCHED, "tensors, all cases at once"),
        (PURE_PYTHON, "tensors, one case at a time"),
    ],
    ids=["numpy batched", "torch scalar, arguments by name", "torch batched", "pure Python, lists"],
)
def test_forms(context, task, source, way):
    marks, notes = mark(task, context, namespace(source))
    assert marks.metrics["solved"].value == 1, notes
    assert marks.metrics["max_error"].value <= 1e-8
    assert sum(f"was called with {way}." in note for note in notes) == 3


def in_single(function):
    @functools.wraps(function)
    def wrapped(*arguments, **named):
        named = {name: np.asarray(value, np.float32) for name, value in named.items()}
        return function(*(np.asarray(value, np.float32) for value in arguments), **named)

    return wrapped


@pytest.mark.parametrize("name", ["mixture-density", "conditional-rbm"])
def test_single_precision_is_told_and_not_taken_for_wrong_mathematics(context, name):
    names = [function.name for function in tasks.task(name).functions]

    def single(alpha, mu, sigma, t):
        log = (np.log(alpha) - np.float32(len(t)) * np.log(sigma)) - ((t - mu) ** 2).sum(axis=1) / (2 * sigma**2)
        joint = np.exp(log - log.max())
        return joint / joint.sum()

    own = {
        "dE_dalpha": in_single(lambda a, m, s, t: -single(a, m, s, t) / a),
        "dE_dmu": in_single(lambda a, m, s, t: (single(a, m, s, t) / s**2)[:, None] * (m - t)),
        "dE_dz": in_single(
            lambda z, m, s, t: (a := np.exp(z - z.max()) / np.exp(z - z.max()).sum()) - single(a, m, s, t)
        ),
        "hidden_probability": in_single(lambda x, y, w, u: 0.5 * (1 + np.tanh((x @ w + y @ u) / np.float32(2)))),
        "output_probability": in_single(lambda h, u: 0.5 * (1 + np.tanh(u @ h / np.float32(2)))),
        "free_energy": in_single(lambda x, y, w, u: -np.logaddexp(np.float32(0), x @ w + y @ u).sum()),
        "joint_probability": lambda x, y, w, u: np.float32(
            berlin_functions.joint_probability(*map(np.array, (x, y, w, u)))
        ),
    }
    marks, notes = mark(tasks.task(name), context, SimpleNamespace(**{key: own[key] for key in names}))
    assert marks.metrics["solved"].value == 1, notes
    assert sum("float32 numbers" in note for note in notes) == len(names)
    assert not any("off" in note for note in notes)


def test_single_precision_hides_no_mistake(context, task):
    wrong = in_single(lambda a, m, s, t: -berlin_functions.posterior(a, m, s, t).astype(np.float32))
    marks, notes = mark(task, context, SimpleNamespace(dE_dalpha=wrong), "x-a")
    assert marks.metrics["solved"].value == 0
    assert "with respect to log α" in notes[-2]
    assert "float32" in "\n".join(notes)


def test_a_function_of_float32_weights_is_asked_in_float32(context):
    constant = torch.zeros(3, dtype=torch.float32)

    def pca(z, x, d):
        assert z.dtype == constant.dtype, "expected Float"
        mean = x.mean(0)
        rows = torch.linalg.svd(x - mean, full_matrices=False).Vh[:d]
        return mean + (z - mean) @ rows.T @ rows

    marks, notes = mark(tasks.task("pca-projection"), context, SimpleNamespace(pca=pca))
    assert marks.metrics["solved"].value == 1, notes
    assert "float32 numbers" in notes[-1]


def test_right_mathematics_without_log_sum_exp_counts_three_quarters(context, task):
    def naive(alpha, mu, sigma, t):
        phi = np.exp(-((t - mu) ** 2).sum(axis=1) / (2 * sigma**2)) / (2 * np.pi) ** (len(t) / 2) / sigma ** len(t)
        return -phi / (alpha * phi).sum()

    marks, notes = mark(task, context, SimpleNamespace(dE_dalpha=naive, dE_dmu=berlin_functions.dE_dmu), "x-a")
    assert marks.metrics["solved"].value == pytest.approx((0.75 + 1) / 2)
    assert marks.metrics["error_dE_dalpha"].value == 1
    assert "gave NaN" in notes[-1] and "All random cases are right." in notes[-1] and "log-sum-exp" in notes[-1]


def hostile_nan(alpha, mu, sigma, t):
    return np.full_like(alpha, np.nan)


def hostile_infinite(alpha, mu, sigma, t):
    return np.full_like(alpha, np.inf)


def hostile_shape(alpha, mu, sigma, t):
    return np.zeros(17)


def hostile_text(alpha, mu, sigma, t):
    return "-pi / alpha"


def hostile_exit(alpha, mu, sigma, t):
    raise SystemExit(0)


def hostile_error(alpha, mu, sigma, t):
    return alpha / undefined_name  # noqa: F821


def hostile_nothing(alpha, mu, sigma, t):
    return None


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (hostile_nan, "gave NaN"),
        (hostile_infinite, "gave an infinite number"),
        (hostile_shape, "returned a ndarray of shape (17,) where numbers of shape (3,) are wanted"),
        (hostile_text, "returned a str where"),
        (hostile_exit, "raised SystemExit: 0"),
        (hostile_error, "name 'undefined_name' is not defined (test_forms.py, line"),
        (hostile_nothing, "returned a NoneType where"),
    ],
)
def test_broken_functions_are_answered_in_a_sentence_and_cost_the_others_nothing(context, task, function, said):
    marks, notes = mark(task, context, SimpleNamespace(dE_dalpha=function, dE_dmu=berlin_functions.dE_dmu), "x-a")
    assert marks.metrics["solved"].value == 0.5
    assert any(said in note for note in notes), notes
    assert any("1,000 of 1,000 random cases are off" in note for note in notes), notes


def test_no_function_at_all_fails_the_entry_with_all_names(context, task):
    with pytest.raises(GradingError, match=r"dE_dalpha\(alpha, mu, sigma, t\).*dE_dmu"):
        mark(task, context, SimpleNamespace(solution=lambda: 1), "x-a")


def energy(alpha, mu, sigma, t):
    log = alpha.log() - len(t) * sigma.log() - ((t - mu) ** 2).sum(1) / (2 * sigma**2)
    return -torch.logsumexp(log, 0)


def by_grad(alpha, mu, sigma, t):
    alpha = alpha.clone().requires_grad_()
    return torch.autograd.grad(energy(alpha, mu, sigma, t), alpha)[0]


def by_backward(alpha, mu, sigma, t):
    with torch.inference_mode(False), torch.enable_grad():
        alpha = torch.tensor(alpha.tolist(), dtype=torch.float64, requires_grad=True)
        energy(alpha, *(torch.tensor(v.tolist(), dtype=torch.float64) for v in (mu, sigma, t))).backward()
        return alpha.grad


def by_transformation(alpha, mu, sigma, t):
    return torch.func.grad(energy)(alpha, mu, sigma, t)


def by_forward_mode(alpha, mu, sigma, t):
    return torch.func.jacfwd(energy)(alpha, mu, sigma, t)


def by_jacobian(alpha, mu, sigma, t):
    with torch.inference_mode(False), torch.enable_grad():
        fresh = [torch.tensor(v.tolist(), dtype=torch.float64) for v in (alpha, mu, sigma, t)]
        return torch.autograd.functional.jacobian(lambda a: energy(a, *fresh[1:]), fresh[0])


@pytest.mark.parametrize("function", [by_grad, by_backward, by_transformation, by_forward_mode, by_jacobian])
def test_automatic_differentiation_is_refused_in_a_sentence(context, task, function):
    marks, notes = mark(task, context, SimpleNamespace(dE_dalpha=function, dE_dmu=berlin_functions.dE_dmu), "x-a")
    assert marks.metrics["solved"].value == 0.5
    assert any(
        "calls automatic differentiation" in note and "return the derivative's formula" in note for note in notes
    )
    assert any("called automatic differentiation, where the formula is asked for" in note for note in notes)


def test_differentiation_works_again_afterwards():
    with pytest.raises(DifferentiationError), no_differentiation():
        torch.func.grad(torch.sin)(torch.tensor(0.0))
    assert torch.func.grad(torch.sin)(torch.tensor(0.0)).item() == 1
    x = torch.tensor(2.0, requires_grad=True)
    assert torch.autograd.grad(x**2, x)[0].item() == 4


def test_finite_differences_pass_only_as_unusual(context, task):
    def differences(alpha, mu, sigma, t):
        step, found = 1e-5, np.empty_like(alpha)

        def value(alpha):
            log = np.log(alpha) - len(t) * np.log(sigma) - ((t - mu) ** 2).sum(axis=1) / (2 * sigma**2)
            return -(log.max() + np.log(np.exp(log - log.max()).sum()))

        for i in range(len(alpha)):
            moved = np.zeros_like(alpha)
            moved[i] = step * alpha[i]
            found[i] = (value(alpha + moved) - value(alpha - moved)) / (2 * step * alpha[i])
        return found

    model = SimpleNamespace(dE_dalpha=differences, dE_dmu=berlin_functions.dE_dmu)
    marks, _ = mark(task, context, model, "x-a")
    found = marks.evidence[0]
    assert marks.metrics["error_dE_dalpha"].value > 1e-12
    # Where they come near enough on all cases, they are right, and unusual.
    assert found.state == ("unusual" if marks.metrics["error_dE_dalpha"].value <= 1e-6 else "clear")
    assert not found.flag


def test_a_mean_field_of_arguments_changed_in_place_harms_no_other_case(context, task):
    def in_place(alpha, mu, sigma, t):
        mu -= t
        weight = berlin_functions.posterior(alpha, mu, sigma, np.zeros_like(t)) / sigma**2
        mu *= weight[:, None]
        return mu

    marks, _ = mark(task, context, SimpleNamespace(dE_dmu=in_place, dE_dalpha=berlin_functions.dE_dalpha), "x-a")
    assert marks.metrics["solved"].value == 1
