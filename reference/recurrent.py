"""LSTM and GRU over whole sequences, with explicit backward passes.

On a CPU, `torch.nn.LSTM` and `torch.nn.GRU` spend most of a long sequence of a narrow layer on overhead: a graph node
for every small operation of every step. Here a step is a few in-place operations on (features, batch) slices, which is
faster and gives the same results. Gates, their order and the parameters' names are torch's (i, f, g, o and r, z, n).

Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000; Cho et al. 2014,
arXiv:1406.1078. Cho's GRU resets the state *before* it is multiplied (TensorFlow 1's `GRUCell`), torch and cuDNN reset
the product; the parameter `reset` selects the variant.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Reset = Literal["after", "before"]
Activation = Literal["relu", "none"]
State = tuple[Tensor, ...]
"""Hidden state (N, H), followed for the LSTM by the cell (N, H)."""


class _LSTM(torch.autograd.Function):
    """LSTM: inputs (T, I, B), weights (4H, I), (4H, H), bias (4H,), states (H, B) → outputs (T, H, B), last cell."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, _, batch = inputs.shape
        width = len(hidden)
        order = _sigmoids_first(width)
        recurrent = weight_hh[order]
        gates = _projected(weight_ih[order], bias[order], inputs)  # (T, 4H, B)
        cells, squashed, outputs = (gates.new_empty(steps, width, batch) for _ in range(3))
        h, c = hidden, cell
        parts = _steps(gates, gates[:, : 3 * width], *_gates(gates, 4), cells, squashed, outputs)
        for gate, sigmoids, i, f, o, g, new_c, tanh_c, new_h in parts:
            gate.addmm_(recurrent, h)
            sigmoids.sigmoid_()
            c = torch.mul(f, c, out=new_c).addcmul_(i, g.tanh_())
            h = torch.mul(o, torch.tanh(c, out=tanh_c), out=new_h)
        ctx.save_for_backward(inputs, weight_ih, weight_hh, hidden, cell, gates, cells, squashed, outputs)
        return outputs, cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_outputs, d_last = gradients
        inputs, weight_ih, weight_hh, hidden, cell, gates, cells, squashed, outputs = ctx.saved_tensors
        width = outputs.shape[1]
        order = _sigmoids_first(width)
        transposed = weight_hh[order].t()  # (H, 4H)
        d_gates, d_ih, d_hh = torch.empty_like(gates), torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        d_h, d_c, through = torch.zeros_like(hidden), d_last.clone(), torch.empty_like(cell)
        parts = _steps(
            *(d_gates, d_gates[:, : 3 * width], *_gates(d_gates, 4), gates[:, : 3 * width], *_gates(gates, 4)),
            *(squashed, _shifted(cells, cell), _shifted(outputs, hidden), inputs, d_outputs),
        )
        for d_gate, d_sigmoids, d_i, d_f, d_o, d_g, sigmoids, i, f, o, g, tanh_c, c, h, x, d_y in reversed(parts):
            d_h += d_y
            torch.mul(d_h, tanh_c, out=d_o)
            d_c += _through_tanh(d_h.mul_(o), tanh_c, through)
            torch.mul(d_c, g, out=d_i)
            torch.mul(d_c, i, out=d_g)
            torch.mul(d_c, c, out=d_f)
            d_c *= f
            _through_sigmoid(d_sigmoids, sigmoids, d_sigmoids)
            _through_tanh(d_g, g, d_g)
            d_ih.addmm_(d_gate, x.t())
            d_hh.addmm_(d_gate, h.t())
            torch.mm(transposed, d_gate, out=d_h)
        back = order.argsort()
        d_inputs = torch.matmul(weight_ih[order].t(), d_gates) if ctx.needs_input_grad[0] else None
        return d_inputs, d_ih[back], d_hh[back], d_gates.sum((0, 2))[back], d_h, d_c


