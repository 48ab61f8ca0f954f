import math

import numpy as np
import pytest
import torch

from reference import architecture, shipped, trainings
from reference.pixel_rnn import CELLS, PixelRNN, binarised, cross_entropy
from reference.train import fit
from tests.data import mnist_digits

pytestmark = pytest.mark.numeric


def model(cell="lstm", **sizes):
    made = PixelRNN(cell, **sizes)
    generator = torch.Generator().manual_seed(6)
    for parameter in made.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5, generator=generator)
    return made.eval()


def digits(n=3):
    return (torch.rand(n, 784, generator=torch.Generator().manual_seed(2)) < 0.3).float()


@pytest.mark.parametrize(("cell", "sizes"), [("lstm", {}), ("gru", {}), ("gru", {"reset_before": 1, "units": 7})])
def test_steps_give_what_the_whole_sequence_gives(cell, sizes):
    made, binary = model(cell, **sizes), digits()
    with torch.inference_mode():
        whole = made.next_pixel_probabilities(binary)
        assert whole.shape == (3, 783)
        state = made.start(3)
        for t in range(783):
            probability, state = made.step(state, binary[:, t])
            assert torch.allclose(probability, whole[:, t], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_no_probability_depends_on_a_later_pixel(cell):
    binary = digits(1).requires_grad_()
    made = model(cell)
    for t in (0, 5, 400, 782):
        (gradient,) = torch.autograd.grad(made.logits(binary)[0, t], binary)
        assert gradient[0, : t + 1].abs().sum() > 0
        assert gradient[0, t] != 0
        assert gradient[0, t + 1 :].abs().max() == 0


@pytest.mark.parametrize("cell", CELLS)
def test_the_way_without_gradients_gives_the_same(cell):
    made, binary = model(cell), digits()
    with torch.inference_mode():
        expected = made.logits(binary[:, :-1]).sigmoid()
    assert torch.allclose(made.next_pixel_probabilities(binary), expected, atol=1e-6)


def test_a_state_is_not_changed_by_a_step():
    made, binary = model(), digits()
    state = made.start(3)
    _, state = made.step(state, binary[:, 0])
    kept = [part.clone() for part in state]
    with torch.inference_mode():
        one, _ = made.step(state, torch.ones(3))
        made.step(state, torch.zeros(3))
        again, _ = made.step(state, torch.ones(3))
    assert torch.equal(one, again)
    assert all(torch.equal(a, b) for a, b in zip(state, kept, strict=True))


def test_the_loss_is_the_mean_over_783_targets_in_nats():
    binary = torch.zeros(2, 784, dtype=torch.float64)
    binary[0, 0] = 1  # the first pixel is no target
    binary[1, 700] = 1
    logits = torch.full((2, 783), -3.0, dtype=torch.float64)
    p = 1 / (1 + math.exp(3))
    expected = -(math.log(p) + (2 * 783 - 1) * math.log(1 - p)) / (2 * 783)
    # A float64 sum of 1,566 terms of one sign is exact to 1566 * 2**-53 of its value; a target more or less is 6e-4.
    assert cross_entropy(logits, binary).item() == pytest.approx(expected, rel=1566 * 2**-52)


def test_pixels_are_lit_above_a_tenth():
    images = torch.tensor([0, 25, 26, 255]).div(255).view(1, 1, 2, 2)
    assert binarised(images).tolist() == [[0, 0, 1, 1]]


def test_options_change_what_the_same_weights_say():
    state = model().state_dict()
    said = []
    for options in ({}, {"rnn_activation": "none"}, {"head_activation": "none"}):
        made = architecture("pixel-lstm").build(options)
        made.load_state_dict(state)
        with torch.inference_mode():
            said.append(made.next_pixel_probabilities(digits()))
    assert not torch.allclose(said[0], said[1])
    assert not torch.allclose(said[0], said[2])


@pytest.mark.parametrize("cell", CELLS)
def test_before_training_the_gates_stand_open_as_in_tensorflow(cell):
    made = trainings()[f"pixel-{cell}-0"](1).result()
    bias = (made.rnn.bias_ih_l0 + made.rnn.bias_hh_l0).detach().view(-1, 32)
    opened = [0, 1, 0, 0] if cell == "lstm" else [1, 1, 0]
    assert bias.mean(1).tolist() == opened
    # Glorot's limits for TensorFlow's matrices: all gates of an LSTM, the two of a GRU.
    gates = made.rnn.weight_hh_l0.detach()[: 128 if cell == "lstm" else 64]
    limit = math.sqrt(6 / (33 + len(gates)))
    assert 0.98 * limit < gates.abs().max() <= limit
    assert 0.8 < made.rnn.weight_ih_l0.std() < 1.2
    # The untrained network predicts about the average share of lit pixels.
    with torch.inference_mode():
        said = made.next_pixel_probabilities(digits())
    assert 0.08 < said.mean() < 0.3


def test_an_epoch_of_one_is_the_first_epoch_of_five():
    generator = torch.Generator().manual_seed(4)
    images = (torch.rand(12, 1, 28, 28, generator=generator) ** 4).contiguous()
    labels = torch.arange(12) % 10
    weights = []

    class Enough(Exception):
        pass

    def stop(epoch):
        if epoch.number == 1:
            raise Enough

    for name in ("pixel-gru-1", "pixel-gru-5"):
        training = trainings()[name](3)
        training.batch = 6
        with pytest.raises(Enough):
            fit(training, images, labels, on_epoch=stop)
        weights.append(training.result().state_dict())
    start = trainings()["pixel-gru-0"](3).result().state_dict()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not torch.equal(weights[0]["head.4.bias"], start["head.4.bias"])


# Measured on all 10,000 test images; 500 of them lie within .003 of it.
MOST = {"pixel-lstm-5": 0.1136, "pixel-gru-5": 0.1136, "pixel-lstm": 0.1000}


@pytest.mark.parametrize("name", MOST)
def test_shipped_weights_are_as_good_as_they_are_said_to_be(name):
    images = torch.from_numpy(mnist_digits().test.images[:500])
    binary = binarised(images)
    with torch.inference_mode():
        loss = cross_entropy(shipped.module(name).logits(binary[:, :-1]), binary).item()
    assert np.isfinite(loss)
    assert loss <= MOST[name] + 0.003
