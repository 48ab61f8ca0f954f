"""Reference functions are right on all cases; every usual mistake fails, and the message names it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness import tasks
from harness.tasks.functions.comparison import TOLERANCE
from harness.types import Outcome
from reference import berlin_functions, ucl_functions
from tests.harness.tasks.functions.asking import entry, mark

pytestmark = pytest.mark.numeric

REFERENCE = {
    "mixture-density": berlin_functions,
    "conditional-rbm": berlin_functions,
    "pca-projection": berlin_functions,
    "energy-error": berlin_functions,
    "pixel-posterior": ucl_functions,
    "dirichlet-update": ucl_functions,
}
MISTAKES = [
    (name, function.name, number)
    for name in REFERENCE
    for function in tasks.task(name).functions
    for number in range(len(function.mistakes))
]


def test_every_task_of_functions_has_a_reference():
    folder = {name for name, (where, _) in tasks.TASKS.items() if where.startswith("harness.tasks.functions.")}
    assert folder == set(REFERENCE)


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_functions_are_right_on_random_and_extreme_cases(context, name):
    marks, notes = mark(tasks.task(name), context, REFERENCE[name])
    assert marks.metrics["max_error"].value <= 1e-8
    assert marks.metrics["solved"].value == 1
    assert all("was called with" in note for note in notes)
    assert marks.evidence[0].state == "clear"


def test_a_thousand_random_cases_are_asked_of_each_derivation(context):
    for name in ("mixture-density", "conditional-rbm"):
        task = tasks.task(name)
        for function in task.functions:
            groups = task.groups_of(function, context)
            assert sum(len(g.inputs["U" if "U" in g.inputs else "t"]) for g in groups if not g.extreme) == 1000
            assert any(g.extreme for g in groups)


@pytest.mark.parametrize(("name", "function", "number"), MISTAKES)
def test_a_mistake_fails_and_is_named(context, name, function, number):
    task = tasks.task(name)
    chosen = next(f for f in task.functions if f.name == function)
    mistake = chosen.mistakes[number]
    answers = []
    for question in task.questions(context, entry(task)):
        shape = question.answers["value"].shape
        answers.append({"value": np.zeros(shape), "outcome": np.full(shape[0], Outcome.MISSING, np.int8)})
    start = 0
    for each in task.functions:
        groups = task.groups_of(each, context)
        if each is chosen:
            for at, group in enumerate(groups, start):
                with np.errstate(all="ignore"):
                    values = mistake.values(group.inputs)
                came = np.isfinite(values).reshape(len(values), -1).all(axis=1)
                values = np.where(came.reshape(-1, *(1 for _ in values.shape[1:])), values, 0)
                answers[at] = {"value": values, "outcome": np.where(came, Outcome.NUMBERS, Outcome.NAN).astype(np.int8)}
        start += len(groups)
    marks, notes = task.mark(context, entry(task), answers)
    metric = marks.metrics[f"error_{function}"]
    assert metric.value > 1000 * TOLERANCE
    assert marks.metrics["solved"].value == pytest.approx(mistake.worth / len(task.functions))
    own = next(note for note in notes if note.startswith(f"{chosen.title}: ") and "off" in note)
    assert mistake.sentence in own
    assert "The first, case 1 (" in own or "The first, case" in own
    assert "sign turned round" not in own


def test_each_derivation_earns_by_itself(context):
    task = tasks.task("mixture-density")
    only = SimpleNamespace(dE_dalpha=berlin_functions.dE_dalpha)
    marks, notes = mark(task, context, only, "mixture-density-a")
    assert marks.metrics["solved"].value == 0.5
    assert marks.metrics["error_dE_dalpha"].value == 0
    assert marks.metrics["error_dE_dmu"].value == marks.metrics["max_error"].value == 1
    assert "∂E/∂μ: no function dE_dmu(alpha, mu, sigma, t) was found (or grad_mu, dmu, d_mu, mu_gradient)." in notes
    assert "error_dE_dz" not in marks.metrics


def test_a_part_asks_for_its_exercise(context):
    task = tasks.task("mixture-density")
    asked = {part: {q.method for q in task.questions(context, entry(task, part))} for part in ("x-a", "x-b", "mdn")}
    assert asked == {"x-a": {"dE_dalpha", "dE_dmu"}, "x-b": {"dE_dz"}, "mdn": {"dE_dalpha", "dE_dmu", "dE_dz"}}


def test_a_sign_and_a_factor_are_named_together_or_alone(context):
    task = tasks.task("mixture-density")

    def missing_variance(alpha, mu, sigma, t):
        return berlin_functions.posterior(alpha, mu, sigma, t)[:, None] * (t - mu)

    def twice(alpha, mu, sigma, t):
        return 2 * berlin_functions.dE_dalpha(alpha, mu, sigma, t)

    model = SimpleNamespace(dE_dmu=missing_variance, dE_dalpha=twice, dE_dz=lambda z, mu, sigma, t: np.ones_like(z))
    marks, notes = mark(task, context, model)
    text = "\n".join(notes)
    assert "without 1/σ², with the sign turned round." in text
    assert "Every number is 2 times the right one." in text
    assert marks.metrics["solved"].value == 0


@pytest.mark.parametrize("order", ["x first", "x̂ first", "once"])
def test_noise_before_the_energy_net_is_the_other_published_setting(context, order):
    def err(x, m, z, gnet, enet):
        first = torch.randn_like(x)
        second = first if order == "once" else torch.randn_like(x)
        on_x, on_filled = (second, first) if order == "x̂ first" else (first, second)
        filled = z * (1 - m) + (2 * gnet(z).detach() - gnet(z)) * m
        return torch.nn.functional.softplus(enet(x + on_x) - enet(filled + on_filled)).mean()

    marks, notes = mark(tasks.task("energy-error"), context, SimpleNamespace(err=err))
    assert marks.metrics["solved"].value == 1
    assert any(f"({order})" in note for note in notes)


def test_a_flip_by_a_hook_and_another_way_to_paste_are_right(context):
    def err(x, m, z, gnet, enet):
        made = gnet(z)
        made.register_hook(lambda gradient: -gradient)
        filled = torch.where(m > 0, made, z)
        return -torch.nn.functional.logsigmoid(enet(filled) - enet(x)).mean()

    marks, _ = mark(tasks.task("energy-error"), context, SimpleNamespace(err=err))
    assert marks.metrics["max_error"].value == 0


def test_softplus_written_out_overflows_on_large_energies_alone(context):
    def err(x, m, z, gnet, enet):
        filled = z * (1 - m) + (2 * gnet(z).detach() - gnet(z)) * m
        return torch.log(1 + torch.exp(enet(x) - enet(filled))).mean()

    marks, notes = mark(tasks.task("energy-error"), context, SimpleNamespace(err=err))
    assert marks.metrics["solved"].value == 0.75
    assert "softplus" in notes[-1]


def test_pca_by_eigenvectors_with_other_signs_and_pasted_results(context):
    def by_covariance(z, x, d):
        mean = x.mean(0)
        vectors = -torch.linalg.eigh((x - mean).T @ (x - mean)).eigenvectors[:, -d:]
        return (z - mean) @ vectors @ vectors.T + mean

    def pasted(z, x, d):
        return torch.where(z == 0, by_covariance(z, x, d), z)

    for function in (by_covariance, pasted):
        marks, _ = mark(tasks.task("pca-projection"), context, SimpleNamespace(pca=function))
        assert marks.metrics["solved"].value == 1
