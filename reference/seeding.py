"""How every random draw is seeded: a CPU generator for a purpose, never the global state."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def generator_for(*parts: object) -> torch.Generator:
    """A CPU generator whose seed is a hash of `parts`: the same parts give the same draws on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def draw_linear_layers(module: nn.Module, generator: torch.Generator) -> None:
    """Give every linear layer of a module what torch's own initialisation would draw, from a generator of ours."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
