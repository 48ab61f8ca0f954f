"""Conversion of recurrent checkpoints of other frameworks to torch's names, gate orders and equations.

- torch: `weight_ih_l0` (4H, I) and `weight_hh_l0` (4H, H), each with a bias; an LSTM's rows are i, f, g, o, a GRU's
  r, z, n.
- TensorFlow 1: an LSTM has one `kernel` (or `weights`) (I + H, 4H) with columns i, j (= g), f, o, and one bias;
  the cell adds 1 to its f part when it runs. A GRU has `gates` (I + H, 2H), columns r, u (= z), and `candidate`
  (I + H, H); its reset gate acts on the state.
- Keras: `kernel` (I, 4H), `recurrent_kernel` (H, 4H), one bias; an LSTM's columns are i, f, c (= g), o, a GRU's z, r,
  h (= n). A GRU's bias is (2, 3H) if the reset gate acts on the product, (3H,) if it acts on the state.

Sources: the documentation and equations of `torch.nn`, `tf.nn.rnn_cell.BasicLSTMCell` and `GRUCell` (TensorFlow 1.15),
`tf.keras.layers.LSTM` and `GRU`. Three fully connected layers follow the recurrent one; frameworks other than
torch store their matrices as (inputs, outputs).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np

Cell = Literal["lstm", "gru"]
Found = tuple[dict[str, np.ndarray], dict[str, int], list[str]]

WIDEST = 2048
"""Largest number of units of a layer; more would be a mistake, or an attempt to exhaust the memory."""
FORGET_BIAS = 1.0
"""Constant that TensorFlow 1's LSTM cells add to the forget gate: their default, not stored in checkpoints."""

_TRAINING_PARTS = re.compile(
    r"(^|[./])(adam(_\d+)?|adamw|rmsprop(_\d+)?|adagrad\w*|adadelta(_\d+)?|ftrl(_\d+)?|momentum|optimi[sz]er\w*|exp_avg(_sq)?|beta\d_power|global_step|iterations?"
    r"|exponentialmovingaverage)([./]|$)",
    re.IGNORECASE,
)


_NOT_PLAIN = re.compile(r"(weight|bias)_[ih][hr]_l([1-9]|\d+_reverse)|weight_hr_l|w_[ifo]_diag|cell(_\d+)?\.projection")
"""Matches names of recurrent layers that are stacked or bidirectional, or have peepholes or a projection."""
_KINDS = re.compile(r"(?<![a-z])(weights?|w|kernel|matrix|bias(es)?|b)(?![a-z])")
"""Matches the part of a name that distinguishes a matrix from its bias; the rest is the layer's name."""


@dataclass(frozen=True)
class _Layer:
    """A recurrent layer under torch's names."""

    weight_ih: np.ndarray
    weight_hh: np.ndarray
    bias_ih: np.ndarray
    bias_hh: np.ndarray
    reset_before: bool
    taken: frozenset[str]
    """Names of the arrays that it was made from."""
    outputs_first: bool
    """True if the framework stores matrices as (outputs, inputs)."""
    notes: tuple[str, ...] = ()