class _GRU(torch.autograd.Function):
    """GRU: inputs (T, I, B), weights (3H, I) and (3H, H), biases (3H,), state (H, B) → outputs (T, H, B)."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        hidden: Tensor,
        reset: Reset,
    ) -> Tensor:
        steps, _, batch = inputs.shape
        width = len(hidden)
        added = bias_ih + bias_hh
        if reset == "after":
            added[2 * width :] = bias_ih[2 * width :]
        gates = _projected(weight_ih, added, inputs)  # (T, 3H, B)
        last_bias = bias_hh[2 * width :, None]
        of_gates, of_candidate = weight_hh[: 2 * width], weight_hh[2 * width :]
        inner, outputs = (gates.new_empty(steps, width, batch) for _ in range(2))
        h = hidden
        for sigmoids, r, z, n, inside, new_h in _steps(gates[:, : 2 * width], *_gates(gates, 3), inner, outputs):
            sigmoids.addmm_(of_gates, h).sigmoid_()
            if reset == "after":
                n.addcmul_(r, torch.addmm(last_bias, of_candidate, h, out=inside))
            else:
                n.addmm_(of_candidate, torch.mul(r, h, out=inside))
            h = torch.lerp(n.tanh_(), h, z, out=new_h)
        ctx.reset = reset
        ctx.save_for_backward(inputs, weight_ih, weight_hh, hidden, gates, inner, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_outputs, reset = gradients[0], ctx.reset
        inputs, weight_ih, weight_hh, hidden, gates, inner, outputs = ctx.saved_tensors
        width = outputs.shape[1]
        of_gates, of_candidate = weight_hh[: 2 * width].t(), weight_hh[2 * width :].t()
        d_gates, d_ih, d_hh = torch.empty_like(gates), torch.zeros_like(weight_ih), torch.zeros_like(weight_hh)
        d_h, d_inner = torch.zeros_like(hidden), torch.empty_like(hidden)
        d_bias = torch.zeros_like(hidden)  # of the candidate's recurrent bias, (H, B)
        d_hh_gates, d_hh_candidate = d_hh[: 2 * width], d_hh[2 * width :]
        parts = _steps(
            *(d_gates, d_gates[:, : 2 * width], *_gates(d_gates, 3), gates[:, : 2 * width], *_gates(gates, 3)),
            *(inner, _shifted(outputs, hidden), inputs, d_outputs),
        )
        for d_gate, d_sigmoids, d_r, d_z, d_n, sigmoids, r, z, n, inside, old_h, x, d_y in reversed(parts):
            d_h += d_y
            torch.sub(old_h, n, out=d_z).mul_(d_h)
            _through_tanh(torch.addcmul(d_h, d_h, z, value=-1, out=d_n), n, d_n)
            d_h *= z
            if reset == "after":
                torch.mul(d_n, inside, out=d_r)
                torch.mul(d_n, r, out=d_inner)
                d_bias += d_inner
                d_hh_candidate.addmm_(d_inner, old_h.t())
                d_h.addmm_(of_candidate, d_inner)
            else:
                torch.mm(of_candidate, d_n, out=d_inner)
                torch.mul(d_inner, old_h, out=d_r)
                d_h.addcmul_(d_inner, r)
                d_hh_candidate.addmm_(d_n, inside.t())
            _through_sigmoid(d_sigmoids, sigmoids, d_sigmoids)
            d_hh_gates.addmm_(d_sigmoids, old_h.t())
            d_h.addmm_(of_gates, d_sigmoids)
            d_ih.addmm_(d_gate, x.t())
        d_inputs = torch.matmul(weight_ih.t(), d_gates) if ctx.needs_input_grad[0] else None
        d_bias_ih = d_gates.sum((0, 2))
        d_bias_hh = d_bias_ih.clone()
        if reset == "after":
            d_bias_hh[2 * width :] = d_bias.sum(1)
        return d_inputs, d_ih, d_hh, d_bias_ih, d_bias_hh, d_h, None


class Recurrent(nn.Module):
    """One recurrent layer with the parameters of `torch.nn.LSTM` or `torch.nn.GRU`.

    Parameters
    ----------
    cell : "lstm" or "gru"
    inputs, width : numbers of features of a step's input, and of the state
    reset : for the GRU, "after" if the reset gate multiplies the recurrent product (torch), "before" if it multiplies
        the state (TensorFlow 1)
    """

    def __init__(self, cell: Literal["lstm", "gru"], inputs: int, width: int, reset: Reset = "after") -> None:
        super().__init__()
        self.cell, self.width, self.reset = cell, width, reset
        gates = (4 if cell == "lstm" else 3) * width
        self.weight_ih_l0 = nn.Parameter(torch.zeros(gates, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.zeros(gates, width))
        self.bias_ih_l0 = nn.Parameter(torch.zeros(gates))
        self.bias_hh_l0 = nn.Parameter(torch.zeros(gates))

    def start(self, n: int) -> State:
        """Return the state (all 0) before the first step of n sequences."""
        return tuple(self.bias_hh_l0.new_zeros(n, self.width) for _ in range(2 if self.cell == "lstm" else 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the hidden states (T, H, N) after each step of N sequences (T, I, N) from the zero state."""
        zero = torch.zeros(self.width, inputs.shape[2], dtype=inputs.dtype)
        if self.cell == "lstm":
            bias = self.bias_ih_l0 + self.bias_hh_l0
            parts = inputs, self.weight_ih_l0, self.weight_hh_l0, bias, zero, zero
            outputs: Tensor = _LSTM.apply(*parts)[0]  # type: ignore[no-untyped-call]
        else:
            weights = self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0
            outputs = _GRU.apply(inputs, *weights, zero, self.reset)  # type: ignore[no-untyped-call]
        return outputs

    def step(self, state: State, inputs: Tensor) -> State:
        """Take one step with inputs (N, I); the first part of the new state is the hidden state (N, H)."""
        projected = functional.linear(inputs, self.weight_ih_l0, self.bias_ih_l0)  # (N, gates)
        if self.cell == "lstm":
            hidden, cell = state
            i, f, g, o = (projected + functional.linear(hidden, self.weight_hh_l0, self.bias_hh_l0)).chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            return o.sigmoid() * cell.tanh(), cell
        (hidden,) = state
        weights, biases = self.weight_hh_l0.tensor_split([2 * self.width]), self.bias_hh_l0
        recurrent = functional.linear(hidden, weights[0], biases[: 2 * self.width])  # (N, 2H)
        r, z = (projected[:, : 2 * self.width] + recurrent).sigmoid().chunk(2, 1)
        last = biases[2 * self.width :]
        if self.reset == "after":
            n = (projected[:, 2 * self.width :] + r * functional.linear(hidden, weights[1], last)).tanh()
        else:
            n = (projected[:, 2 * self.width :] + functional.linear(r * hidden, weights[1], last)).tanh()
        return ((1 - z) * n + z * hidden,)


