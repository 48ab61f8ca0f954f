"""Picks rows out of a model's state, which may nest tensors, arrays, tuples, lists, dictionaries and numbers.

The dimension of each tensor that counts the sequences is found by comparing the states of two different numbers of
sequences. Where the state has gained other tensors since, the first dimension is taken if it has the right size, else
the second, as in torch's (layers, N, H). A tensor without such a dimension is shared by all sequences: a position, a
table.
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
    """Raised where the rows of a state can't be told apart; the message says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """The dimension that counts the sequences, or None, of each tensor of a state, in order."""

    dimensions: tuple[tuple[int, int | None], ...]
    """The number of dimensions of each tensor, and the index of the one that counts the sequences."""

    @classmethod
    def of(cls, one: Any, n: int, other: Any, m: int) -> Layout:
        """Finds the layout by comparing `one`, a state of n sequences, with `other`, a state of m ≠ n."""
        first, second = _shapes(one), _shapes(other)
        if len(first) != len(second):
            return cls(())
        return cls(tuple((len(a), _differing(a, n, b, m)) for a, b in zip(first, second, strict=True)))

    def select(self, state: Any, rows: torch.Tensor, n: int) -> Any:
        """The state of the sequences `rows` (R,) out of a state of n; NoLayoutError where they can't be told apart."""
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
                raise NoLayoutError(
                    f"a tensor of the state has shape {tuple(leaf.shape)}; its dimension {dimension} must be {n}, the "
                    "number of sequences."
                )
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
        f"the state holds a {kind}; return tensors in tuples, lists or dictionaries, or offer "
        "select(state, rows) -> state."
    )


def _shapes(state: Any) -> list[Shape]:
    """The shapes of the state's tensors and arrays, in order; none where it holds something else."""
    found: list[Shape] = []

    def note(leaf: Leaf) -> Leaf:
        found.append(tuple(leaf.shape))
        return leaf

    try:
        _mapped(state, note)
    except NoLayoutError:  # raised again when rows are picked, which a model with `select` does itself
        return []
    return found


def _differing(a: Shape, n: int, b: Shape, m: int) -> int | None:
    """The first dimension that is n in shape `a` and m in shape `b`, if there is one."""
    if len(a) != len(b):
        return None
    return next((at for at, sizes in enumerate(zip(a, b, strict=True)) if sizes == (n, m)), None)


def _conventional(shape: Shape, n: int) -> int | None:
    """The first dimension, else the second, that has size n; None where neither does."""
    return next((at for at in range(min(2, len(shape))) if shape[at] == n), None)
