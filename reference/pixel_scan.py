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
"""Sequences at a time. Their buffers take 1.3 MB for 32 units; fewer and calls cost more than arithmetic."""


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
    width = rnn.width
    # Rows: hidden state, a 1 for the biases, the pixel.
    inputs = pixels.new_ones(width + 2, n)
    hidden, seen, pixel = inputs[:width], inputs[: width + 1], inputs[width + 1]
    hidden.copy_(state[0].t())
    cell = state[1].t().contiguous() if rnn.cell == "lstm" else None
    recur = _lstm(rnn, inputs, hidden, cell) if cell is not None else _gru(rnn, inputs, hidden)
    features = torch.empty_like(seen) if relu else seen
    read = _head(head, features)
    logits = pixels.new_empty(steps, n)
    for value, logit in zip(pixels.t().contiguous().unbind(), logits.unsqueeze(1).unbind(), strict=True):
        pixel.copy_(value)
        recur()
        if relu:
            torch.clamp_min(seen, 0, out=features)
        read(logit)
    after = (hidden.t().contiguous(),) if cell is None else (hidden.t().contiguous(), cell.t().contiguous())
    return logits.t().double().sigmoid(), after


def _lstm(rnn: Recurrent, inputs: Tensor, hidden: Tensor, cell: Tensor) -> Callable[[], None]:
    """A step that reads `inputs` (H + 2, N) and writes `hidden` and `cell` (H, N), which lie in or beside them."""
    width, n = hidden.shape
    i, f, g, o = torch.arange(4 * width).chunk(4)
    # The three sigmoids side by side.
    weight = torch.cat([rnn.weight_hh_l0, (rnn.bias_ih_l0 + rnn.bias_hh_l0)[:, None], rnn.weight_ih_l0], 1)
    weight = weight[torch.cat([i, f, o, g])]
    gates = inputs.new_empty(4 * width, n)
    sigmoids = gates[: 3 * width]
    enter, keep, leave, candidate = gates.view(4, width, n)
    squashed = torch.empty_like(cell)

    def step() -> None:
        torch.mm(weight, inputs, out=gates)
        sigmoids.sigmoid_()
        cell.mul_(keep).addcmul_(enter, candidate.tanh_())
        torch.mul(leave, torch.tanh(cell, out=squashed), out=hidden)

    return step


def _gru(rnn: Recurrent, inputs: Tensor, hidden: Tensor) -> Callable[[], None]:
    """A step that reads `inputs` (H + 2, N) and writes `hidden` (H, N), which lies in them."""
    width, n = hidden.shape
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
    gates = inputs.new_empty((4 if after else 3) * width, n)
    both = both[: len(gates)]
    sigmoids, candidate, inner = gates[: 2 * width], gates[2 * width : 3 * width], gates[3 * width :]
    reset, update = sigmoids.view(2, width, n)
    product = torch.empty_like(candidate)

    def step() -> None:
        torch.mm(both, inputs, out=gates)
        sigmoids.sigmoid_()
        if after:
            candidate.addcmul_(reset, inner)
        else:
            candidate.addmm_(last, torch.mul(reset, hidden, out=product))
        torch.lerp(candidate.tanh_(), hidden, update, out=hidden)

    return step


def _head(head: nn.Sequential, features: Tensor) -> Callable[[Tensor], None]:
    """Writes the logits (1, N) for `features` (H + 1, N), of which the last row is 1."""
    layers: list[tuple[Tensor, Tensor, Tensor, bool]] = []
    """Weights with the bias as last column, the result, it and a 1 below it, and whether a ReLU follows."""
    modules = list(head)
    linear = [(at, module) for at, module in enumerate(modules) if isinstance(module, nn.Linear)]
    for at, module in linear[:-1]:
        out = features.new_ones(module.out_features + 1, features.shape[1])
        layers.append((_with_bias(module), out[:-1], out, isinstance(modules[at + 1], nn.ReLU)))
    last = _with_bias(linear[-1][1])

    def read(logits: Tensor) -> None:
        given = features
        for weight, result, whole, relu in layers:
            torch.mm(weight, given, out=result)
            if relu:
                result.relu_()
            given = whole
        torch.mm(last, given, out=logits)

    return read


def _with_bias(linear: nn.Linear) -> Tensor:
    return torch.cat([linear.weight, linear.bias[:, None]], 1)
