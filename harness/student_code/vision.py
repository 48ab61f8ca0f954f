"""Imitates the few parts of torchvision that coursework uses to prepare and show pictures, where it isn't installed.

`ToTensor`, `Normalize`, `Compose`, `Lambda` and `make_grid` behave as torchvision documents them. Nothing is
downloaded, drawn or saved. Other names can be imported, and objects of them built, but using one raises an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_tensor(picture: Any) -> Tensor:
    """Converts a picture to a float tensor (C, H, W), 8-bit integers divided by 255. Returns tensors unchanged.

    `picture` is an array (H, W) or (H, W, C), or anything that numpy reads as one, such as Pillow's images.
    """
    if isinstance(picture, Tensor):
        return picture
    array = np.array(picture)
    if array.ndim not in (2, 3):
        raise ValueError(f"to_tensor: a picture must have 2 or 3 axes; this one has {array.ndim}.")
    array = array[:, :, None] if array.ndim == 2 else array
    tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
    if tensor.dtype is torch.uint8:
        return tensor.float().div(255)
    return tensor.float() if not tensor.is_floating_point() else tensor


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Computes (tensor − mean) / std, channel by channel, for a tensor (…, C, H, W)."""
    shape = (-1, 1, 1)
    scaled = (tensor - torch.as_tensor(mean, dtype=tensor.dtype).reshape(shape)) / torch.as_tensor(
        std, dtype=tensor.dtype
    ).reshape(shape)
    return tensor.copy_(scaled) if inplace else scaled


class Compose:
    """Applies transforms one after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, picture: Any) -> Any:
        for transform in self.transforms:
            picture = transform(picture)
        return picture


class ToTensor:
    """`to_tensor` as a transform."""

    def __call__(self, picture: Any) -> Tensor:
        return to_tensor(picture)


class Normalize:
    """`normalize` as a transform."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor: Tensor) -> Tensor:
        return normalize(tensor, self.mean, self.std, self.inplace)


class Lambda:
    """Wraps a function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        self.lambd = lambd

    def __call__(self, picture: Any) -> Any:
        return self.lambd(picture)


def make_grid(tensor: Any, nrow: int = 8, padding: int = 2, pad_value: float = 0.0, **_: Any) -> Tensor:
    """Puts images (N, C, H, W), `nrow` in a row, into one image (3 or C, height, width) with `padding` around each."""
    images = torch.stack(list(tensor)) if isinstance(tensor, list | tuple) else tensor
    images = images.reshape((-1, *(1,) * (3 - images.ndim), *images.shape[-3:])) if images.ndim < 4 else images
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    count, channels, height, width = images.shape
    across = min(nrow, count)
    down = -(-count // across)
    grid = images.new_full(
        (channels, down * (height + padding) + padding, across * (width + padding) + padding), pad_value
    )
    for index, image in enumerate(images):
        top = padding + (index // across) * (height + padding)
        left = padding + (index % across) * (width + padding)
        grid[:, top : top + height, left : left + width] = image
    return grid


def save_image(*_: Any, **__: Any) -> None:
    """Does nothing, where torchvision saves an image."""


def unavailable(name: str, *, at_once: bool, why: str) -> type:
    """A class called `name` whose objects raise RuntimeError: when built if `at_once`, else when called."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{name} is not available in the sandbox: {why}")

    def build(self: Any, *_: Any, **__: Any) -> None:
        return None

    return type(name.rpartition(".")[2], (), {"__init__": refuse if at_once else build, "__call__": refuse})
