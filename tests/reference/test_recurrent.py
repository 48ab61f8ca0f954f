"""Tests of the recurrent layers against torch's own, and against a GRU written step by step."""

import pytest
import torch
from torch import nn

from reference.recurrent import Recurrent

pytestmark = pytest.mark.numeric


def layer(cell, reset="after", inputs=3, width=5):
    made = Recurrent(cell, inputs, width, reset).double()
    generator = torch.Generator().manual_seed(4)
    for parameter in made.parameters():
        nn.init.uniform_(parameter, -0.7, 0.7, generator=generator)
    return made


def sequences(steps=7, n=4, inputs=3):
    return torch.randn(steps, inputs, n, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("cell", "theirs"), [("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_outputs_and_gradients_are_torchs(cell, theirs):
    ours = layer(cell)
    expected = theirs(3, 5).double()
    expected.load_state_dict(ours.state_dict())
    inputs = sequences()
    outputs, wanted = ours(inputs), expected(inputs.transpose(1, 2))[0].transpose(1, 2)
    assert torch.allclose(outputs, wanted, atol=1e-12)
    weights = torch.rand_like(outputs)
    (outputs * weights).sum().backward()
    (wanted * weights).sum().backward()
    for (name, mine), other in zip(ours.named_parameters(), expected.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, atol=1e-12), name


@pytest.mark.parametrize(("cell", "reset"), [("lstm", "after"), ("gru", "after"), ("gru", "before")])
def test_gradients_are_numerical_ones(cell, reset):
    made = layer(cell, reset, inputs=2, width=3)
    names = [name for name, _ in made.named_parameters()]

    def outputs(inputs, *parameters):
        return torch.func.functional_call(made, dict(zip(names, parameters, strict=True)), (inputs,))

    inputs = sequences(4, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(outputs, (inputs, *made.parameters()))


@pytest.mark.parametrize(("cell", "reset"), [("lstm", "after"), ("gru", "after"), ("gru", "before")])
def test_steps_give_what_the_whole_sequence_gives(cell, reset):
    made, inputs = layer(cell, reset), sequences()
    state = made.start(4)
    with torch.no_grad():
        whole = made(inputs)
        for x, expected in zip(inputs, whole, strict=True):
            state = made.step(state, x.t())
            assert torch.allclose(state[0].t(), expected, atol=1e-12)


def test_the_two_grus_differ():
    after, before = layer("gru", "after"), layer("gru", "before")
    before.load_state_dict(after.state_dict())
    with torch.no_grad():
        assert (after(sequences()) - before(sequences())).abs().max() > 1e-2
