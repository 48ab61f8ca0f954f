"""Tests of converted TensorFlow 1 and Keras checkpoints against their equations in numpy."""

import numpy as np
import pytest
import torch

from harness import checkpoint
from reference import architecture, recurrent_names
from reference.pixel_rnn import PixelRNN

pytestmark = pytest.mark.numeric

UNITS, FIRST, SECOND = 5, 4, 3
STEPS, N = 9, 6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def draw(*shape, seed=[0]):  # noqa: B006  # a counter, so that no two arrays are equal
    seed[0] += 1
    return np.random.default_rng(seed[0]).normal(0, 0.6, shape).astype(np.float32)


def dense_arrays(names=("dense", "dense_1", "dense_2"), kernel="kernel", bias="bias"):
    sizes = (UNITS, FIRST, SECOND, 1)
    arrays = {}
    for name, inputs, outputs in zip(names, sizes, sizes[1:], strict=False):
        arrays[f"{name}/{kernel}"], arrays[f"{name}/{bias}"] = draw(inputs, outputs), draw(outputs)
    return arrays


def dense(h, arrays):
    """Apply the head: ReLU, 64 with ReLU, 64 with ReLU, 1, sigmoid; matrices as (inputs, outputs)."""
    (w1, b1), (w2, b2), (w3, b3) = list(zip(*[iter(arrays)] * 2, strict=True))
    h = np.maximum(h, 0)
    h = np.maximum(h @ w1 + b1, 0)
    h = np.maximum(h @ w2 + b2, 0)
    return sigmoid(h @ w3 + b3)[:, 0]


def pixels():
    return (np.random.default_rng(3).random((N, STEPS)) < 0.4).astype(np.float32)


def probabilities(cell, arrays):
    state, sizes, notes = architecture(f"pixel-{cell}").adapt(arrays)
    model = architecture(f"pixel-{cell}").build({}, **sizes)
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
    with torch.no_grad():
        return model.logits(torch.from_numpy(pixels())).sigmoid().numpy(), notes


@pytest.mark.parametrize("names", [("rnn/basic_lstm_cell", "kernel", "bias"), ("rnn/lstm_cell", "weights", "biases")])
def test_tensorflows_lstm(names):
    scope, kernel, bias = names
    arrays = {f"{scope}/{kernel}:0": draw(1 + UNITS, 4 * UNITS), f"{scope}/{bias}:0": draw(4 * UNITS)}
    arrays |= dense_arrays()
    w, b = list(arrays.values())[:2]
    h, c, expected = np.zeros((N, UNITS)), np.zeros((N, UNITS)), []
    for t in range(STEPS):
        i, j, f, o = np.split(np.concatenate([pixels()[:, t : t + 1], h], 1) @ w + b, 4, 1)
        c = c * sigmoid(f + 1) + sigmoid(i) * np.tanh(j)
        h = np.tanh(c) * sigmoid(o)
        expected.append(dense(h, list(arrays.values())[2:]))
    found, notes = probabilities("lstm", arrays)
    assert np.allclose(found, np.stack(expected, 1), atol=1e-6)
    assert "forget gate" in notes[0]


def test_tensorflows_gru():
    scope = "rnn/gru_cell"
    arrays = {
        f"{scope}/gates/kernel": draw(1 + UNITS, 2 * UNITS),
        f"{scope}/gates/bias": draw(2 * UNITS),
        f"{scope}/candidate/kernel": draw(1 + UNITS, UNITS),
        f"{scope}/candidate/bias": draw(UNITS),
    }
    arrays |= dense_arrays(("fully_connected", "fully_connected_1", "fully_connected_2"), "weights", "biases")
    wg, bg, wc, bc = list(arrays.values())[:4]
    h, expected = np.zeros((N, UNITS)), []
    for t in range(STEPS):
        x = pixels()[:, t : t + 1]
        r, u = np.split(sigmoid(np.concatenate([x, h], 1) @ wg + bg), 2, 1)
        candidate = np.tanh(np.concatenate([x, r * h], 1) @ wc + bc)
        h = u * h + (1 - u) * candidate
        expected.append(dense(h, list(arrays.values())[4:]))
    found, _ = probabilities("gru", arrays)
    assert np.allclose(found, np.stack(expected, 1), atol=1e-6)


