"""Finds a network's fully connected layers in a checkpoint by their shapes, whatever they are called.

torch stores a layer's matrix as (outputs, inputs), Keras and TensorFlow as (inputs, outputs). A network is described by
its layers in order, each with the names of its two widths; a number stands for itself:

    {"encoder": (784, "hidden"), "code": ("hidden", "code"), "decoder": ("code", "hidden"), "output": ("hidden", 784)}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Widths = tuple[int | str, int | str]
WIDEST = 4096
"""Largest width of a layer; more would be a mistake, or an attempt to exhaust the memory."""
_KINDS = re.compile(r"(?<![a-z])(weights?|w|kernel|bias(es)?|b)(?![a-z])(:\d+)?")
"""Matches the part of a name that tells a matrix from its bias; the rest is the layer's name."""
_UNNAMED = re.compile(r"arr[_.]\d+")
"""Matches names that numpy gives where none is said, as in `np.savez(file, *model.get_weights())`."""
_SPREAD = re.compile(r"log|var|std|sigma|scale")
"""Matches names of layers that give the spread of a code rather than its mean."""


@dataclass(frozen=True)
class _Dense:
    """A fully connected layer of a checkpoint."""

    name: str
    weight: np.ndarray
    """(outputs, inputs)."""
    bias: np.ndarray
    """(outputs,)."""
    transposed: bool
    """True if the checkpoint holds the matrix as (inputs, outputs)."""


def adapt(
    wanted: Mapping[str, Widths], arrays: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, int], list[str]]:
    """Convert a checkpoint to the names of a network, and read off its widths.

    Parameters
    ----------
    wanted : widths (inputs, outputs) of each layer by its name in the network, in order
    arrays : the checkpoint's arrays by dotted name, in its order

    Returns
    -------
    arrays : `<layer>.weight` (outputs, inputs) and `<layer>.bias` (outputs,) of each layer; a bias that the checkpoint
        lacks is 0
    sizes : the named widths
    notes : sentences that say what was converted

    Raises
    ------
    ValueError
        with a sentence, if the checkpoint's layers are not this network's.
    """
    layers = _layers(arrays)
    for found in _orders(list(layers), list(wanted.items()), {}):
        chosen, sizes = found
        break
    else:
        held = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:8]) or "no arrays"
        raise ValueError(f"its layers are not {_described(wanted)}, in this order; it holds {held}.")
    if too_wide := [name for name, width in sizes.items() if width > WIDEST]:
        raise ValueError(f"{too_wide[0]} is {sizes[too_wide[0]]} wide; at most {WIDEST} is allowed.")
    notes = []
    own = {name: layer.name for name, layer in zip(wanted, chosen, strict=True)}
    if any(layer.transposed for layer in chosen):
        notes.append("Its matrices are stored as (inputs, outputs), as Keras does, and were transposed.")
    if any(not re.fullmatch(rf"(.*\.)?{re.escape(name)}", found) for name, found in own.items()):
        notes.append(f"Its layers were read as {', '.join(f'{name}: {found}' for name, found in own.items())}.")
    state = {}
    for name, layer in zip(wanted, chosen, strict=True):
        state[f"{name}.weight"] = np.ascontiguousarray(layer.weight)
        state[f"{name}.bias"] = np.ascontiguousarray(layer.bias)
    return state, sizes, notes


def _layers(arrays: Mapping[str, np.ndarray]) -> list[_Dense]:
    """The checkpoint's matrices, each with the bias of its layer."""
    if odd := [name for name, array in arrays.items() if array.ndim > 2]:
        raise ValueError(f"{odd[0]} has shape {arrays[odd[0]].shape}: no fully connected layer. Submit it as code.")
    biases = _biases(arrays)
    found = []
    for name, array in arrays.items():
        if array.ndim != 2:
            continue
        bias = arrays[biases[name]] if name in biases else None
        if bias is None and _UNNAMED.fullmatch(name):
            raise ValueError(
                f"{name} has shape {array.shape}, and neither name nor bias tells whether that is (inputs, outputs). "
                "Save weights by their names: np.savez('model.npz', **{w.path: w.numpy() for w in model.weights})."
            )
        transposed = "kernel" in name.rpartition(".")[2].lower()
        if bias is not None and array.shape[0] != array.shape[1]:
            transposed = len(bias) == array.shape[1]
        weight = array.T if transposed else array
        if bias is None:
            bias = np.zeros(len(weight), array.dtype)
        if len(bias) != len(weight):
            raise ValueError(f"{name} has shape {array.shape}, and its bias has {len(bias)} numbers.")
        found.append(_Dense(_layer_of(name), weight, bias, transposed))
    return found


def _biases(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The name of each matrix's bias, by that of the matrix: of the same layer, or the next array of a mere list.

    Raises ValueError where a vector as long as a layer is nobody's bias, since the network would be another without it.
    """
    widths = {width for array in arrays.values() if array.ndim == 2 for width in array.shape}
    of_layer = {_layer_of(name): name for name, array in arrays.items() if array.ndim == 1}
    names, found = [*arrays, ""], {}
    for name, following in pairwise(names):
        if arrays[name].ndim != 2:
            continue
        if _UNNAMED.fullmatch(name):
            if following and arrays[following].ndim == 1:
                found[name] = following
        elif _layer_of(name) in of_layer:
            found[name] = of_layer[_layer_of(name)]
    for name, array in arrays.items():
        if array.ndim == 1 and len(array) in widths and name not in found.values():
            raise ValueError(
                f"{name} {array.shape} is the bias of no matrix: a network with other layers. Submit it as code."
            )
    return found


def _layer_of(name: str) -> str:
    """Remove the part of a name that tells a matrix from its bias."""
    return _KINDS.sub("", name.replace("/", ".").lower()).strip("._")


def _orders(
    layers: Sequence[_Dense], wanted: Sequence[tuple[str, Widths]], sizes: Mapping[str, int]
) -> Iterator[tuple[list[_Dense], dict[str, int]]]:
    """All ways in which the layers may be the wanted ones, the likeliest first: by their names, then by their order."""
    if not wanted:
        if not layers:
            yield [], dict(sizes)
        return
    name, widths = wanted[0]
    for layer in sorted(layers, key=lambda layer: _unlikely(name, layer.name)):
        known = dict(sizes)
        if all(_is(known, width, n) for width, n in zip(widths, reversed(layer.weight.shape), strict=True)):
            rest = [other for other in layers if other is not layer]
            for chosen, found in _orders(rest, wanted[1:], known):
                yield [layer, *chosen], found


def _is(sizes: dict[str, int], width: int | str, n: int) -> bool:
    """Tell whether a width is n; a name that has no number yet is given it."""
    return n == (width if isinstance(width, int) else sizes.setdefault(width, n))


def _unlikely(wanted: str, found: str) -> int:
    """Rank a name: 0 for the wanted one, 2 for a spread where a mean is wanted or the other way round, else 1."""
    if found.rpartition(".")[2] == wanted:
        return 0
    return 2 if bool(_SPREAD.search(wanted)) != bool(_SPREAD.search(found)) else 1


def _described(wanted: Mapping[str, Widths]) -> str:
    return ", ".join(f"{name} ({inputs} → {outputs})" for name, (inputs, outputs) in wanted.items())
