"""How every random draw is seeded: a CPU generator for a purpose, never the global state."""

from __future__ import annotations

import hashlib

import torch


def generator_for(*parts: object) -> torch.Generator:
    """A CPU generator whose seed is a hash of `parts`: the same parts give the same draws on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
