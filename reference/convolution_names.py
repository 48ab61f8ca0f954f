"""Finds the layers of a DCGAN's generator in a checkpoint by their shapes, whatever they are called.

Accepted are the paper's generators in torch: a first layer that makes a map of 4 × 4 or 7 × 7 pixels of the noise, as a
transposed convolution or a fully connected layer, then transposed convolutions of 4 × 4 weights, each of which doubles
the side, to one channel of 28 × 28 or 32 × 32 pixels; batch normalisations between them. What stride a layer has is in
no state dict, and no other stride gives these sides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

MOST_DOUBLINGS = 4
WIDEST = 2048
"""Most channels of a map; more would be a mistake, or an attempt to exhaust the memory."""
_EPSILON = 1e-5
"""Added by torch's batch normalisation to the variance."""
_KERNEL = 4


@dataclass
class _Layer:
    """The arrays of one layer of a checkpoint."""

    name: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def weight(self) -> np.ndarray:
        return self.arrays["weight"]

    @property
    def is_norm(self) -> bool:
        return "running_mean" in self.arrays


def adapt(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int], list[str]]:
    """Convert a generator's checkpoint to the names of `reference.dcgan.Generator`, and read off its sizes.

    Returns
    -------
    arrays : `project.weight`, `project.bias`; `maps.<i>.weight`, `maps.<i>.bias`; and of each batch normalisation
        `norms.<i>.weight`, `.bias`, `.running_mean`, `.running_var` and `.num_batches_tracked`; a normalisation that
        the checkpoint lacks is the identity
    sizes : latent, start, channels_1 … channels_4
    notes : sentences that say what was read otherwise than as it stands

    Raises
    ------
    ValueError
        with a sentence, if the checkpoint is no such generator.
    """
    layers = _layers(arrays)
    maps = [layer for layer in layers if not layer.is_norm]
    if not 2 <= len(maps) <= MOST_DOUBLINGS + 1 or layers[0].is_norm or layers[-1].is_norm:
        raise ValueError(f"{_held(layers)}; a generator has one first layer and 1 to {MOST_DOUBLINGS} that double it.")
    norms = [_norm_after(layers, layer) for layer in maps[:-1]]
    if sum(norm is not None for norm in norms) != len(layers) - len(maps):
        raise ValueError(f"{_held(layers)}; a batch normalisation does not follow a map.")
    for layer in maps[1:]:
        if layer.weight.ndim != 4 or layer.weight.shape[2:] != (_KERNEL, _KERNEL):
            raise ValueError(
                f"{layer.name} has weights {layer.weight.shape}; a layer that doubles the side has (inputs, outputs, "
                f"{_KERNEL}, {_KERNEL}). Submit another structure as code."
            )
    channels = [layer.weight.shape[0] for layer in maps[1:]]
    widths = [*channels[1:], 1]
    if [layer.weight.shape[1] for layer in maps[1:]] != widths:
        raise ValueError(f"{_held(layers)}; their channels don't follow each other down to 1.")
    weight, bias, norm = _projection(maps[0], norms[0], channels[0])
    latent, start = weight.shape[1], round((len(weight) / channels[0]) ** 0.5)
    side = start * 2 ** len(channels)
    if len(weight) != channels[0] * start**2 or side not in (28, 32) or max(latent, *channels) > WIDEST:
        raise ValueError(f"{_held(layers)}; its images would not be 28 × 28 or 32 × 32 pixels.")
    state = {"project.weight": weight, "project.bias": bias}
    for index, (layer, own) in enumerate(zip(maps[1:], [norm, *norms[1:]], strict=True)):
        state[f"maps.{index}.weight"] = layer.weight
        state[f"maps.{index}.bias"] = layer.arrays.get("bias", np.zeros(widths[index], np.float32))
        state |= {f"norms.{index}.{key}": array for key, array in _normalisation(own, channels[index]).items()}
    notes = []
    if any(own is None for own in norms):
        notes.append("A layer without batch normalisation was taken as it is.")
    if side == 32:
        notes.append("Its images of 32 × 32 pixels were cut to 28 × 28: a frame of two pixels is left out.")
    sizes = {"latent": latent, "start": start} | {
        f"channels_{i + 1}": channels[i] if i < len(channels) else 0 for i in range(MOST_DOUBLINGS)
    }
    return {name: np.asarray(array, order="C") for name, array in state.items()}, sizes, notes


