"""Reads conditional restricted Boltzmann machines from checkpoints of other names, shapes and biases.

The sheet's energy is −xᵀWh − yᵀUh. A machine with biases as well, −aᵀx − bᵀy − cᵀh, is the same as one without that has
two more units: a constant input whose weights are c, and a hidden unit that is always 1, whose weights are a and b.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PIXELS, CLASSES = 784, 10
WIDEST = 4096
"""Largest number of hidden units."""
_MARGIN = 64.0
"""Input of the unit that is always 1, beyond the largest that its other inputs can take away."""

Arrays = Mapping[str, np.ndarray]


def adapt(arrays: Arrays) -> tuple[dict[str, np.ndarray], dict[str, int], list[str]]:
    """Find W (784 or 785, K), U (10, K) and biases by their shapes, under any names; transposes are turned round."""
    matrices = {name: array for name, array in arrays.items() if array.ndim == 2 and min(array.shape) > 1}
    w = [name for name, array in matrices.items() if {PIXELS, PIXELS + 1} & set(array.shape)]
    u = [name for name, array in matrices.items() if name not in w and CLASSES in array.shape]
    if len(w) != 1 or len(u) != 1:
        held = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:8]) or "no arrays"
        raise ValueError(f"has no single W (784 or 785, K) with a single U (10, K); it holds {held}.")
    notes: list[str] = []
    of_x, of_y = (_upright(name, matrices[name], sizes, notes) for name, sizes in ((w[0], _INPUTS), (u[0], _LABELS)))
    units = of_x.shape[1]
    if of_y.shape[1] != units:
        raise ValueError(f"{w[0]} has {units} hidden units and {u[0]} {of_y.shape[1]}.")
    if units > WIDEST:
        raise ValueError(f"has {units} hidden units; at most {WIDEST} are allowed.")
    biases = {name: array.ravel() for name, array in arrays.items() if name not in (w[0], u[0], "levels")}
    of_x, of_y = _with_biases(of_x, of_y, biases, notes)
    levels = arrays.get("levels", np.array([0, 1], np.float32))
    return {"W": of_x, "U": of_y, "levels": levels}, {"units": of_x.shape[1]}, notes


_INPUTS, _LABELS = (PIXELS, PIXELS + 1), (CLASSES,)


def _upright(name: str, array: np.ndarray, sizes: tuple[int, ...], notes: list[str]) -> np.ndarray:
    """The array with one row for each input."""
    if array.shape[0] in sizes:
        return array
    notes.append(f"{name} has shape {array.shape} and was transposed.")
    return np.ascontiguousarray(array.T)


def _with_biases(w: np.ndarray, u: np.ndarray, biases: Arrays, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """W (785, K) and U (10, K), or with K + 1 units where x or y has biases."""
    units = w.shape[1]
    given: dict[int, np.ndarray] = {}
    for name, array in biases.items():
        if array.size not in (units, PIXELS, CLASSES) or array.size in given:
            raise ValueError(
                f"has an array {name!r} of {array.size} numbers, which is no bias of a machine of {units} units."
            )
        given[array.size] = array
    if units == CLASSES and given:
        raise ValueError(f"has {units} hidden units, so that its biases can't be told apart; submit it as code.")
    if len(w) == PIXELS:
        constant = given.pop(units, np.zeros(units, w.dtype))
        w = np.concatenate([w, constant[None].astype(w.dtype)])
    elif units in given:
        raise ValueError("has both a constant input and biases of its hidden units.")
    if given:
        of_x, of_y = given.get(PIXELS, np.zeros(PIXELS, w.dtype)), given.get(CLASSES, np.zeros(CLASSES, w.dtype))
        certain = _MARGIN + np.abs(of_x).sum() + np.abs(of_y).sum()
        w = np.concatenate([w, np.append(of_x, certain)[:, None].astype(w.dtype)], 1)
        u = np.concatenate([u, of_y[:, None].astype(u.dtype)], 1)
        notes.append("Biases of pixels or labels became the weights of a hidden unit that is always 1.")
    return w, u
