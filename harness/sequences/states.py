"""Picks rows out of a model's state, whatever it is made of: tensors, arrays, tuples, lists, dictionaries, numbers.

Which dimension of a tensor counts the sequences is found by comparing a state of 3 with one of 5. Where the state has
grown other tensors since, the first dimension is taken if it has the right size, else the second, as in torch's
(layers, N, H). What has no such dimension belongs to all sequences alike: a position, a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

_PLAIN = (type(None), bool, int, float, str)
Leaf = torch.Tensor | np.ndarray
Shape = tuple[int, ...]


class NoLayoutError(Exception):
    """A state's rows can't be told; the message says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """The dimension that counts the sequences, or None, of each tensor of a state, in order."""

    dimensions: tuple[tuple[int, int | None], ...]
    """Number of dimensions, and which of them."""

    @classmethod
    def of(cls, one: Any, n: int, other: Any, m: int) -> Layout:
        """The layout that a state of n sequences and one of m show, n ≠ m."""
        first, second = _shapes(one), _shapes(other)
        if len(first) != len(second):
            return cls(())
        return cls(tuple((len(a), _differing(a, n, b, m)) for a, b in zip(first, second, strict=True)))

    def select(self, state: Any, rows: torch.Tensor, n: int) -> Any:
        """The state of `rows` (R,) of a state of n sequences. NoLayoutError where that can't be told."""
        known = self.dimensions if len(self.dimensions) == len(_shapes(state)) else ()
        at = 0

        def picked(leaf: Leaf) -> Leaf:
            nonlocal at
            dimension = _conventional(tuple(leaf.shape), n)
            if at < len(known) and known[at][0] == leaf.ndim:
                dimension = known[at][1]
            at += 1
            if dimension is None:
                return leaf
            if leaf.shape[dimension] != n:
                message = f"a tensor of the state has shape {tuple(leaf.shape)}; dimension {dimension} should be {n}"
                raise NoLayoutError(f"{message}, the number of sequences.")
            if isinstance(leaf, np.ndarray):
                return np.take(leaf, rows.numpy(), axis=dimension)
            return leaf.index_select(dimension, rows)

        return _mapped(state, picked)


def _mapped(state: Any, change: Callable[[Leaf], Any]) -> Any:
    """The state with `change` applied to each of its tensors and arrays."""
    if isinstance(state, torch.Tensor | np.ndarray):
        return change(state)
    if isinstance(state, _PLAIN):
        return state
    if isinstance(state, Mapping):
        return {key: _mapped(value, change) for key, value in state.items()}
    if isinstance(state, list):
        return [_mapped(value, change) for value in state]
    if isinstance(state, tuple):
        values = [_mapped(value, change) for value in state]
        return type(state)(*values) if hasattr(state, "_fields") else tuple(values)
    kind = type(state).__name__[:80]
    raise NoLayoutError(
        f"the state holds a {kind}; give it as tensors in tuples, lists or dictionaries, or offer "
        "select(state, rows) -> state."
    )


def _shapes(state: Any) -> list[Shape]:
    found: list[Shape] = []

    def note(leaf: Leaf) -> Leaf:
        found.append(tuple(leaf.shape))
        return leaf

    try:
        _mapped(state, note)
    except NoLayoutError:  # told when rows are to be picked, which a model with `select` does itself
        return []
    return found


def _differing(a: Shape, n: int, b: Shape, m: int) -> int | None:
    if len(a) != len(b):
        return None
    return next((at for at, sizes in enumerate(zip(a, b, strict=True)) if sizes == (n, m)), None)


def _conventional(shape: Shape, n: int) -> int | None:
    return next((at for at in range(min(2, len(shape))) if shape[at] == n), None)
