"""A member's inference in fused layers: each convolution with its bias, its residual and its ReLU is one call.

Batch norm is folded, images are read where they lie, and activations stay in channels-last order. The layers are
oneDNN's; where torch has none, or a network has a layer that is not known here, the network itself answers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifiers.folding import fold
from classifiers.network import SIDE, Member, Residual, channels_last

Step = Callable[[Tensor], Tensor]
Fused = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Images (B, 1, 28, 28) in [0, 1], contiguous → features (B, width) and logits (B, 10)."""

_ONEDNN = torch._C._has_mkldnn and all(
    hasattr(torch.ops.mkldnn, name) for name in ("_convolution_pointwise", "_linear_pointwise")
)


class UnknownLayerError(Exception):
    """A network has a layer that this module does not fuse."""


@torch.no_grad()
def fused(network: Member, batch: int) -> Fused:
    """Return a function that computes a network's features and logits as in evaluation mode, without gradients.

    Weights are laid out for batches of `batch` images. Later changes of them go unnoticed.
    """
    own = channels_last(copy.deepcopy(network).eval())
    fold(own.body)

    def plain(images: Tensor) -> tuple[Tensor, Tensor]:
        features = own.features(_channels_last(images))
        return features, own.head(features)

    if not _ONEDNN:
        return plain
    try:
        steps = list(_steps(own.body, batch))
    except UnknownLayerError:
        return plain
    head = _connection(own.head.weight, own.head.bias, relu=False)

    def chain(images: Tensor) -> tuple[Tensor, Tensor]:
        features = _channels_last(images)
        for step in steps:
            features = step(features)
        return features, head(features)

    return chain


def _channels_last(images: Tensor) -> Tensor:
    """View contiguous images (B, 1, H, W) as channels-last ones: with one channel, both are the same bytes."""
    height, width = images.shape[2:]
    return images.as_strided(images.shape, (height * width, 1, width, 1))


def _steps(body: nn.Sequential, batch: int) -> Iterator[Step]:
    """Yield the layers as steps; a ReLU joins the layer before it, an unshuffle the convolution after it."""
    layers = list(_flat(body))
    shown = _channels_last(torch.zeros(batch, 1, SIDE, SIDE))  # follows the shapes
    factor = 1
    for place, layer in enumerate(layers):
        following = layers[place + 1] if place + 1 < len(layers) else None
        relu = isinstance(following, nn.ReLU)
        if isinstance(layer, nn.PixelUnshuffle) and isinstance(following, nn.Conv2d) and shown.shape[1] == 1:
            factor = layer.downscale_factor
            continue
        if isinstance(layer, nn.ReLU):
            continue
        if isinstance(layer, nn.Conv2d):
            step = _convolution(layer, shown.shape, relu, factor)
            factor = 1
        elif isinstance(layer, nn.Linear):
            weight = layer.weight
            if shown.ndim == 4:  # flattened here, in the order (H, W, C), and so are the weights
                weight = weight.view(len(weight), shown.shape[1], -1).transpose(1, 2).flatten(1)
            step = _connection(weight, layer.bias, relu)
        elif isinstance(layer, Residual):
            step = _residual(layer, shown.shape)
        elif isinstance(layer, nn.Flatten) and isinstance(following, nn.Linear):
            continue
        elif isinstance(layer, nn.AdaptiveAvgPool2d | nn.MaxPool2d | nn.Flatten) and not relu:
            step = layer
        else:
            raise UnknownLayerError(type(layer).__name__)
        shown = step(shown)
        yield step


def _flat(sequence: nn.Sequential) -> Iterator[nn.Module]:
    """Yield the layers of a sequence and of the sequences in it, without those that do nothing."""
    for layer in sequence:
        if isinstance(layer, nn.Sequential):
            yield from _flat(layer)
        elif not isinstance(layer, nn.Identity):
            yield layer


def _convolution(layer: nn.Conv2d, shape: torch.Size, relu: bool, factor: int = 1) -> Step:
    """Return a convolution's step, from `shape` (B, C, H, W) to (B, C', H', W').

    With a `factor`, the step does on one channel what the layer does on its pixels, unshuffled by that factor.
    """
    if layer.groups != 1 or layer.dilation != (1, 1) or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise UnknownLayerError("a convolution in groups, with holes, or with padding of another kind")
    bias = layer.bias
    padding, stride = [factor * n for n in layer.padding], [factor * n for n in layer.stride]
    weight = _packed(functional.pixel_shuffle(layer.weight, factor), shape, padding, stride)
    activation = "relu" if relu else "none"

    def step(x: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, [1, 1], 1, activation, [], ""
        )
        return made

    return step


def _packed(weight: Tensor, shape: torch.Size, padding: list[int], stride: list[int]) -> Tensor:
    """Return weights (C', C, h, w) in the order in which this processor's convolutions of (B, C, H, W) read them."""
    packed: Tensor = torch.ops.aten.mkldnn_reorder_conv2d_weight(
        weight.contiguous().to_mkldnn(), padding, stride, [1, 1], 1, list(shape)
    )
    return packed


def _residual(block: Residual, shape: torch.Size) -> Step:
    """Return the step of a residual block, whose second convolution adds the input: (B, C, H, W) → (B, C, H, W)."""
    first, _, second = _flat(block.body)
    assert isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d) and isinstance(second.padding, tuple)
    before, bias, padding = _convolution(first, shape, relu=True), second.bias, list(second.padding)
    weight = _packed(second.weight, shape, padding, [1, 1])

    def step(x: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(
            before(x), x, weight, bias, padding, [1, 1], [1, 1], 1, "add", 1.0, "relu", [], ""
        )
        return made

    return step


def _connection(weight: Tensor, bias: Tensor | None, relu: bool) -> Step:
    """Return the step of a linear layer, (B, K) → (B, M); an input (B, C, H, W) is flattened as (H, W, C)."""
    weight, activation = weight.contiguous(), "relu" if relu else "none"

    def step(x: Tensor) -> Tensor:
        flat = x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x
        made: Tensor = torch.ops.mkldnn._linear_pointwise(flat, weight, bias, activation, [], "")
        return made

    return step
