"""Tests of reading fully connected networks from checkpoints of other names, orders and frameworks."""

import numpy as np
import pytest

from reference import architecture
from reference.dense_layers import adapt

WANTED = {"encoder": (784, "hidden"), "code": ("hidden", "numbers"), "decoder": ("numbers", 784)}


def named(pairs):
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in pairs}


def layers(weight, bias, *triples):
    """Arrays of layers (name, outputs, inputs) under torch's names, or of Keras's transposed matrices."""
    pairs = []
    for name, outputs, inputs in triples:
        shape = (outputs, inputs) if weight == ".weight" else (inputs, outputs)
        pairs += [(f"{name}{weight}", shape), (f"{name}{bias}", (outputs,))]
    return named(pairs)


def test_torch_layers_of_any_name_are_read_in_their_order():
    given = layers(".weight", ".bias", ("net.0", 20, 784), ("net.2", 3, 20), ("net.4", 784, 3))
    state, sizes, notes = adapt(WANTED, given)
    assert sizes == {"hidden": 20, "numbers": 3}
    assert np.array_equal(state["code.weight"], given["net.2.weight"])
    assert np.array_equal(state["decoder.bias"], given["net.4.bias"])
    assert notes == ["Its layers were read as encoder: net.0, code: net.2, decoder: net.4."]


def test_keras_matrices_are_transposed():
    given = layers("/kernel:0", "/bias:0", ("dense", 20, 784), ("dense_1", 3, 20), ("dense_2", 784, 3))
    state, sizes, notes = adapt(WANTED, given)
    assert sizes == {"hidden": 20, "numbers": 3}
    assert np.array_equal(state["encoder.weight"], given["dense/kernel:0"].T)
    assert notes[0] == "Its matrices are stored as (inputs, outputs), as Keras does, and were transposed."


@pytest.mark.parametrize("keras", [True, False])
def test_a_mere_list_of_arrays_is_read_by_its_order(keras):
    # np.savez(file, *model.get_weights()) of Keras 3.15, and the same of torch's parameters.
    shapes = [(784, 20), (20,), (20, 3), (3,), (3, 784), (784,)]
    given = named([(f"arr_{n}", shape if keras else shape[::-1]) for n, shape in enumerate(shapes)])
    state, sizes, _ = adapt(WANTED, given)
    assert sizes == {"hidden": 20, "numbers": 3}
    assert np.array_equal(state["encoder.weight"], given["arr_0"].T if keras else given["arr_0"])
    assert np.array_equal(state["code.bias"], given["arr_3"])
    assert np.array_equal(state["decoder.bias"], given["arr_5"])


def test_a_mere_list_without_biases_is_refused_with_the_line_that_names_them():
    given = named([("arr_0", (784, 3)), ("arr_1", (3, 784))])
    with pytest.raises(ValueError, match=r"arr_0 has shape \(784, 3\), and neither .* np.savez\('model.npz', \*\*"):
        adapt({"encoder": (784, "numbers"), "decoder": ("numbers", 784)}, given)


def test_a_vector_that_is_no_bias_is_not_left_out():
    given = layers(".weight", ".bias", ("net.0", 20, 784), ("net.3", 3, 20), ("net.4", 784, 3))
    with pytest.raises(ValueError, match=r"net.1.weight \(20,\) is the bias of no matrix"):
        adapt(WANTED, given | named([("net.1.weight", (20,)), ("net.1.running_var", (20,))]))
    state, _, _ = adapt(WANTED, given | named([("log_sigma", (1,))]))
    assert np.array_equal(state["code.bias"], given["net.3.bias"])


def test_a_layer_without_a_bias_gets_zeros():
    given = named([("a.weight", (20, 784)), ("b.weight", (3, 20)), ("c.weight", (784, 3)), ("c.bias", (784,))])
    state, _, _ = adapt(WANTED, given)
    assert state["encoder.bias"].shape == (20,) and not state["encoder.bias"].any()
    assert state["decoder.bias"].any()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "it holds no arrays"),
        (
            {"a.weight": (20, 784)},
            r"its layers are not encoder \(784 → hidden\), code .*; it holds a.weight \(20, 784\)",
        ),
        ({"a.weight": (20, 784), "a.bias": (7,)}, "its bias has 7 numbers"),
        ({"a.weight": (8, 1, 3, 3)}, "no fully connected layer. Submit it as code"),
        ({"a.weight": (5000, 784), "b.weight": (3, 5000), "c.weight": (784, 3)}, "hidden is 5000 wide"),
        (
            {"a.weight": (20, 784), "b.weight": (3, 20), "c.weight": (784, 3), "d.weight": (784, 784)},
            "its layers are not",
        ),
    ],
)
def test_other_networks_are_refused_with_what_they_hold(given, said):
    with pytest.raises(ValueError, match=said):
        adapt(WANTED, named(list(given.items())))


@pytest.mark.parametrize("order", ["as written", "by name"])
@pytest.mark.parametrize(
    "names",
    [
        ("fc1", "fc21_mu", "fc22_logvar", "fc3", "fc4"),
        ("encoder", "mean", "log_variance", "decoder", "output"),
        ("e", "z_mean", "z_log_var", "h_back", "x"),
    ],
)
def test_a_mean_and_a_log_variance_of_one_shape_are_told_apart_by_name_or_order(names, order):
    shapes = ((30, 784), (4, 30), (4, 30), (25, 4), (784, 25))
    pairs = []
    for name, shape in zip(names, shapes, strict=True):
        pairs += [(f"{name}.weight", shape), (f"{name}.bias", shape[:1])]
    given = named(pairs)
    if order == "by name":
        given = dict(sorted(given.items()))
    state, sizes, _ = architecture("vae").adapt(given)
    assert sizes == {"hidden": 30, "numbers": 4, "hidden_back": 25}
    assert np.array_equal(state["mean.weight"], given[f"{names[1]}.weight"])
    assert np.array_equal(state["log_variance.bias"], given[f"{names[2]}.bias"])
    assert np.array_equal(state["output.weight"], given[f"{names[4]}.weight"])
