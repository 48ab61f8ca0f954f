"""LSTM that predicts the next symbol, from the UCL coursework (Deep Learning, homework 4, part 2).

The network reads a stream of one-hot symbols and predicts the next one after each: 32 LSTM units,
ReLU, two fully connected layers of 64, four logits. Four models M1 to M4 are trained, each on streams of its own
Dirichlet distribution and period (`reference.bayes_symbols`), by 1,000 batches of 64 fresh streams; the best possible
result is the Bayes predictor.

The network has to count up to a period's end. Its gates' biases therefore start spread over that many steps (Tallec and
Ollivier 2018, arXiv:1804.11188, "chrono initialisation"), with which M2, the slowest to learn, came nearer to Bayes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference import recurrent_names
from reference.architecture import Architecture
from reference.bayes_symbols import PROCESSES, SYMBOLS, predict, streams
from reference.recurrent import Activation, Recurrent, activation, head
from reference.seeding import generator_for
from reference.train import Resumable, one_cycle, set_rate


class DirichletLSTM(nn.Module):
    """Predicts P(x_{t+1} | x_1 … x_t) over four symbols.

    Parameters
    ----------
    rnn_activation : whether a ReLU follows the recurrent layer
    head_activation : whether a ReLU follows each of the two layers of the head
    units, first, second : widths of the recurrent layer and of the head's layers
    """

    def __init__(
        self,
        rnn_activation: Activation = "relu",
        head_activation: Activation = "relu",
        units: int = 32,
        first: int = 64,
        second: int = 64,
    ) -> None:
        super().__init__()
        self.rnn = Recurrent("lstm", SYMBOLS, units)
        self.rnn_activation = activation(rnn_activation)
        self.head = head(head_activation, units, first, second, SYMBOLS)

    def logits(self, one_hot: Tensor) -> Tensor:
        """Logits (N, T, 4) of the symbol after each of one-hot symbols (N, T, 4)."""
        hidden = self.rnn(one_hot.permute(1, 2, 0).contiguous())  # (T, 4, N) -> (T, units, N)
        scores: Tensor = self.head(self.rnn_activation(hidden.permute(2, 0, 1)))
        return scores

    def next_symbol_probabilities(self, one_hot: Tensor) -> Tensor:
        """P(x_{t+1} | x_1 … x_t), t = 1 … 99, (N, 99, 4), for one-hot streams (N, 100, 4)."""
        return self.logits(one_hot[:, :-1]).softmax(2)


class Training(Resumable):
    """Adam on the cross-entropy, one learning-rate cycle, gradients clipped; every batch of streams is new."""

    epochs = 10
    """Each of 100 batches, which makes the coursework's 1,000 iterations."""
    steps_per_epoch = 100
    batch = 64
    rate = 5e-3
    clip = 1.0
    data = "dirichlet streams"
    options: Mapping[str, str] = {"rnn_activation": "relu", "head_activation": "relu"}

    def __init__(self, which: str, seed: int = 1) -> None:
        self.name = f"dirichlet-lstm {which}"
        self.seed = seed
        self.process = PROCESSES[which]
        self.model = DirichletLSTM()
        _initialise(self.model, self.process.period, generator_for("weights", self.name, seed))
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.rate)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on fresh streams, ignoring images and labels; return nats a step, and nats above Bayes."""
        set_rate(self.optimizer, self.rate * one_cycle(progress))
        symbols = streams(self.process, self.batch, generator)
        scores = self.model.logits(functional.one_hot(symbols[:, :-1], SYMBOLS).float())
        loss = functional.cross_entropy(scores.flatten(0, 1), symbols[:, 1:].flatten())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        best = -predict(self.process, symbols).gather(2, symbols[:, 1:, None]).log().mean()
        return {"cross-entropy": loss.item(), "above Bayes": loss.item() - best.item()}

    def result(self) -> nn.Module:
        """The trained model."""
        return self.model.eval()

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer}


def _initialise(model: DirichletLSTM, period: int, generator: torch.Generator) -> None:
    rnn = model.rnn
    nn.init.xavier_uniform_(rnn.weight_ih_l0, generator=generator)
    for gate in rnn.weight_hh_l0.detach().chunk(4):
        nn.init.orthogonal_(gate, generator=generator)
    # A forget gate with bias log τ and an input gate with −log τ remember an input for about τ steps.
    spread = (1 + (period - 1) * torch.rand(rnn.width, generator=generator)).log()
    with torch.no_grad():
        rnn.bias_ih_l0[: 2 * rnn.width] = torch.cat([-spread, spread])
    for module in model.head:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.bias)


def _architecture(which: str) -> Architecture:
    """Describe the network of one of the four streams; a submission names the stream by the model's name."""
    process = PROCESSES[which]
    concentration = ", ".join(f"{alpha:g}" for alpha in process.concentration)
    return Architecture(
        title=f"LSTM over symbols, {which}",
        summary=f"Next symbol of {which}: Dirichlet({concentration}), period {process.period}",
        task="symbol-prediction",
        checkpoint_key="model",
        module=DirichletLSTM,
        options={"rnn_activation": ("relu", "none"), "head_activation": ("relu", "none")},
        adapt=partial(recurrent_names.adapt, "lstm", SYMBOLS, SYMBOLS),
        trainings={f"dirichlet-lstm-{which.lower()}": partial(Training, which)},
    )


M1, M2, M3, M4 = (_architecture(which) for which in ("M1", "M2", "M3", "M4"))
