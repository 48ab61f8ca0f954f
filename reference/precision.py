"""bfloat16 matrix products in training, where the processor has units for them.

Tiles of bfloat16 numbers (Intel's AMX) multiply two to four times as fast as float32 ones. Weights, losses and
optimiser stay float32 (Micikevicius et al. 2018, arXiv:1710.03740). A processor without such units would be slower
for it, and trains in float32: the same recipe, other rounding.
"""

from __future__ import annotations

import torch


def fast_products() -> torch.autocast:
    """Context in which convolutions and matrix products of a training step may run in bfloat16."""
    has_tiles = bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    return torch.autocast("cpu", torch.bfloat16, enabled=has_tiles)