def _sigmoids_first(width: int) -> Tensor:
    """Return torch's gate rows i, f, g, o in the order i, f, o, g, so that the three sigmoids are adjacent."""
    i, f, g, o = torch.arange(4 * width).chunk(4)
    return torch.cat([i, f, o, g])


def _gates(stacked: Tensor, n: int) -> tuple[Tensor, ...]:
    """Split (T, n H, B) into n gates (T, H, B), as views."""
    steps, _, batch = stacked.shape
    return stacked.view(steps, n, -1, batch).unbind(1)


def _steps(*sequences: Tensor) -> list[tuple[Tensor, ...]]:
    """Return views of all steps of the sequences; slicing in the loop would cost as much as the arithmetic."""
    return list(zip(*(sequence.unbind() for sequence in sequences), strict=True))


def _shifted(sequence: Tensor, first: Tensor) -> Tensor:
    """Shift a sequence by one step: `first`, then the sequence without its last step."""
    return torch.cat([first[None], sequence[:-1]])


def _projected(weight: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """Compute weight (G, I) times inputs (T, I, B) plus bias (G,): (T, G, B)."""
    return torch.matmul(weight, inputs).add_(bias[:, None])


def _through_sigmoid(gradient: Tensor, value: Tensor, out: Tensor) -> Tensor:
    """Compute the gradient by the input of a sigmoid with output `value`."""
    return torch.ops.aten.sigmoid_backward.grad_input(gradient, value, grad_input=out)  # type: ignore[no-any-return]


def _through_tanh(gradient: Tensor, value: Tensor, out: Tensor) -> Tensor:
    """Compute the gradient by the input of a hyperbolic tangent with output `value`."""
    return torch.ops.aten.tanh_backward.grad_input(gradient, value, grad_input=out)  # type: ignore[no-any-return]


def activation(kind: Activation) -> nn.Module:
    """Construct the activation after a layer: ReLU, or identity for "none"."""
    return nn.ReLU() if kind == "relu" else nn.Identity()


def head(kind: Activation, units: int, first: int, second: int, outputs: int) -> nn.Sequential:
    """Construct the coursework's fully connected layers after the recurrent one, with `kind` between them."""
    return nn.Sequential(
        nn.Linear(units, first),
        activation(kind),
        nn.Linear(first, second),
        activation(kind),
        nn.Linear(second, outputs),
    )