def adapt(cell: Cell, inputs: int, outputs: int, arrays: Mapping[str, np.ndarray]) -> Found:
    """Convert a recurrent layer and the three fully connected layers after it, from any of the frameworks.

    Parameters
    ----------
    cell : required kind of the layer
    inputs, outputs : numbers of input and output features of a step
    arrays : the checkpoint's arrays by name, in its order

    Returns
    -------
    arrays : `rnn.weight_ih_l0` … and `head.0.weight` … `head.4.bias`
    sizes : `units`, `first` and `second`, and for a GRU `reset_before`
    notes : sentences that say what was converted

    Raises
    ------
    ValueError
        with a sentence, if there is no such network.
    """
    shaped = {
        name: _flat_bias(name, array) for name, array in arrays.items() if not _TRAINING_PARTS.search(_plain(name))
    }
    named = {name: array for name, array in shaped.items() if array.ndim > 0}
    layer = _recurrent_layer(cell, named)
    gates = 4 if cell == "lstm" else 3
    units = layer.weight_hh.shape[1]
    if layer.weight_ih.shape != (gates * units, inputs) or layer.weight_hh.shape != (gates * units, units):
        raise ValueError(
            f"its recurrent layer takes {layer.weight_ih.shape[1]} features a step with matrices of "
            f"{layer.weight_ih.shape} and {layer.weight_hh.shape}; an {cell.upper()} of {units} units that takes "
            f"{inputs} has ({gates * units}, {inputs}) and ({gates * units}, {units})."
        )
    if layer.bias_ih.shape != (gates * units,) or layer.bias_hh.shape != (gates * units,):
        raise ValueError(f"the bias of its recurrent layer has shape {layer.bias_ih.shape}, not ({gates * units},).")
    rest = {name: array for name, array in named.items() if name not in layer.taken}
    head, head_notes = _head(rest, units, outputs, layer.outputs_first)
    widths = [len(bias) for _, bias in head]
    if max(units, *widths) > WIDEST:
        raise ValueError(f"it has layers of {units}, {widths[0]} and {widths[1]} units; at most {WIDEST} are allowed.")
    state = {
        "rnn.weight_ih_l0": layer.weight_ih,
        "rnn.weight_hh_l0": layer.weight_hh,
        "rnn.bias_ih_l0": layer.bias_ih,
        "rnn.bias_hh_l0": layer.bias_hh,
    }
    for place, (weight, bias) in zip((0, 2, 4), head, strict=True):
        state |= {f"head.{place}.weight": weight, f"head.{place}.bias": bias}
    sizes = {"units": units, "first": widths[0], "second": widths[1]}
    if cell == "gru":
        sizes["reset_before"] = int(layer.reset_before)
    return {name: np.ascontiguousarray(array) for name, array in state.items()}, sizes, [*layer.notes, *head_notes]


def _recurrent_layer(cell: Cell, named: Mapping[str, np.ndarray]) -> _Layer:
    lowered = {name: _plain(name) for name in named}
    if odd := [name for name, low in lowered.items() if _NOT_PLAIN.search(low)]:
        raise ValueError(
            f"it holds {odd[0]}: several layers, both directions, peepholes and projections are not the coursework's "
            "structure, one plain recurrent layer. Submit such a model as code."
        )
    for wanted in ((cell,), ("lstm" if cell == "gru" else "gru",)):
        layers = [*_of_torch(named, lowered), *_of_keras(wanted[0], named, lowered), *_of_tf(wanted[0], named, lowered)]
        layers = [layer for layer in layers if _is(wanted[0], layer)]
        if len(layers) > 1:
            several = ", ".join(sorted(min(layer.taken) for layer in layers))
            raise ValueError(f"it holds {len(layers)} recurrent layers ({several}); the coursework's network has one.")
        if layers and wanted[0] == cell:
            return layers[0]
        if layers:
            kind = "an LSTM" if cell == "lstm" else "a GRU"
            raise ValueError(f"its recurrent layer ({min(layers[0].taken)}) is not {kind}.")
    found = ", ".join(f"{name} {array.shape}" for name, array in list(named.items())[:8]) or "no arrays"
    raise ValueError(
        "it has no recurrent layer with the names of torch (weight_ih_l0 …), TensorFlow 1 (…cell/kernel) or Keras "
        f"(recurrent_kernel); it holds {found}."
    )


def _is(cell: Cell, layer: _Layer) -> bool:
    rows, units = layer.weight_hh.shape
    return bool(rows == (4 if cell == "lstm" else 3) * units)


def _of_torch(named: Mapping[str, np.ndarray], lowered: Mapping[str, str]) -> Iterable[_Layer]:
    for name, low in lowered.items():
        if not re.search(r"(^|\.)weight_hh(_l0)?$", low):
            continue
        ends = {part: _sibling(lowered, name, "weight_hh", part) for part in ("weight_ih", "bias_ih", "bias_hh")}
        if ends["weight_ih"] not in named or not _matrices(named, name, ends["weight_ih"]):
            continue
        none = np.zeros(len(named[name]), np.float32)
        bias_ih, bias_hh = (named.get(ends[part], none) for part in ("bias_ih", "bias_hh"))
        taken = frozenset({name, *(n for n in ends.values() if n in named)})
        yield _Layer(named[ends["weight_ih"]], named[name], bias_ih, bias_hh, False, taken, True)


