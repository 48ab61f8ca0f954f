"""Matrix products of inference, by oneDNN where torch has it.

torch's own float32 products go through MKL, which takes half of an AMD processor's vector units; oneDNN takes all of
them on any x86 processor. Both round every sum in an order of their own.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

_ONEDNN = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute inputs (N, K) · weightᵀ + bias, (N, M), for weight (M, K) and bias (M,).

    Takes torch's own product where gradients are on, since oneDNN's has none, for any type but float32, and for empty
    tensors.
    """
    plain = torch.is_grad_enabled() or inputs.dtype != torch.float32 or not (inputs.numel() and weight.numel())
    if plain or not _ONEDNN:
        return functional.linear(inputs, weight, bias)
    products: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return products


def multiply_by_onednn(module: nn.Module) -> None:
    """Have the fully connected layers of a module take `linear`.

    Layers of a class of their own are left as they are, and so are products of more than two dimensions.
    """
    for layer in module.modules():
        if type(layer) is nn.Linear:
            layer.forward = partial(_layer, layer)  # type: ignore[method-assign]


def _layer(layer: nn.Linear, inputs: Tensor) -> Tensor:
    if inputs.dim() != 2:
        return nn.Linear.forward(layer, inputs)
    return linear(inputs, layer.weight, layer.bias)
