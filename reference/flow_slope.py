"""The gradient of a RealNVP's log-density in closed form: products of matrices, without a graph.

For z = f(x) with standard normal z, ∂ log p/∂x = −zᵀ ∂z/∂x + ∂ log |det ∂z/∂x| / ∂x. Only the couplings' log-scales
add to the second term (Dinh, Sohl-Dickstein and Bengio 2017, arXiv:1605.08803, equation 6). Batch normalisation is one
factor and one offset for each position here; the offsets and factors of moved positions are part of the last layer of
the coupling's shift. Both networks of a coupling read the same positions, so their first layers are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference.flow_layers import LOG_SCALE, BatchNormFlow, Coupling, Shuffle
from reference.products import linear

Layer = tuple[Tensor, Tensor]
"""Weight (outputs, inputs) and bias (outputs,)."""


@dataclass(frozen=True)
class Passed:
    """A block's values that its gradient needs; N images, K positions that pass, M that move."""

    moving: Tensor
    """(N, M), before the block."""
    scale: Tensor
    """∂z/∂moving, (N, M)."""
    bounded: Tensor
    """tanh of a third of the network's output, the log-scale divided by `LOG_SCALE`, (N, M)."""
    of_scale: tuple[Tensor, Tensor]
    """Units of the two hidden layers of the log-scale's network, (N, H) each."""
    of_shift: tuple[Tensor, Tensor]


class Block:
    """A coupling, the batch normalisation after it by its running averages, and the shuffle after that.

    Reads and returns values as passing positions (N, K) and moving ones (N, M), of its own coupling and in its order.
    """

    def __init__(self, coupling: Coupling, norm: BatchNormFlow, shuffle: Shuffle) -> None:
        self.passing = coupling.mask.nonzero().squeeze(1)
        self.moving = (~coupling.mask).nonzero().squeeze(1)
        log_scale = norm.log_gamma - 0.5 * (norm.running_variance + norm.epsilon).log()  # (D,)
        factor = log_scale.exp()
        offset = norm.beta - norm.running_mean * factor
        self.factor, self.offset = factor[self.passing], offset[self.passing]
        self.moved_factor = factor[self.moving]
        self.order = shuffle.order
        (first_scale, *self.scale), (first_shift, *shift) = _layers(coupling.scale), _layers(coupling.shift)
        self.first = torch.cat([first_scale[0], first_shift[0]]), torch.cat([first_scale[1], first_shift[1]])
        self.hidden = len(first_scale[1])
        weight, bias = shift.pop()
        self.shift = [
            *shift,
            (weight * self.moved_factor[:, None], bias * self.moved_factor + offset[self.moving]),
        ]

    def forward(self, passing: Tensor, moving: Tensor) -> tuple[Tensor, Tensor, Passed]:
        """Compute the normalised values of (N, K) and (N, M), not yet shuffled, and what the gradient needs."""
        units = linear(passing, *self.first)  # (N, 2 H)
        of_scale, of_shift = units[:, : self.hidden].tanh(), units[:, self.hidden :].relu()
        more_scale = linear(of_scale, *self.scale[0]).tanh_()
        more_shift = linear(of_shift, *self.shift[0]).relu_()
        bounded = linear(more_scale, *self.scale[1]).div_(LOG_SCALE).tanh_()
        scale = (LOG_SCALE * bounded).exp_().mul_(self.moved_factor)
        moved = linear(more_shift, *self.shift[1]).addcmul_(moving, scale)
        passed = torch.addcmul(self.offset, passing, self.factor)
        return passed, moved, Passed(moving, scale, bounded, (of_scale, more_scale), (of_shift, more_shift))

    def backward(self, passed: Tensor, moved: Tensor, kept: Passed) -> tuple[Tensor, Tensor]:
        """Compute the gradient by the block's inputs from that by its outputs; both as (N, K) and (N, M)."""
        by_moving = moved * kept.scale
        by_scale = torch.addcmul(torch.ones_like(moved), by_moving, kept.moving)
        by_scale.mul_(1 - kept.bounded.square())
        back = linear(by_scale, self.scale[1][0].T).mul_(1 - kept.of_scale[1].square())
        by_scale = linear(back, self.scale[0][0].T).mul_(1 - kept.of_scale[0].square())
        back = linear(moved, self.shift[1][0].T).mul_(kept.of_shift[1] > 0)
        by_shift = linear(back, self.shift[0][0].T).mul_(kept.of_shift[0] > 0)
        by_passing = linear(torch.cat([by_scale, by_shift], 1), self.first[0].T)
        return by_passing.addcmul_(passed, self.factor), by_moving


class DensitySlope:
    """∂ log p/∂x of a flow of couplings, batch normalisations and shuffles, in that order, in evaluation mode.

    Parameters
    ----------
    layers : of the flow; later changes of their weights go unnoticed
    """

    @torch.no_grad()
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.blocks: list[Block] = []
        for coupling, norm, shuffle in zip(layers[::3], layers[1::3], layers[2::3], strict=True):
            assert isinstance(coupling, Coupling) and isinstance(norm, BatchNormFlow) and isinstance(shuffle, Shuffle)
            self.blocks.append(Block(coupling, norm, shuffle))
        # A block's outputs, passing positions first, go straight to where the next block reads them.
        self.gathers, self.returns = [], []
        for block, following in zip(self.blocks, [*self.blocks[1:], None], strict=True):
            place = torch.cat([block.passing, block.moving]).argsort()[block.order]  # of each position, shuffled
            if following is not None:
                place = place[torch.cat([following.passing, following.moving])]
            self.gathers.append(place)
            self.returns.append(place.argsort())

    @torch.no_grad()
    def __call__(self, values: Tensor) -> Tensor:
        """Compute ∂ log p/∂x (N, D) at logits x (N, D)."""
        first = self.blocks[0]
        order = torch.cat([first.passing, first.moving])
        values = values.index_select(1, order)
        kept = []
        for block, gather in zip(self.blocks, self.gathers, strict=True):
            passing, moving = self._split(values, block)
            passed, moved, needed = block.forward(passing, moving)
            kept.append(needed)
            values = torch.cat([passed, moved], 1).index_select(1, gather)
        slope = -values
        for block, back in zip(reversed(self.blocks), reversed(self.returns), strict=True):
            passed, moved = self._split(slope.index_select(1, back), block)
            slope = torch.cat(block.backward(passed, moved, kept.pop()), 1)
        return slope.index_select(1, order.argsort())

    def _split(self, values: Tensor, block: Block) -> tuple[Tensor, Tensor]:
        count = len(block.passing)
        return values[:, :count].contiguous(), values[:, count:].contiguous()


def _layers(network: nn.Sequential) -> list[Layer]:
    return [(layer.weight.detach(), layer.bias.detach()) for layer in network if isinstance(layer, nn.Linear)]
