"""Fast inference of the coursework's recurrent networks over many pixels, without gradients.

Exact inpainting runs 16 completions of every image to its end, all in float32. Speed comes from steps that touch
little memory and call few functions: reused features × rows buffers that nearly fit the second-level cache, biases
and the pixel as further rows of the state so that a layer is one matrix product, no allocation in the loop, and a
head that reads several steps at once.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reference.recurrent import Recurrent, State

ROWS = 1024
"""Sequences in a batch; with fewer, calls cost more than arithmetic."""
SLOTS = 6
"""Steps that the head reads at once. For 32 units all buffers together take 5 MB."""


@torch.no_grad()
def scan(
    rnn: Recurrent, rnn_activation: nn.Module, head: nn.Sequential, state: State, pixels: Tensor
) -> tuple[Tensor, State]:
    """Advance a state by further pixels.

    Parameters
    ----------
    rnn : the recurrent layer
    rnn_activation : ReLU or identity, after the recurrent layer
    head : fully connected layers, with ReLUs or identities between them; the last gives one logit
    state : each part (N, H)
    pixels : (N, T)

    Returns
    -------
    probabilities : (N, T), double, that the pixel after each of `pixels` is lit. Near 1, float32
        would round the probability of the other value
    state : after the last pixel
    """
    parts = [
        _scan_rows(rnn, isinstance(rnn_activation, nn.ReLU), head, rows, some)
        for rows, some in zip(
            zip(*(torch.split(part, ROWS) for part in state), strict=True), torch.split(pixels, ROWS), strict=True
        )
    ]
    if len(parts) < 2:
        return parts[0] if parts else (pixels.double(), state)
    probabilities = torch.cat([probability for probability, _ in parts])
    return probabilities, tuple(torch.cat(same) for same in zip(*(after for _, after in parts), strict=True))


def _scan_rows(
    rnn: Recurrent, relu: bool, head: nn.Sequential, state: Sequence[Tensor], pixels: Tensor
) -> tuple[Tensor, State]:
    n, steps = pixels.shape
    width, slots = rnn.width, min(SLOTS, steps)
    # Rows of a slot: hidden state, a 1 for the biases, the pixel. A step reads one slot and writes the next state.
    inputs = pixels.new_ones(width + 2, slots + 1, n)
    hidden = inputs[:width].unbind(1)
    hidden[0].copy_(state[0].t())
    cell = state[1].t().contiguous() if rnn.cell == "lstm" else None
    advance = _lstm(rnn, inputs, cell) if cell is not None else _gru(rnn, inputs)
    features = pixels.new_empty(width + 1, slots, n)
    read = _head(head, slots * n)
    by_step = pixels.t().contiguous()
    logits = pixels.new_empty(steps, n)
    for first in range(0, steps, slots):
        count = min(slots, steps - first)
        inputs[width + 1, :count].copy_(by_step[first : first + count])
        advance(count)
        # Always all slots, so that the buffers keep their shape; slots beyond the last pixel are not read.
        if relu:
            torch.clamp_min(inputs[: width + 1, 1:], 0, out=features)
        else:
            features.copy_(inputs[: width + 1, 1:])
        logits[first : first + count] = read(features.view(width + 1, -1)).view(slots, n)[:count]
        hidden[0].copy_(hidden[count])
    last = hidden[0].t().contiguous()
    return logits.double().sigmoid_().t(), (last,) if cell is None else (last, cell.t().contiguous())


Advance = Callable[[int], None]
"""Takes a number of steps from the first slot; each reads a slot's inputs (H + 2, N) and writes the next state."""


def _lstm(rnn: Recurrent, inputs: Tensor, cell: Tensor) -> Advance:
    """Return the steps of an LSTM, which also write `cell` (H, N)."""
    width, n = cell.shape
    i, f, g, o = torch.arange(4 * width).chunk(4)
    # Rows reordered so that the three sigmoids are adjacent.
    weight = torch.cat([rnn.weight_hh_l0, (rnn.bias_ih_l0 + rnn.bias_hh_l0)[:, None], rnn.weight_ih_l0], 1)
    weight = weight[torch.cat([i, f, o, g])]
    gates, squashed, steps = cell.new_empty(4 * width, n), torch.empty_like(cell), _compiled(_lstm_steps)
    return lambda count: steps(weight, inputs, cell, gates, squashed, count)


def _lstm_steps(weight: Tensor, inputs: Tensor, cell: Tensor, gates: Tensor, squashed: Tensor, count: int) -> None:
    """Apply the LSTM's equations; `gates` (4 H, N) are i, f, o, g, and `squashed` (H, N) is a buffer for tanh(cell)."""
    width = cell.size(0)
    sigmoids, candidate = gates[: 3 * width], gates[3 * width :]
    enter, keep, leave = gates[:width], gates[width : 2 * width], gates[2 * width : 3 * width]
    for slot in range(count):
        torch.mm(weight, inputs[:, slot], out=gates)
        sigmoids.sigmoid_()
        cell.mul_(keep).addcmul_(enter, candidate.tanh_())
        torch.mul(leave, torch.tanh(cell, out=squashed), out=inputs[:width, slot + 1])


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile the function to TorchScript, which releases Python's lock, so that two threads run twice as fast as one.

    TorchScript is deprecated in favour of torch.compile, which needs a C++ compiler at run time; PyTorch is pinned.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled: Callable[..., Any] = torch.jit.script(function)
    return compiled


def _gru(rnn: Recurrent, inputs: Tensor) -> Advance:
    """Return the steps of a GRU."""
    width, n = rnn.width, inputs.shape[2]
    given, hidden = inputs.unbind(1), inputs[:width].unbind(1)
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

    def advance(count: int) -> None:
        for slot in range(count):
            torch.mm(both, given[slot], out=gates)
            sigmoids.sigmoid_()
            if after:
                candidate.addcmul_(reset, inner)
            else:
                candidate.addmm_(last, torch.mul(reset, hidden[slot], out=product))
            torch.lerp(candidate.tanh_(), hidden[slot], update, out=hidden[slot + 1])

    return advance


def _head(head: nn.Sequential, n: int) -> Callable[[Tensor], Tensor]:
    """Return the function from features (H + 1, N), with a last row of 1, to logits (1, N)."""
    modules = list(head)
    linear = [(at, module) for at, module in enumerate(modules) if isinstance(module, nn.Linear)]
    weights = [_with_bias(module) for _, module in linear]
    relus = [isinstance(modules[at + 1], nn.ReLU) for at, _ in linear[:-1]]
    # The last row of each result is 1, for the next layer's bias.
    results = [module.weight.new_ones(module.out_features + 1, n) for _, module in linear[:-1]]
    logits, layers = weights[-1].new_empty(1, n), _compiled(_layers)
    return lambda features: layers(features, weights, results, relus, logits)


def _layers(
    features: Tensor, weights: list[Tensor], results: list[Tensor], relus: list[bool], logits: Tensor
) -> Tensor:
    """Apply fully connected layers with the biases as last columns; all but the last layer may have a ReLU."""
    given = features
    for at in range(len(relus)):
        torch.mm(weights[at], given, out=results[at][:-1])
        if relus[at]:
            results[at][:-1].relu_()
        given = results[at]
    return torch.mm(weights[-1], given, out=logits)


def _with_bias(linear: nn.Linear) -> Tensor:
    return torch.cat([linear.weight, linear.bias[:, None]], 1)