def _layers(arrays: Mapping[str, np.ndarray]) -> list[_Layer]:
    """The checkpoint's layers: by their numbers where only these differ, else in the order of the file."""
    found: dict[str, _Layer] = {}
    for name, array in arrays.items():
        layer, _, key = name.rpartition(".")
        found.setdefault(layer, _Layer(layer)).arrays[key] = np.asarray(array)
    layers = [layer for layer in found.values() if "weight" in layer.arrays]
    if not layers:
        raise ValueError(f"it holds no layers with a weight: {', '.join(list(arrays)[:8]) or 'no arrays'}.")
    if {layer.name.rpartition(".")[0] for layer in layers} == {"", "maps", "norms"}:
        # This project's own names, which a file may hold in any order.
        layers.sort(key=lambda layer: (_numbers(layer.name), layer.name.startswith("maps")))
    elif len({re.sub(r"\d+", "", layer.name) for layer in layers}) == 1:
        layers.sort(key=lambda layer: _numbers(layer.name))
    return layers


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _norm_after(layers: list[_Layer], layer: _Layer) -> _Layer | None:
    """The batch normalisation that follows a layer, if one does."""
    following = layers[layers.index(layer) + 1]
    return following if following.is_norm else None


def _projection(layer: _Layer, norm: _Layer | None, channels: int) -> tuple[np.ndarray, np.ndarray, _Layer | None]:
    """The first layer as a fully connected one: weight (outputs, latent), bias (outputs,), and its normalisation.

    A transposed convolution of noise is one; a normalisation of all outputs, rather than of channels, joins the
    weights.
    """
    weight = layer.weight.astype(np.float32)
    if weight.ndim == 4:
        latent, outputs, height, width = weight.shape
        bias = np.repeat(layer.arrays.get("bias", np.zeros(outputs)).astype(np.float32), height * width)
        return weight.reshape(latent, -1).T, bias, norm
    if weight.ndim != 2:
        raise ValueError(f"{layer.name} has weights {weight.shape}, neither fully connected nor a convolution.")
    bias = layer.arrays.get("bias", np.zeros(len(weight))).astype(np.float32)
    if norm is not None and len(norm.arrays["running_mean"]) == len(weight) != channels:
        scale = norm.weight / np.sqrt(norm.arrays["running_var"] + _EPSILON)
        shift = norm.arrays.get("bias", np.zeros(len(weight)))
        bias = ((bias - norm.arrays["running_mean"]) * scale + shift).astype(np.float32)
        weight, norm = (weight * scale[:, None]).astype(np.float32), None
    return weight, bias, norm


def _normalisation(norm: _Layer | None, channels: int) -> dict[str, np.ndarray]:
    """The arrays of a batch normalisation of `channels`; without one, those that change nothing."""
    if norm is None:
        same = np.full(channels, np.sqrt(1 + _EPSILON), np.float32)
        zeros = np.zeros(channels, np.float32)
        found = {"weight": same, "bias": zeros, "running_mean": zeros, "running_var": np.ones(channels, np.float32)}
    else:
        keys = ("weight", "bias", "running_mean", "running_var")
        found = {key: norm.arrays[key] for key in keys if key in norm.arrays}
        if len(found) < len(keys) or any(array.shape != (channels,) for array in found.values()):
            raise ValueError(f"{norm.name} is no batch normalisation of {channels} channels.")
    return {**found, "num_batches_tracked": np.array(0)}


def _held(layers: list[_Layer]) -> str:
    held = ", ".join(f"{layer.name} {layer.weight.shape}" for layer in layers[:9])
    return f"its layers are {held}"
