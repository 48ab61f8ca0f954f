"""Recurrent networks that predict the next pixel, from the UCL coursework (Deep Learning, homework 4).

The network reads a binarised image row by row and predicts after every pixel the probability that the next one is lit:
a recurrent layer of 32 units, ReLU, two fully connected layers of 64, one logit. The loss is the mean cross-entropy of
the 783 predictions in nats a pixel. Pixels are lit where they exceed .1.

The idea of an image as a sequence of pixels is that of van den Oord, Kalchbrenner and Kavukcuoglu 2016,
arXiv:1601.06759.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference import pixel_scan, recurrent_names
from reference.architecture import Architecture
from reference.precision import fast_products
from reference.recurrent import Activation, Recurrent, State, activation, head
from reference.seeding import generator_for
from reference.train import Averaged, average, one_cycle, set_rate

PIXELS = 784
THRESHOLD = 0.1
"""Gray value above which a pixel is lit."""
LOG_ODDS = -1.5
"""Approximate log-odds of a lit pixel; a sixth are lit."""
Cell = Literal["lstm", "gru"]

CELLS: tuple[Cell, ...] = "lstm", "gru"
COMPLETION_TASKS = "image-completion", "one-pixel-inpainting", "two-by-two-inpainting"
"""Tasks that any model of the next pixel can be graded on."""


class PixelRNN(nn.Module):
    """Predicts P(x_{t+1} = 1 | x_1 … x_t) by an LSTM or a GRU.

    Parameters
    ----------
    cell : "lstm" or "gru"
    rnn_activation : whether a ReLU follows the recurrent layer
    head_activation : whether a ReLU follows each of the two layers of the head
    units, first, second : widths of the recurrent layer and of the head's layers
    reset_before : 1 for a GRU whose reset gate acts on the state, as TensorFlow 1's does; 0 for torch's
    """

    def __init__(
        self,
        cell: Cell,
        rnn_activation: Activation = "relu",
        head_activation: Activation = "relu",
        units: int = 32,
        first: int = 64,
        second: int = 64,
        reset_before: int = 0,
    ) -> None:
        super().__init__()
        self.rnn = Recurrent(cell, 1, units, "before" if reset_before else "after")
        self.rnn_activation = activation(rnn_activation)
        self.head = head(head_activation, units, first, second, 1)

    def logits(self, binary: Tensor) -> Tensor:
        """Compute the log-odds (N, T) that the pixel after each of `binary` (N, T) is lit."""
        return self.read(self.hidden(binary))

    def hidden(self, binary: Tensor) -> Tensor:
        """Compute the hidden states (T, units, N) after each of the pixels (N, T)."""
        states: Tensor = self.rnn(binary.t().unsqueeze(1).contiguous())
        return states

    def read(self, hidden: Tensor) -> Tensor:
        """Compute the log-odds (N, T) of hidden states (T, units, N)."""
        steps, width, n = hidden.shape
        if torch.is_autocast_enabled("cpu"):
            hidden = hidden.to(torch.get_autocast_dtype("cpu"))  # first, which halves the memory traffic below
        odds: Tensor = self.head(self.rnn_activation(hidden.transpose(1, 2).reshape(-1, width)))  # (T N, 1)
        return odds.float().view(steps, n).t()

    def next_pixel_probabilities(self, binary: Tensor) -> Tensor:
        """Compute P(x_{t+1} = 1 | x_1 … x_t), t = 1 … 783, (N, 783), for binarised images (N, 784)."""
        return self.scan(self.start(len(binary)), binary[:, :-1])[0].float()

    def start(self, n: int) -> State:
        """Return the state of n images before their first pixel."""
        return self.rnn.start(n)

    def step(self, state: State, pixel: Tensor) -> tuple[Tensor, State]:
        """Take `pixel` (N,); return the probability (N,) that the next one is lit, and the new state."""
        state = self.rnn.step(state, pixel.unsqueeze(1))
        odds: Tensor = self.head(self.rnn_activation(state[0]))  # (N, 1)
        return odds.squeeze(1).sigmoid(), state

    def scan(self, state: State, pixels: Tensor) -> tuple[Tensor, State]:
        """Take `pixels` (N, T); return the probabilities (N, T), double, after each, and the state after the last."""
        return pixel_scan.scan(self.rnn, self.rnn_activation, self.head, state, pixels)


def cross_entropy(logits: Tensor, binary: Tensor) -> Tensor:
    """Compute the mean cross-entropy, nats a pixel, of predictions (N, 783) of the pixels 2 … 784 of (N, 784)."""
    return functional.binary_cross_entropy_with_logits(logits, binary[:, 1:])


def binarised(images: Tensor) -> Tensor:
    """Convert images (N, 1, 28, 28) in [0, 1] to sequences (N, 784) of 0 and 1."""
    return (images.flatten(1) > THRESHOLD).float()


@dataclass(frozen=True)
class Recipe:
    """Settings of the training."""

    name: str
    """Name that seeds the random draws; recipes that share it differ only in their number of epochs."""
    suffix: str
    """Suffix of the weights' name."""
    title: str
    epochs: int
    batch: int = 256
    rate: float = 1e-3
    warm_up: float | None = None
    """Share of the training over which the learning rate of the one cycle rises; None keeps the rate constant."""
    decay: float = 0.0
    """Decay of the moving average of the weights; 0 keeps the last ones."""
    clip: float = float("inf")
    """Norm to which gradients are clipped."""