def _of_keras(cell: Cell, named: Mapping[str, np.ndarray], lowered: Mapping[str, str]) -> Iterable[_Layer]:
    for name, low in lowered.items():
        if not low.endswith("recurrent_kernel"):
            continue
        kernel, bias_name = (_sibling(lowered, name, "recurrent_kernel", part) for part in ("kernel", "bias"))
        if kernel not in named or not _matrices(named, name, kernel):
            continue
        order = [0, 1, 2, 3] if cell == "lstm" else [1, 0, 2]
        if named[name].shape[1] != len(order) * len(named[name]):
            continue
        both = np.atleast_2d(named.get(bias_name, np.zeros(named[name].shape[1], np.float32)))
        weight_ih, weight_hh = (_blocks(named[n].T, order) for n in (kernel, name))
        biases = [_blocks(row, order) for row in both]
        reset_before = cell == "gru" and len(biases) == 1
        taken = frozenset({name, kernel, *([bias_name] if bias_name in named else [])})
        note = f"The gates of Keras's {cell.upper()} {name} were reordered as in torch."
        yield _Layer(weight_ih, weight_hh, biases[0], _second(biases), reset_before, taken, False, (note,))


def _of_tf(cell: Cell, named: Mapping[str, np.ndarray], lowered: Mapping[str, str]) -> Iterable[_Layer]:
    for name, low in lowered.items():
        kernel = re.search(r"cell(?:_\d+)?\.(gates\.)?(kernel|weights|linear\.matrix)$", low)
        if kernel is None or named[name].ndim != 2:
            continue
        if cell == "lstm" and not kernel[1]:
            units = named[name].shape[1] // 4
            bias = _bias_of(name, named)
            order = [0, 2, 1, 3]  # i, j, f, o → i, f, g, o
            weight, added = _blocks(named[name].T, order), _blocks(named[bias], order).astype(np.float32)
            added[units : 2 * units] += FORGET_BIAS
            note = (
                f"The gates of TensorFlow's LSTM {name} were reordered as in torch; {FORGET_BIAS:g}, which its cells "
                "add to the forget gate when they run, was added to the bias."
            )
            split, taken = weight.shape[1] - units, frozenset({name, bias})
            yield _Layer(
                weight[:, :split], weight[:, split:], added, np.zeros_like(added), False, taken, False, (note,)
            )
        elif cell == "gru" and kernel[1]:
            candidate = _sibling(lowered, name, "gates", "candidate")
            if candidate not in named:
                raise ValueError(f"it holds {name} but no {candidate}.")
            biases = [_bias_of(matrix, named) for matrix in (name, candidate)]
            weight = np.concatenate([named[name].T, named[candidate].T])  # r, u, candidate
            joined = np.concatenate([named[b] for b in biases]).astype(np.float32)
            split = weight.shape[1] - named[candidate].shape[1]
            note = (
                f"TensorFlow's GRU {name} was converted to torch's layout; its reset gate still acts on the state, "
                "before the product."
            )
            yield _Layer(
                *(weight[:, :split], weight[:, split:], joined, np.zeros_like(joined)),
                *(True, frozenset({name, candidate, *biases}), False, (note,)),
            )


def _head(
    rest: Mapping[str, np.ndarray], units: int, outputs: int, outputs_first: bool
) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[str]]:
    """Return the three layers' weights (outputs, inputs) and biases, in the order of the network, and notes."""
    matrices = [name for name, array in rest.items() if array.ndim == 2]
    odd = [name for name, array in rest.items() if array.ndim > 2]
    if len({re.sub(r"[\d_]+", "", _plain(name)) for name in matrices}) == 1:
        matrices.sort(key=_natural)  # numbered by the framework; other names imply no order
    weights = {name: rest[name] if outputs_first else rest[name].T for name in matrices}
    shapes = ", ".join(f"{name} {rest[name].shape}" for name in [*matrices, *odd][:8]) or "none"
    wanted = f"three, {units} → … → … → {outputs}"
    if len(matrices) != 3 or odd:
        raise ValueError(
            f"after the recurrent layer it has {len(matrices) + len(odd)} layers ({shapes}); the coursework's network "
            f"has {wanted}. Submit another structure as code."
        )
    chains = [order for order in permutations(matrices) if _fit([weights[name] for name in order], units, outputs)]
    if not chains:
        raise ValueError(f"its fully connected layers ({shapes}) don't follow each other as {wanted}.")
    notes = []
    numbered = any(char.isdigit() for char in _layer_of(chains[0][0]) + _layer_of(chains[0][1]))
    if len(chains) > 1 and not numbered:
        notes.append(
            f"Its fully connected layers were read in the order of the file, {', '.join(chains[0])}; their shapes "
            "would also allow another order. Number their names if this one is wrong."
        )
    vectors = [name for name, array in rest.items() if array.ndim == 1]
    head = []
    for name in chains[0]:
        own = _own_bias(name, len(weights[name]), vectors, rest)
        vectors.remove(own)
        head.append((weights[name], rest[own]))
    if vectors:
        surplus = f"{vectors[0]} {rest[vectors[0]].shape}"
        raise ValueError(f"it holds {surplus}, which the coursework's network does not have.")
    return head, notes


