"""Many pixels at a time through the coursework's recurrent networks, without gradients.

Exact in-painting runs 16 completions of every image to its end, all in float32 and all in Python. What counts is that a
step touches little memory and calls few functions: features × rows buffers that are written again at every step and fit
the second-level cache, biases and the pixel as further rows of the state so that a layer is one matrix product, and no
allocation in the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from reference.recurrent import Recurrent, State

ROWS = 1024
"""Sequences at a time; of fewer, calls cost more than arithmetic."""
SLOTS = 4
"""Steps whose hidden states the head reads at once. For 32 units all buffers together take 3 MB."""


@torch.no_grad()
def scan(
    rnn: Recurrent, rnn_activation: nn.Module, head: nn.Sequential, state: State, pixels: Tensor
) -> tuple[Tensor, State]:
    """Go on from a state with more pixels.

    Parameters
    ----------
    rnn : the recurrent layer
    rnn_activation : what follows it, ReLU or nothing
    head : the fully connected layers, with ReLUs or nothing between them; the last gives one logit
    state : each part (N, H)
    pixels : (N, T)

    Returns
    -------
    probabilities : (N, T), double, that the pixel after each of `pixels` is lit. A float32 next to 1 would tell little
        of how improbable the other value is
    state : after the last pixel
    """
    parts = [
        _scan_rows(rnn, isinstance(rnn_activation, nn.ReLU), head, rows, some)
        for rows, some in zip(
            zip(*(torch.split(part, ROWS) for part in state), strict=True), torch.split(pixels, ROWS), strict=True
        )
    ]
    if not parts:
        return pixels.double(), state
    probabilities = torch.cat([probability for probability, _ in parts])
    return probabilities, tuple(torch.cat(same) for same in zip(*(after for _, after in parts), strict=True))


def _scan_rows(
    rnn: Recurrent, relu: bool, head: nn.Sequential, state: Sequence[Tensor], pixels: Tensor
) -> tuple[Tensor, State]:
    n, steps = pixels.shape
    width, slots = rnn.width, min(SLOTS, steps)
    # Of each slot: hidden state, a 1 for the biases, the pixel. A step reads one slot and writes the next one's state.
    inputs = pixels.new_ones(width + 2, slots + 1, n)
    given, hidden = inputs.unbind(1), inputs[:width].unbind(1)
    hidden[0].copy_(state[0].t())
    cell = state[1].t().contiguous() if rnn.cell == "lstm" else None
    recur = _lstm(rnn, cell) if cell is not None else _gru(rnn, n)
    features = pixels.new_empty(width + 1, slots, n)
    read = _head(head, slots * n)
    by_step = pixels.t().contiguous()
    logits = pixels.new_empty(steps, n)
    for first in range(0, steps, slots):
        count = min(slots, steps - first)
        inputs[width + 1, :count].copy_(by_step[first : first + count])
        for slot in range(count):
            recur(given[slot], hidden[slot], hidden[slot + 1])
        # Whole slots, so that the buffers keep their shape; what a last one holds beyond the end is not read.
        if relu:
            torch.clamp_min(inputs[: width + 1, 1:], 0, out=features)
        else:
            features.copy_(inputs[: width + 1, 1:])
        logits[first : first + count] = read(features.view(width + 1, -1)).view(slots, n)[:count]
        hidden[0].copy_(hidden[count])
    last = hidden[0].t().contiguous()
    return logits.double().sigmoid_().t(), (last,) if cell is None else (last, cell.t().contiguous())


Step = Callable[[Tensor, Tensor, Tensor], None]
"""From a slot's inputs (H + 2, N) and its hidden state (H, N), which is part of them, to the next hidden state."""


def _lstm(rnn: Recurrent, cell: Tensor) -> Step:
    """Steps of an LSTM, which write `cell` (H, N), too."""
    width, n = cell.shape
    i, f, g, o = torch.arange(4 * width).chunk(4)
    # The three sigmoids side by side.
    weight = torch.cat([rnn.weight_hh_l0, (rnn.bias_ih_l0 + rnn.bias_hh_l0)[:, None], rnn.weight_ih_l0], 1)
    weight = weight[torch.cat([i, f, o, g])]
    gates = cell.new_empty(4 * width, n)
    sigmoids = gates[: 3 * width]
    enter, keep, leave, candidate = gates.view(4, width, n)
    squashed = torch.empty_like(cell)

    def step(inputs: Tensor, hidden: Tensor, following: Tensor) -> None:
        torch.mm(weight, inputs, out=gates)
        sigmoids.sigmoid_()
        cell.mul_(keep).addcmul_(enter, candidate.tanh_())
        torch.mul(leave, torch.tanh(cell, out=squashed), out=following)

    return step


def _gru(rnn: Recurrent, n: int) -> Step:
    """Steps of a GRU for n sequences."""
    width = rnn.width
    after = rnn.reset == "after"
    cut = [2 * width, width]
    gated, last = torch.split(rnn.weight_hh_l0, cut)
    gated_bias, last_bias = torch.split(rnn.bias_hh_l0, cut)
    from_bias, own_bias = torch.split(rnn.bias_ih_l0, cut)
    from_pixel, own_pixel = torch.split(rnn.weight_ih_l0, cut)
    nothing = torch.zeros_like(last)
    weight = torch.cat([gated, (gated_bias + from_bias)[:, None], from_pixel], 1)
    own = torch.cat([nothing, (own_bias if after else own_bias + last_bias)[:, None], own_pixel], 1)
    both = torch.cat([weight, own, torch.cat([last, last_bias[:, None], torch.zeros_like(own_pixel)], 1)])
    gates = both.new_empty((4 if after else 3) * width, n)
    both = both[: len(gates)]
    sigmoids, candidate, inner = gates[: 2 * width], gates[2 * width : 3 * width], gates[3 * width :]
    reset, update = sigmoids.view(2, width, n)
    product = torch.empty_like(candidate)

    def step(inputs: Tensor, hidden: Tensor, following: Tensor) -> None:
        torch.mm(both, inputs, out=gates)
        sigmoids.sigmoid_()
        if after:
            candidate.addcmul_(reset, inner)
        else:
            candidate.addmm_(last, torch.mul(reset, hidden, out=product))
        torch.lerp(candidate.tanh_(), hidden, update, out=following)

    return step


def _head(head: nn.Sequential, n: int) -> Callable[[Tensor], Tensor]:
    """The logits (1, N) for features (H + 1, N), of which the last row is 1."""
    layers: list[tuple[Tensor, Tensor, Tensor, bool]] = []
    """Weights with the bias as last column, the result, it and a 1 below it, and whether a ReLU follows."""
    modules = list(head)
    linear = [(at, module) for at, module in enumerate(modules) if isinstance(module, nn.Linear)]
    for at, module in linear[:-1]:
        out = module.weight.new_ones(module.out_features + 1, n)
        layers.append((_with_bias(module), out[:-1], out, isinstance(modules[at + 1], nn.ReLU)))
    last = _with_bias(linear[-1][1])
    logits = last.new_empty(1, n)

    def read(given: Tensor) -> Tensor:
        for weight, result, whole, relu in layers:
            torch.mm(weight, given, out=result)
            if relu:
                result.relu_()
            given = whole
        return torch.mm(last, given, out=logits)

    return read


def _with_bias(linear: nn.Linear) -> Tensor:
    return torch.cat([linear.weight, linear.bias[:, None]], 1)
