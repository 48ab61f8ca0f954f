"""Finds the pairs of entries that are alike, all at once, and leaves out what says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.likeness.kinds import KINDS, Kind
from harness.types import Array


@dataclass(frozen=True)
class Sketch:
    """An entry as it is compared."""

    owner: str
    """Whoever answers for the entry; entries of one owner are no pair."""
    comparable: str
    """Entries are compared where this is equal: the task, its version, data and seed."""
    arrays: Mapping[str, Array]
    """By kind of likeness."""
    fixed: bool = False
    """True for an answer that is the only right one to something, such as a baseline's: who gives it copied nobody."""


@dataclass(frozen=True)
class Alike:
    """Another entry that one is like."""

    other: int
    """Its place among those that were compared."""
    kind: Kind
    distance: float


def alike(entries: Sequence[Sketch]) -> dict[int, list[Alike]]:
    """Return by place of an entry the others that it is like, the most alike first; each other comes once.

    A pair of which both are like one and the same fixed answer is left out: that is what they have in common. So are
    the fixed answers themselves.
    """
    found: dict[int, dict[int, Alike]] = {}
    for kind in KINDS:
        for places in _comparable(entries, kind):
            own = [entries[place] for place in places]
            with np.errstate(all="ignore"):  # answers may be huge; what is not finite is not alike
                distances = kind.distances(np.stack([entry.arrays[kind.name] for entry in own]))
                near = distances <= kind.threshold
            for first, second in np.argwhere(np.triu(_telling(near, own), 1)):
                pair = Alike(places[second], kind, float(distances[first, second]))
                _add(found, places[first], pair)
                _add(found, places[second], Alike(places[first], kind, pair.distance))
    return {place: sorted(others.values(), key=_strength) for place, others in sorted(found.items())}


def _telling(near: NDArray[np.bool_], entries: Sequence[Sketch]) -> NDArray[np.bool_]:
    """The pairs (n, n) among those that are near which are of two owners and not explained by a fixed answer."""
    owners = np.unique([entry.owner for entry in entries], return_inverse=True)[1]
    fixed = np.array([entry.fixed for entry in entries])
    to_fixed = near[:, fixed].astype(np.int64)
    explained = (to_fixed @ to_fixed.T) > 0
    free = ~fixed[:, None] & ~fixed[None, :]
    telling: NDArray[np.bool_] = near & free & ~explained & (owners[:, None] != owners[None, :])
    return telling


def _comparable(entries: Sequence[Sketch], kind: Kind) -> list[list[int]]:
    """The places of entries that can be compared in this way, two or more each."""
    groups: dict[tuple[str, int], list[int]] = {}
    for place, entry in enumerate(entries):
        array = entry.arrays.get(kind.name)
        if array is not None and array.ndim == 1:
            groups.setdefault((entry.comparable, array.size), []).append(place)
    return [places for places in groups.values() if len(places) > 1]


def _add(found: dict[int, dict[int, Alike]], place: int, pair: Alike) -> None:
    known = found.setdefault(place, {}).get(pair.other)
    if known is None or _strength(pair) < _strength(known):
        found[place][pair.other] = pair


def _strength(pair: Alike) -> tuple[float, int]:
    return pair.distance / pair.kind.threshold, pair.other