def _own_bias(matrix: str, length: int, vectors: list[str], rest: Mapping[str, np.ndarray]) -> str:
    """Find a matrix's bias: of the same name except for "weight" and "bias", else the only one of that length."""
    fitting = [vector for vector in vectors if rest[vector].shape == (length,)]
    for same in (_layer_of, _home):
        own = [vector for vector in fitting if same(vector) == same(matrix)]
        if len(own) == 1:
            return own[0]
    if len(fitting) == 1:
        return fitting[0]
    # `tf.Variable`s without names are numbered as they were created, a layer's bias after its matrix.
    following = [vector for vector in fitting if _number(vector) == (_number(matrix)[0], _number(matrix)[1] + 1)]
    if len(following) == 1:
        return following[0]
    if not fitting:
        raise ValueError(f"it has no bias of length {length} for {matrix}.")
    raise ValueError(
        f"it is ambiguous which of {', '.join(fitting)} belongs to {matrix}. Give a layer's matrix and its bias names "
        "that differ only in weight and bias: fc1.weight and fc1.bias, or W_fc1 and b_fc1."
    )


def _fit(weights: list[np.ndarray], units: int, outputs: int) -> bool:
    widths = [units, *(len(weight) for weight in weights)]
    return widths[-1] == outputs and all(
        weight.shape[1] == width for weight, width in zip(weights, widths, strict=False)
    )


def _plain(name: str) -> str:
    """Normalise a name: lower case, dots, no output number of TensorFlow."""
    return re.sub(r":\d+$", "", name).replace("/", ".").lower()


def _home(name: str) -> str:
    return _plain(name).rpartition(".")[0]


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts "dense", "dense_1", "dense_10" in the order of their creation."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", _plain(name))]


def _number(name: str) -> tuple[str, int]:
    """Split a name of TensorFlow's numbering: "Variable" is number 0, "Variable_1" number 1."""
    match = re.fullmatch(r"(.*variable)(?:_(\d+))?", _plain(name))
    return (match[1], int(match[2] or 0)) if match else (name, -2)


def _layer_of(name: str) -> str:
    """Remove the part of a name that distinguishes a matrix from its bias."""
    return _KINDS.sub("", _plain(name))


def _flat_bias(name: str, array: np.ndarray) -> np.ndarray:
    """Reshape a bias that is stored as a scalar or a row (1, n) to a vector; return other arrays unchanged."""
    array = np.asarray(array)
    is_bias = re.search(r"(?<![a-z])(bias(es)?|b)(?![a-z])", _plain(name).rpartition(".")[2]) is not None
    return array.reshape(-1) if is_bias and (array.ndim == 0 or (array.ndim == 2 and len(array) == 1)) else array


def _sibling(lowered: Mapping[str, str], name: str, part: str, other: str) -> str:
    """Replace the last occurrence of `part` in a name by `other`; spelled as in the file if that array exists."""
    before, _, after = lowered[name].rpartition(part)
    wanted = f"{before}{other}{after}"
    return next((found for found, low in lowered.items() if low == wanted), wanted)


def _bias_of(kernel: str, named: Mapping[str, np.ndarray]) -> str:
    home = _home(kernel)
    for name, array in named.items():
        if array.ndim == 1 and _home(name) == home:
            return name
    raise ValueError(f"it holds {kernel} but no bias beside it.")


def _blocks(array: np.ndarray, order: list[int]) -> np.ndarray:
    """Split the first axis into the gates of `order`, and join them in that order."""
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[k] for k in order])


def _second(biases: list[np.ndarray]) -> np.ndarray:
    return biases[1] if len(biases) == 2 else np.zeros_like(biases[0])


def _matrices(named: Mapping[str, np.ndarray], *names: str) -> bool:
    return all(named[name].ndim == 2 for name in names)