RECIPES = (
    # The coursework's settings: Adam, .001, batches of 256; the network after no epoch, one and five.
    *(Recipe("sheet", f"-{n}", f"{n} epoch{'' if n == 1 else 's'}", n) for n in (0, 1, 5)),
    Recipe("long", "", "fully trained", 10, batch=64, rate=5e-3, warm_up=0.05, decay=0.998, clip=0.5),
)


class Training(Averaged[PixelRNN]):
    """Trains by Adam on the cross-entropy, with the settings of a recipe."""

    options: Mapping[str, str] = {"rnn_activation": "relu", "head_activation": "relu"}

    def __init__(self, cell: Cell, recipe: Recipe, seed: int = 1) -> None:
        self.architecture = f"pixel-{cell}"
        self.name = f"{self.architecture} {recipe.name}"
        self.title = f"{cell.upper()} over pixels, {recipe.title}"
        self.seed, self.recipe = seed, recipe
        self.epochs, self.batch = recipe.epochs, recipe.batch
        self.model = PixelRNN(cell)
        _initialise(self.model, generator_for("weights", self.architecture, seed))
        self.averaged = PixelRNN(cell)
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.Adam(self.model.parameters(), recipe.rate)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return nats a pixel."""
        if self.recipe.warm_up is not None:
            set_rate(self.optimizer, self.recipe.rate * one_cycle(progress, self.recipe.warm_up))
        binary = binarised(images)
        hidden = self.model.hidden(binary[:, :-1])
        with fast_products():
            logits = self.model.read(hidden)
        loss = cross_entropy(logits, binary)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        average(self.averaged, self.model, self.recipe.decay)
        return {"cross-entropy": loss.item()}


def _initialise(model: PixelRNN, generator: torch.Generator) -> None:
    """Draw initial values that learn much in five epochs.

    Glorot's uniform for the recurrent matrix, as one matrix and with open gates (bias 1) as in TensorFlow 1; He's
    normal for the head. The weights of the one input, a pixel, have variance 1, because with Glorot's .04 it hardly
    changes the state for many epochs. The last bias is about the log-odds of a lit pixel.
    """
    rnn = model.rnn
    blocks = [torch.empty(4 * rnn.width, rnn.width + 1)] if rnn.cell == "lstm" else _empty_gru(rnn.width)
    for block in blocks:
        nn.init.xavier_uniform_(block, generator=generator)
    nn.init.normal_(rnn.weight_ih_l0, generator=generator)
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(torch.cat(blocks)[:, 1:])
        # The LSTM's forget gate; the GRU's reset and update gates.
        opened = slice(rnn.width, 2 * rnn.width) if rnn.cell == "lstm" else slice(0, 2 * rnn.width)
        rnn.bias_ih_l0[opened] = 1
    for module in model.head:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
    nn.init.constant_(model.head[-1].bias, LOG_ODDS)  # type: ignore[arg-type]


def _empty_gru(width: int) -> list[Tensor]:
    return [torch.empty(2 * width, width + 1), torch.empty(width, width + 1)]


def _architecture(cell: Cell) -> Architecture:
    return Architecture(
        title=f"{cell.upper()} over pixels",
        summary=f"Next pixel of a binarised digit by {'an LSTM' if cell == 'lstm' else 'a GRU'}",
        task="next-pixel",
        checkpoint_key="model",
        module=partial(PixelRNN, cell),
        options={"rnn_activation": ("relu", "none"), "head_activation": ("relu", "none")},
        adapt=partial(recurrent_names.adapt, cell, 1, 1),
        also=COMPLETION_TASKS,
        trainings={f"pixel-{cell}{recipe.suffix}": partial(Training, cell, recipe) for recipe in RECIPES},
    )


LSTM, GRU = _architecture("lstm"), _architecture("gru")
