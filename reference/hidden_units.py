"""The last hidden units of a fully connected network, by what each adds to the picture.

Copies are found by them (`harness.likeness.units`): the columns of the last layer, each up to its length, stay as
they are when the latent space is rotated or moved, hidden units are permuted or scaled, w · c before and w / c behind,
or the last layer gets a gain. Units with parallel incoming weights add one picture together, into however many it was
split.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PARALLEL = 0.8
"""Cosine of incoming weights from which units count as one. No two of a trained network of so many inputs have more
than .7."""
_INPUTS = 64
"""Inputs below which units are as parallel by chance, and are left as they are."""


@torch.no_grad()
def hidden_units(
    before: nn.Linear, after: nn.Linear, directions: Tensor, count: Tensor, norm: nn.BatchNorm1d | None = None
) -> Tensor:
    """Project what each unit adds to the picture on some directions, and sort the units by how much that is.

    A unit's rank is the length of its incoming weights, bias among them, times that of its projection. Units with
    parallel incoming weights are added up; the activation between has to be homogeneous, as ReLU is.

    Parameters
    ----------
    before : the layer that gives the units' values before their activation, (units, inputs)
    after : the layer from the units to the picture, (pixels, units)
    directions : (pixels, d)
    count : (1,), the number of rows of the result
    norm : the batch normalisation between `before` and the activation

    Returns
    -------
    units : (count, d), each row of length 1; 0 for those that add nothing, that are not finite or that there are not
    """
    incoming = _incoming(before, norm)  # (units, inputs + 1)
    outgoing = (directions.double().T @ after.weight.double()).T  # (units, d)
    added = _merged(incoming, (incoming.norm(dim=1, keepdim=True) * outgoing).nan_to_num(0, 0, 0))
    sizes = added.norm(dim=1)
    units = (added / sizes[:, None]).nan_to_num(0, 0, 0)
    chosen = sizes.argsort(descending=True, stable=True)[: int(count)]
    found = torch.zeros(int(count), directions.shape[1])
    found[: len(chosen)] = units[chosen].float()
    return found


def _merged(incoming: Tensor, added: Tensor) -> Tensor:
    """Add up the rows (units, d) of parallel units in the row of the first of them; the others get 0."""
    if incoming.shape[1] < _INPUTS:
        return added
    ways = (incoming / incoming.norm(dim=1, keepdim=True)).nan_to_num(0, 0, 0).float()
    parallel = (ways @ ways.T > PARALLEL).fill_diagonal_(True)
    if int(parallel.sum()) == len(ways):
        return added
    first = parallel.int().argmax(dim=1)
    return torch.zeros_like(added).index_add_(0, first, added)


def _incoming(layer: nn.Linear, norm: nn.BatchNorm1d | None) -> Tensor:
    """The incoming weights and the bias of each unit, (units, inputs + 1), a normalisation behind them included."""
    weight, bias = layer.weight.double(), layer.bias.double()
    if norm is not None:
        assert norm.running_mean is not None and norm.running_var is not None
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight, bias = gain[:, None] * weight, gain * (bias - norm.running_mean.double()) + norm.bias.double()
    return torch.cat([weight, bias[:, None]], 1)
