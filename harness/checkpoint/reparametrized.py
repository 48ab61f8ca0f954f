"""Folds reparametrised weights back into plain ones: weight norm, spectral norm, and pruning masks.

torch stores such a weight as its parts, and computes it in each forward pass: `torch.nn.utils.weight_norm`
(w = g v/‖v‖, Salimans and Kingma 2016), `spectral_norm` (w = W/σ with σ = uᵀWv, Miyato et al. 2018), each in its older
form and as a parametrization, and `torch.nn.utils.prune` (w = W · mask).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from harness.checkpoint.inert import Budget, printable, several
from harness.checkpoint.naming import Named
from harness.types import Array


def weight_norm(direction: Array, magnitude: Array) -> Array | None:
    """Computes g v/‖v‖, the norm taken over the axes that g has not; None where the shapes don't belong together.

    g has length 1 along every axis but the one that it is of, or no axis at all for one norm of the whole of v.
    """
    if magnitude.ndim not in (0, direction.ndim):
        return None
    pairs = zip(magnitude.shape, direction.shape, strict=False)
    if not all(size in (1, whole) for size, whole in pairs):
        return None
    axes = tuple(axis for axis, size in enumerate(magnitude.shape) if size == 1) if magnitude.ndim else None
    wide = direction.astype(np.float64)
    with np.errstate(all="ignore"):
        norm = np.sqrt(np.sum(wide * wide, axis=axes, keepdims=magnitude.ndim > 0))
        return np.asarray(wide * (magnitude.astype(np.float64) / norm), np.float32)


def spectral_norm(weight: Array, left: Array, right: Array | None) -> Array | None:
    """Computes W/(uᵀWv), with v = Wᵀu/‖Wᵀu‖ where it isn't stored; None where the shapes don't belong together.

    W is read as a matrix whose rows are its axis 0, or axis 1 for a transposed convolution. Of two axes as long as u,
    the right one is that with Wv ≈ σu, since u was computed from it.
    """
    if left.ndim != 1 or weight.ndim < 2:
        return None
    wide, u = weight.astype(np.float64), left.astype(np.float64)
    found: list[tuple[float, float]] = []
    with np.errstate(all="ignore"):
        for axis in (0, 1):
            if weight.shape[axis] != len(u):
                continue
            matrix = np.moveaxis(wide, axis, 0).reshape(len(u), -1)
            v = matrix.T @ u if right is None else right.astype(np.float64)
            if v.shape != (matrix.shape[1],):
                continue
            product = matrix @ (v / np.linalg.norm(v) if right is None else v)
            sigma = float(u @ product)
            found.append((float(np.linalg.norm(product - sigma * u)), sigma))
        if not found:
            return None
        second_fits_better = len(found) == 2 and found[1][0] < 0.5 * found[0][0]
        return np.asarray(wide / found[second_fits_better][1], np.float32)


def pruned(weight: Array, mask: Array) -> Array | None:
    """Computes W · mask; None where the shapes differ."""
    if weight.shape != mask.shape:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(weight.astype(np.float64) * mask, np.float32)


def _parts(name: str) -> tuple[str, str, dict[str, str]] | None:
    """For the name of a weight's main part: the kind, the weight's own name, and the names of the other parts."""
    head, _, last = name.rpartition(".")
    place, _, middle = head.rpartition(".")
    above, _, marker = place.rpartition(".")
    if marker == "parametrizations" or place == "parametrizations":
        base = f"{above}.{middle}" if above else middle
        if last == "original1":
            return "weight_norm", base, {"g": f"{head}.original0"}
        if last == "original":
            return "spectral_norm", base, {"u": f"{head}.0._u", "v": f"{head}.0._v"}
        return None
    for ending in ("_orig", "_v"):
        if last.endswith(ending) and len(last) > len(ending):
            base = name[: -len(ending)]
            if ending == "_v":
                return "weight_norm", base, {"g": f"{base}_g"}
            return "orig", base, {"mask": f"{base}_mask", "u": f"{base}_u", "v": f"{base}_v"}
    return None


def _folded(main: Array, kind: str, others: Mapping[str, Array]) -> tuple[str, Array] | None:
    """The name of what was folded, and the weight; None where a part is missing or doesn't fit."""
    if main.dtype.kind != "f" or any(part.dtype.kind not in "fbiu" for part in others.values()):
        return None
    weight: Array | None = None
    if kind == "weight_norm" and "g" in others:
        weight = weight_norm(main, others["g"])
    elif kind == "orig" and "mask" in others:
        kind, weight = "pruning", pruned(main, others["mask"])
    elif "u" in others:
        kind, weight = "spectral_norm", spectral_norm(main, others["u"], others.get("v"))
    return None if weight is None else (kind, weight)


def fold(named: dict[str, Named], wanted: Callable[[str], bool]) -> tuple[dict[str, Named], list[str]]:
    """Replaces the parts of each reparametrised weight by the weight, for those whose names are `wanted`.

    Returns the tensors, and notes. A weight that stands beside its parts, as torch before 1.2 saved it, is kept.
    ReadingError("too-large") where the weights take much more memory than their parts.
    """
    # Twice, for weights stored as float16. Many weights could share one part, and each would take memory of its own.
    budget = Budget(2 * sum({id(tensor.array): tensor.array.nbytes for tensor in named.values()}.values()))
    weights: dict[str, tuple[str, Named]] = {}
    parts: set[str] = set()
    kinds: dict[str, list[str]] = {}
    for name, tensor in named.items():
        split = _parts(name)
        if split is None or not wanted(split[1]):
            continue
        kind, base, places = split
        others = {part: named[place].array for part, place in places.items() if place in named}
        if not {"g", "mask", "u"} & set(others):
            continue
        beside = named.get(base)
        if beside is None or beside.extra:
            budget.charge(tensor.array.size * 4, f"the weight {printable(base)}")
            made = _folded(tensor.array, kind, others)
            if made is None:
                continue
            weights[name] = base, replace(tensor, array=made[1])
            kinds.setdefault(made[0], []).append(base)
            parts.add(base)
        parts.update((name, *(place for place in places.values() if place in named)))
    if not parts:
        return named, []
    result: dict[str, Named] = {}
    for name, tensor in named.items():
        if name in weights:
            base, folded = weights[name]
            result[base] = folded
        elif name not in parts:
            result[name] = tensor
    notes = [
        f"{len(names)} weights ({several(names)}) were computed from the parts that {kind} stores."
        for kind, names in kinds.items()
    ]
    return result, notes


def unfolded_hint(names: list[str]) -> str:
    """The next step for a file with weights that `fold` could not compute; "" if it has none."""
    for name in names:
        head, marker, rest = name.rpartition("parametrizations.")
        if marker and (not head or head.endswith(".")):
            weight = rest.partition(".")[0]
            return (
                f"{printable(name)} belongs to a parametrization; before saving, call "
                f"torch.nn.utils.parametrize.remove_parametrizations(layer, '{printable(weight)}')"
            )
    return ""
