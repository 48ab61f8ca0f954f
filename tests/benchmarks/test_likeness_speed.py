"""Compares the hidden units of a class; the naive way looks for each unit of a pair among all of the other's."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.likeness import units

ENTRIES, SOME, OWN = 300, 12, 512


def test_hidden_units(compare: Any) -> None:
    generator = np.random.default_rng(0)
    drawn = generator.normal(size=(ENTRIES, units.UNITS, units.WIDTH))
    drawn[:, OWN:] = 0
    sketches = np.stack([units.sketch(one)[units.NAME] for one in drawn])
    copied = np.vstack([sketches, sketches[:1]])

    def pairs() -> NDArray[np.float64]:
        found = np.zeros((SOME, SOME))
        rows = sketches[:SOME].reshape(SOME, -1, units.WIDTH)[:, :OWN].astype(np.float64)
        directions = rows / np.linalg.norm(rows, axis=2, keepdims=True)
        for one, other in permutations(range(SOME), 2):
            nearest = 1 - np.abs(directions[one, : units.COMPARED] @ directions[other].T).max(axis=1)
            found[one, other] = np.sort(nearest)[-2]
        return np.minimum(found, found.T)

    row = compare(
        f"hidden units of {ENTRIES} entries with {OWN} each",
        lambda: units.distances(copied),
        "each of 32 units of a pair among all of the other's",
        pairs,
        share=SOME * (SOME - 1) / (ENTRIES * (ENTRIES + 1)),
        rounds=3,
    )
    assert row.naive > row.ours
    found = units.distances(copied)
    assert found[0, ENTRIES] == 0
    assert np.isinf(found[:SOME, :SOME][pairs() > units.FAR]).all()
