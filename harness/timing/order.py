"""The order in which the processes of an entry and of its reference are timed."""

from __future__ import annotations

from itertools import permutations

import numpy as np

ENTRY, REFERENCE, AGAIN = "entry", "reference", "reference again"
WHO = (ENTRY, REFERENCE, AGAIN)


def balanced(rounds: int, generator: np.random.Generator) -> list[tuple[str, ...]]:
    """Draw the order of the three in each round; among each six rounds every order comes once.

    So each is first, second and last equally often, and before each other equally often: a drift of the machine within
    a round cancels, and one over rounds cancels in the differences within them.

    >>> orders = balanced(6, np.random.default_rng(0))
    >>> len(set(orders)), sorted(orders[0])
    (6, ['entry', 'reference', 'reference again'])
    """
    orders = list(permutations(WHO))
    drawn: list[tuple[str, ...]] = []
    while len(drawn) < rounds:
        drawn += [orders[index] for index in generator.permutation(len(orders))]
    return drawn[:rounds]
