"""Seeding of random draws: one CPU generator for each purpose, never the global state."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def generator_for(*parts: object) -> torch.Generator:
    """Return a CPU generator seeded by a hash of `parts`: the same parts give the same draws on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def draw_linear_layers(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise every linear layer of a module by torch's own distributions, from an explicit generator."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