@pytest.mark.parametrize("reset_after", [True, False])
def test_kerass_gru(reset_after):
    arrays = {"gru/kernel": draw(1, 3 * UNITS), "gru/recurrent_kernel": draw(UNITS, 3 * UNITS)}
    arrays["gru/bias"] = draw(2, 3 * UNITS) if reset_after else draw(3 * UNITS)
    arrays |= dense_arrays()
    wx, wh, b = list(arrays.values())[:3]
    bx, bh = b if reset_after else (b, np.zeros(3 * UNITS))
    h, expected = np.zeros((N, UNITS)), []
    for t in range(STEPS):
        xz, xr, xh = np.split(pixels()[:, t : t + 1] @ wx + bx, 3, 1)
        hz, hr, hh = np.split(h @ wh + bh, 3, 1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        inner = r * hh if reset_after else (r * h) @ wh[:, 2 * UNITS :]
        h = z * h + (1 - z) * np.tanh(xh + inner)
        expected.append(dense(h, list(arrays.values())[3:]))
    found, _ = probabilities("gru", arrays)
    assert np.allclose(found, np.stack(expected, 1), atol=1e-6)


def test_kerass_lstm():
    arrays = {"lstm/kernel": draw(1, 4 * UNITS), "lstm/recurrent_kernel": draw(UNITS, 4 * UNITS)}
    arrays["lstm/bias"] = draw(4 * UNITS)
    arrays |= dense_arrays()
    wx, wh, b = list(arrays.values())[:3]
    h, c, expected = np.zeros((N, UNITS)), np.zeros((N, UNITS)), []
    for t in range(STEPS):
        i, f, g, o = np.split(pixels()[:, t : t + 1] @ wx + h @ wh + b, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(dense(h, list(arrays.values())[3:]))
    found, _ = probabilities("lstm", arrays)
    assert np.allclose(found, np.stack(expected, 1), atol=1e-6)


def torch_arrays(cell="lstm", rename=lambda name: name, **sizes):
    generator = torch.Generator().manual_seed(8)
    sizes = {"units": UNITS, "first": FIRST, "second": SECOND} | sizes
    model = PixelRNN(cell, **sizes)
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, -0.6, 0.6, generator=generator)
    return model, {rename(name): value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_torchs_names_however_nested_and_of_any_width(cell):
    renamed = {"head.0": "fc1", "head.2": "fc2", "head.4": "out", "rnn": cell}

    def rename(name):
        place, _, part = name.rpartition(".")
        return f"model.{renamed[place]}.{part}"

    model, arrays = torch_arrays(cell, rename)
    arrays["optimizer.state.0.exp_avg"] = np.zeros((4 * UNITS, 1), np.float32)
    with torch.no_grad():
        expected = model.logits(torch.from_numpy(pixels())).sigmoid().numpy()
    found, notes = probabilities(cell, arrays)
    assert np.array_equal(found, expected)
    assert not notes


def test_square_layers_keep_the_order_of_the_file():
    model, arrays = torch_arrays(first=SECOND, second=SECOND, units=SECOND)
    with torch.no_grad():
        expected = model.logits(torch.from_numpy(pixels())).sigmoid().numpy()
    assert np.array_equal(probabilities("lstm", arrays)[0], expected)


def test_plain_variables_of_tensorflow_in_the_order_they_were_made():
    arrays = {"rnn/basic_lstm_cell/kernel": draw(1 + UNITS, 4 * UNITS), "rnn/basic_lstm_cell/bias": draw(4 * UNITS)}
    layers = list(dense_arrays().values())
    plain = {"Variable" + (f"_{k}" if k else ""): array for k, array in enumerate(layers)}
    named = dict(zip(dense_arrays(), layers, strict=True))
    shuffled = dict(sorted(plain.items(), reverse=True))
    slots = {f"{name}/Adam_1": np.zeros_like(array) for name, array in plain.items()}
    powers = {"beta1_power": np.float32(0.9), "global_step": np.int64(10)}
    found, _ = probabilities("lstm", arrays | shuffled | slots | powers)
    assert np.array_equal(found, probabilities("lstm", arrays | named)[0])


def test_an_npz_is_read_as_it_is(tmp_path):
    arrays = {"rnn/lstm_cell/kernel": draw(1 + UNITS, 4 * UNITS), "rnn/lstm_cell/bias": draw(4 * UNITS)}
    arrays |= dense_arrays()
    np.savez(tmp_path / "model.npz", **arrays)
    read = checkpoint.state_arrays(checkpoint.read((tmp_path / "model.npz").read_bytes(), "model.npz"))
    assert np.array_equal(probabilities("lstm", read)[0], probabilities("lstm", arrays)[0])


def refused(cell, arrays):
    with pytest.raises(ValueError) as caught:
        recurrent_names.adapt(cell, 1, 1, arrays)
    return str(caught.value)


def test_what_is_no_such_network_is_said():
    _, gru = torch_arrays("gru")
    _, lstm = torch_arrays("lstm")
    assert "is not an LSTM" in refused("lstm", gru)
    assert "is not a GRU" in refused("gru", lstm)
    assert "no recurrent layer" in refused("lstm", {"fc.weight": draw(3, 4)})
    assert "several layers" in refused("lstm", lstm | {"rnn.weight_ih_l1": draw(20, 5)})
    assert "recurrent layers" in refused("lstm", lstm | {f"ema.{name}": array for name, array in lstm.items()})
    assert "2 layers" in refused("lstm", {k: v for k, v in lstm.items() if not k.startswith("head.2")})
    assert "4 layers" in refused("lstm", lstm | {"head.6.weight": draw(1, 1)})
    assert "don't follow" in refused("lstm", lstm | {"head.4.weight": draw(2, SECOND)})
    assert "no bias" in refused("lstm", {k: v for k, v in lstm.items() if k != "head.2.bias"})
    assert "bn.running_mean" in refused("lstm", lstm | {"bn.running_mean": draw(UNITS)})
    assert "takes 4 features" in refused("lstm", lstm | {"rnn.weight_ih_l0": draw(4 * UNITS, 4)})
    wide = {"rnn.weight_ih_l0": np.zeros((4 * 4096, 1)), "rnn.weight_hh_l0": np.zeros((4 * 4096, 4096), np.int8)}
    assert "at most 2048" in refused(
        "lstm",
        lstm
        | wide
        | {"head.0.weight": np.zeros((FIRST, 4096), np.int8)}
        | {"rnn.bias_ih_l0": np.zeros(4 * 4096), "rnn.bias_hh_l0": np.zeros(4 * 4096)},
    )


def tensorflow_arrays(units, first, second, names):
    sizes = (units, first, second, 1)
    arrays = {"rnn/basic_lstm_cell/kernel:0": draw(1 + units, 4 * units), "rnn/basic_lstm_cell/bias:0": draw(4 * units)}
    matrices = {f"W_{name}:0": draw(a, b) for name, a, b in zip(names, sizes, sizes[1:], strict=False)}
    biases = {f"b_{name}:0": draw(b) for name, b in zip(names, sizes[1:], strict=True)}
    return arrays, matrices, biases


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_a_bias_goes_with_the_matrix_of_its_name_wherever_it_stands(order):
    names = ("hidden", "fc", "out")
    recurrent, matrices, biases = tensorflow_arrays(3, 4, 4, names)
    shuffled = {list(biases)[at]: list(biases.values())[at] for at in order}
    state, _, _ = recurrent_names.adapt("lstm", 1, 1, recurrent | matrices | shuffled)
    for place, name in zip((0, 2, 4), names, strict=True):
        assert np.array_equal(state[f"head.{place}.weight"], matrices[f"W_{name}:0"].T)
        assert np.array_equal(state[f"head.{place}.bias"], biases[f"b_{name}:0"])


def test_layers_of_equal_width_keep_the_files_order_and_that_is_said():
    recurrent, matrices, biases = tensorflow_arrays(4, 4, 4, ("hidden", "fc", "out"))
    state, _, notes = recurrent_names.adapt("lstm", 1, 1, recurrent | matrices | biases)
    assert np.array_equal(state["head.0.weight"], matrices["W_hidden:0"].T)
    assert "W_hidden:0, W_fc:0, W_out:0" in notes[-1]
    numbered = dict(zip(("dense_2/kernel", "dense/kernel", "dense_1/kernel"), matrices.values(), strict=True))
    numbered = {name: numbered["dense/kernel"] if "_" not in name else array for name, array in numbered.items()}
    numbered["dense_2/kernel"] = draw(4, 1)
    numbered["dense_1/kernel"] = draw(4, 4)
    vectors = {f"dense{n}/bias": draw(size) for n, size in (("", 4), ("_1", 4), ("_2", 1))}
    state, _, notes = recurrent_names.adapt("lstm", 1, 1, recurrent | numbered | vectors)
    assert np.array_equal(state["head.2.weight"], numbered["dense_1/kernel"].T)
    assert np.array_equal(state["head.2.bias"], vectors["dense_1/bias"])
    assert not any("order" in note and "dense" in note for note in notes)


def test_biases_that_no_name_tells_apart_are_refused():
    recurrent, matrices, biases = tensorflow_arrays(3, 4, 4, ("hidden", "fc", "out"))
    nameless = dict(zip(("v1", "v2", "v3"), biases.values(), strict=True))
    with pytest.raises(ValueError, match="it is ambiguous which of v1, v2 belongs to W_hidden:0"):
        recurrent_names.adapt("lstm", 1, 1, recurrent | matrices | nameless)


def test_what_the_optimiser_keeps_is_passed_over_with_output_numbers_too():
    recurrent, matrices, biases = tensorflow_arrays(3, 4, 4, ("hidden", "fc", "out"))
    whole = recurrent | matrices | biases
    slots = {
        name.replace(":0", f"/{slot}:0"): array + 1 for name, array in whole.items() for slot in ("Adam", "Adam_1")
    }
    slots |= {f"{name[:-2]}/ExponentialMovingAverage:0": array for name, array in whole.items()}
    slots |= {"beta1_power:0": np.float32(0.9), "global_step:0": np.int64(7)}
    plain, _, _ = recurrent_names.adapt("lstm", 1, 1, whole)
    found, _, _ = recurrent_names.adapt("lstm", 1, 1, whole | slots)
    assert all(np.array_equal(found[name], plain[name]) for name in plain)


def test_a_head_called_projection_is_no_projection_of_the_recurrent_layer():
    recurrent, matrices, biases = tensorflow_arrays(3, 4, 4, ("fc_l1", "fc_l2", "output_projection"))
    state, _, _ = recurrent_names.adapt("lstm", 1, 1, recurrent | matrices | biases)
    assert np.array_equal(state["head.0.bias"], biases["b_fc_l1:0"])
    with pytest.raises(ValueError, match="projections"):
        recurrent_names.adapt("lstm", 1, 1, recurrent | {"rnn/basic_lstm_cell/projection/kernel:0": draw(3, 2)})


def test_biases_that_are_rows_or_single_numbers_are_taken():
    recurrent, matrices, biases = tensorflow_arrays(3, 4, 4, ("hidden", "fc", "out"))
    rows = {name: array.reshape(1, -1) for name, array in biases.items()}
    rows["b_out:0"] = np.asarray(biases["b_out:0"][0])
    expected, _, _ = recurrent_names.adapt("lstm", 1, 1, recurrent | matrices | biases)
    found, _, _ = recurrent_names.adapt("lstm", 1, 1, recurrent | matrices | rows)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_the_oldest_names_of_tensorflows_gru():
    names = ("RNN/GRUCell/Gates/Linear", "RNN/GRUCell/Candidate/Linear")
    old = {f"{names[0]}/Matrix:0": draw(4, 6), f"{names[0]}/Bias:0": draw(6)}
    old |= {f"{names[1]}/Matrix:0": draw(4, 3), f"{names[1]}/Bias:0": draw(3)}
    _, matrices, biases = tensorflow_arrays(3, 4, 4, ("hidden", "fc", "out"))
    state, sizes, _ = recurrent_names.adapt("gru", 1, 1, old | matrices | biases)
    assert sizes == {"units": 3, "first": 4, "second": 4, "reset_before": 1}
    assert np.array_equal(state["rnn.weight_hh_l0"][6:], old[f"{names[1]}/Matrix:0"][1:].T)
