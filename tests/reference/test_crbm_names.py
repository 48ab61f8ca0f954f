"""Tests of reading conditional RBMs of other names, orders and biases."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from reference import architecture
from reference.crbm import binarised
from reference.crbm_names import adapt
from tests.data import embedded_digits

UNITS = 7


def weights(seed=0, units=UNITS, rows=784):
    rng = np.random.default_rng(seed)
    return {"W": rng.normal(0, 0.1, (rows, units)), "U": rng.normal(0, 0.1, (10, units))}


def built(arrays):
    state, sizes, notes = adapt({name: array.astype(np.float32) for name, array in arrays.items()})
    model = architecture("crbm").build({}, **sizes)
    model.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    return model.eval(), notes


def images():
    return torch.from_numpy(embedded_digits().test.images[:20])


def test_a_machine_with_the_constant_input_is_taken_as_it_is():
    given = weights(rows=785)
    model, notes = built(given)
    assert notes == []
    assert torch.equal(model.W, torch.from_numpy(given["W"]).float())


@pytest.mark.parametrize("names", [("W", "U"), ("rbm.weight_x", "rbm.weight_y")])
def test_the_sheets_own_machine_has_no_biases(names):
    given = weights()
    model, notes = built(dict(zip(names, given.values(), strict=True)))
    expected = -functional.softplus(
        binarised(images())[:, None, :-1].double() @ torch.from_numpy(given["W"]) + torch.from_numpy(given["U"])
    ).sum(2)
    assert torch.allclose(model.free_energies(binarised(images())).double(), expected, rtol=1e-5)
    assert notes == []


def test_transposed_matrices_are_turned_round():
    given = weights()
    plain, _ = built(given)
    turned, notes = built({"W": given["W"].T, "U": given["U"].T})
    assert torch.equal(plain.W, turned.W) and torch.equal(plain.U, turned.U)
    assert notes == ["W has shape (7, 784) and was transposed.", "U has shape (7, 10) and was transposed."]


def test_biases_become_units_without_changing_what_the_machine_believes():
    given, rng = weights(), np.random.default_rng(1)
    a, b, c = rng.normal(0, 2, 784), rng.normal(0, 2, 10), rng.normal(0, 2, UNITS)
    model, notes = built(given | {"a": a, "b": b[None], "c": c})
    assert "always 1" in notes[0]
    x = binarised(images())[:, :-1].double()
    inputs = x @ torch.from_numpy(given["W"]) + torch.from_numpy(c)
    of_y = functional.softplus(inputs[:, None] + torch.from_numpy(given["U"])).sum(2) + torch.from_numpy(b)
    expected = -of_y - (x @ torch.from_numpy(a))[:, None]
    found = model.free_energies(binarised(images())).double()
    offset = found - expected
    assert (offset - offset.mean()).abs().max() < 2e-3


def test_gray_levels_of_a_shipped_machine_are_kept():
    model, _ = built(weights(rows=785) | {"levels": np.array([0.05, 0.9])})
    assert torch.allclose(model.levels, torch.tensor([0.05, 0.9]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "it holds no arrays"),
        ({"W": np.zeros((784, 7))}, r"no single W .* with a single U .* it holds W \(784, 7\)"),
        (weights() | {"V": np.zeros((784, 7))}, "no single W"),
        ({"W": np.zeros((784, 7)), "U": np.zeros((10, 8))}, "W has 7 hidden units and U 8"),
        (weights(units=5000), "5000 hidden units; at most 4096"),
        (weights() | {"a": np.zeros(5)}, "'a' of 5 numbers"),
        (weights() | {"a": np.zeros(784), "b": np.zeros(784)}, "'b' of 784 numbers"),
        (weights(rows=785) | {"c": np.zeros(7)}, "both a constant input and biases"),
        (weights(units=10) | {"c": np.zeros(10)}, "can't be told apart"),
    ],
)
def test_other_checkpoints_are_refused_with_what_they_hold(given, said):
    with pytest.raises(ValueError, match=said):
        adapt(given)
