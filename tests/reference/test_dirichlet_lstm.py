import pytest
import torch
from torch import nn
from torch.nn import functional

from reference import architecture, trainings
from reference.bayes_symbols import PROCESSES, predict, streams
from reference.dirichlet_lstm import DirichletLSTM, Training
from reference.seeding import generator_for
from reference.shipped import WEIGHTS, facts, module
from reference.train import fit

pytestmark = pytest.mark.numeric

NAMES = [f"dirichlet-lstm-{which.lower()}" for which in PROCESSES]


def one_hot(which, n, seed=0):
    symbols = streams(PROCESSES[which], n, torch.Generator().manual_seed(seed))
    return symbols, functional.one_hot(symbols, 4).float()


def test_the_sheets_sizes():
    # LSTM 4 (4 + 32) 32 and two biases of 4 * 32, then 32-64-64-4.
    assert sum(p.numel() for p in DirichletLSTM().parameters()) == 4 * 32 * (4 + 32 + 2) + 33 * 64 + 65 * 64 + 65 * 4
    names = set(DirichletLSTM().state_dict())
    assert {"rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0"} < names
    assert {name for name in names if name.startswith("head")} == {
        f"head.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(("rnn_activation", "head_activation"), [("relu", "relu"), ("none", "relu"), ("relu", "none")])
def test_it_is_torchs_lstm_and_three_linear_layers(rnn_activation, head_activation):
    model = Training("M2", seed=3).model
    changed = DirichletLSTM(rnn_activation, head_activation)
    changed.load_state_dict(model.state_dict())
    lstm = nn.LSTM(4, 32, batch_first=True)
    lstm.load_state_dict({k.removeprefix("rnn."): v for k, v in model.state_dict().items() if k.startswith("rnn.")})
    _, streams_ = one_hot("M2", 5)
    with torch.no_grad():
        hidden = lstm(streams_[:, :-1])[0]
        hidden = hidden.relu() if rnn_activation == "relu" else hidden
        for i in (0, 2, 4):
            hidden = functional.linear(hidden, *(model.state_dict()[f"head.{i}.{k}"] for k in ("weight", "bias")))
            hidden = hidden.relu() if head_activation == "relu" and i < 4 else hidden
        expected = hidden.softmax(2)
        assert torch.allclose(changed.next_symbol_probabilities(streams_), expected, atol=1e-6)


def test_tensorflows_gates_and_names_are_read_for_any_width():
    """TensorFlow 1 stores one matrix with columns i, j, f, o, and one bias that lacks 1 in the forget gate."""
    generator = torch.Generator().manual_seed(8)
    model = DirichletLSTM(units=6, first=10, second=7)
    for value in model.parameters():
        nn.init.uniform_(value.detach(), -1, 1, generator=generator)
    i, f, g, o = torch.cat([model.rnn.weight_ih_l0, model.rnn.weight_hh_l0], 1).detach().t().chunk(4, 1)
    bias_i, bias_f, bias_g, bias_o = (model.rnn.bias_ih_l0 + model.rnn.bias_hh_l0).detach().chunk(4)
    found = {
        "rnn/lstm_cell/kernel": torch.cat([i, g, f, o], 1),
        "rnn/lstm_cell/bias": torch.cat([bias_i, bias_g, bias_f - 1, bias_o]),
    }
    for place, name in ((0, "dense"), (2, "dense_1"), (4, "dense_2")):
        found[f"{name}/kernel"] = model.state_dict()[f"head.{place}.weight"].t()
        found[f"{name}/bias"] = model.state_dict()[f"head.{place}.bias"]
    m3 = architecture("dirichlet-lstm-m3")
    arrays, sizes, notes = m3.adapt({name: value.numpy() for name, value in found.items()})
    assert sizes == {"units": 6, "first": 10, "second": 7}
    assert len(notes) == 1
    read = m3.build({}, **sizes)
    read.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    _, streams_ = one_hot("M3", 4)
    with torch.no_grad():
        expected = model.next_symbol_probabilities(streams_)
        assert torch.allclose(read.next_symbol_probabilities(streams_), expected, atol=1e-5)


def test_each_of_the_four_has_a_name_and_a_recipe():
    for which, name in zip(PROCESSES, NAMES, strict=True):
        assert architecture(name).task == "symbol-prediction"
        assert isinstance(architecture(name).build({"head_activation": "none"}), DirichletLSTM)
        training = trainings()[name](5)
        assert (training.process, training.seed) == (PROCESSES[which], 5)
        assert (training.epochs * training.steps_per_epoch, training.batch) == (1000, 64)
    with pytest.raises(ValueError, match="relu"):
        architecture(NAMES[0]).build({"rnn_activation": "tanh"})


def test_a_training_draws_its_own_streams_and_comes_near_the_phase_at_once():
    training = Training("M1", seed=2)
    training.epochs, training.steps_per_epoch, training.rate = 4, 25, 2e-2
    history = fit(training, torch.empty(0), torch.empty(0))
    assert len(history) == 4
    # The loss starts at about log 4 a symbol; a predictor that knows phase and prior mean is .006 above Bayes.
    assert history[0].losses["above Bayes"] > 0.3
    assert history[-1].losses["above Bayes"] < 0.05


def test_the_excess_is_that_over_bayes_on_the_same_streams():
    training = Training("M3", seed=4)
    generator = torch.Generator().manual_seed(6)
    state = generator.get_state()
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    losses = training.step(torch.empty(0), torch.empty(0), 0.5, generator)
    generator.set_state(state)
    symbols = streams(PROCESSES["M3"], 64, generator)
    model = DirichletLSTM()
    model.load_state_dict(before)
    with torch.no_grad():
        said = model.next_symbol_probabilities(functional.one_hot(symbols, 4).float())
    targets = symbols[:, 1:, None]
    loss = -said.gather(2, targets).log().mean().item()
    best = -predict(PROCESSES["M3"], symbols).gather(2, targets).log().mean().item()
    assert losses["cross-entropy"] == pytest.approx(loss, abs=1e-5)
    assert losses["above Bayes"] == pytest.approx(loss - best, abs=1e-5)
    assert not torch.equal(before["head.4.bias"], training.model.state_dict()["head.4.bias"])


def test_gates_start_with_memories_of_up_to_a_period():
    bias = Training("M4", seed=1).model.rnn.bias_ih_l0.detach()
    assert torch.allclose(bias[:32], -bias[32:64])
    assert bias[32:64].exp().min() >= 1
    assert 10 < bias[32:64].exp().max() <= 20
    assert not bias[64:].any()


def test_weights_of_a_seed_are_the_same_everywhere():
    first, same, other = (Training("M2", seed).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["head.0.weight"], other["head.0.weight"])


@pytest.mark.parametrize(("which", "name"), list(zip(PROCESSES, NAMES, strict=True)))
def test_the_shipped_model_is_within_a_hundredth_nat_of_bayes(which, name):
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 40_000
    assert facts(name)["data"] == "dirichlet streams"
    assert facts(name)["epochs"] == Training.epochs
    generator = generator_for("test of", name)
    symbols = streams(PROCESSES[which], 3000, generator)
    with torch.no_grad():
        said = module(name).next_symbol_probabilities(functional.one_hot(symbols, 4).float()).double()
    targets = symbols[:, 1:, None]
    excess = (predict(PROCESSES[which], symbols).gather(2, targets) / said.gather(2, targets)).log().mean(dim=(1, 2))
    assert -1e-4 < excess.mean().item() < 0.01
    # For M1, the letters' prior mean and the phase would be enough for .01; the model has learnt far more.
    assert excess.mean().item() < 0.003
