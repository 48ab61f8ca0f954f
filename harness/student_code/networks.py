"""Builds networks from arrays as arguments of a student's loss, and differentiates the loss in their parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def loss_and_gradients(
    function: Callable[[Mapping[str, Any]], Any], arguments: Mapping[str, Any], layers: Mapping[str, Sequence[str]]
) -> Any:
    """Calls the function; its loss and then its gradient in all parameters, network by network, in one tensor (1 + P,).

    `arguments` holds the function's own arguments, and `name.weight` and `name.bias` of each linear layer; `layers`
    are the layers of each network (see `harness.types.Call`). A result that is no scalar with a gradient is returned as
    it is.
    """
    built = {name: _network(parts, arguments) for name, parts in layers.items()}
    taken = {f"{part}.{kind}" for parts in layers.values() for part in parts for kind in ("weight", "bias")}
    own = {name: value for name, value in arguments.items() if name not in taken}
    loss = function({**own, **built})
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        return loss
    loss.sum().backward()  # type: ignore[no-untyped-call]
    parts = [loss.detach().reshape(1)]
    for network in built.values():
        for parameter in network.parameters():
            gradient = parameter.grad
            parts.append(torch.zeros_like(parameter).flatten() if gradient is None else gradient.flatten())
    return torch.cat(parts)


def _network(parts: Sequence[str], arguments: Mapping[str, Any]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for part in parts:
        if part == "hardtanh":
            layers.append(nn.Hardtanh())
            continue
        weight, bias = arguments[f"{part}.weight"], arguments[f"{part}.bias"]
        # Nothing is drawn for it, so that the loss's own random numbers are the first after the seed.
        layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype, device="meta")
        layer.weight, layer.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        layers.append(layer)
    return nn.Sequential(*layers)
