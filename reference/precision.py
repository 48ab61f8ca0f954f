"""bfloat16 matrix products in training, on processors with hardware units for them.

Tiles of bfloat16 numbers (Intel's AMX) multiply two to four times as fast as float32 ones, and so do the dot products
of AVX-512 BF16 (AMD since Zen 4, Intel since Cooper Lake). Weights, losses and
optimiser stay float32 (Micikevicius et al. 2018, arXiv:1710.03740). Processors without such units would be
slower with bfloat16, and train in float32: the same recipe with different rounding.
"""

from __future__ import annotations

import torch


def fast_products() -> torch.autocast:
    """Return a context in which convolutions and matrix products of a training step may run in bfloat16."""
    able = torch.cpu.get_capabilities()
    has_units = bool(able.get("amx_bf16", False) or able.get("avx512_bf16", False))
    return torch.autocast("cpu", torch.bfloat16, enabled=has_units)
