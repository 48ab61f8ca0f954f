"""Jacobian: a flow whose log-determinant is not that of the map which it computes.

A model's code states its log-determinant; believing it would let any number be claimed. At a few points, those that
claim the most and some drawn at random, the determinant is measured by differences of the map's own values, and of its
inverse's values at the codes of these points. The statistic is the largest difference from what was stated, in nats.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import Evidence

MOST = 1.0
"""Nats, .002 bits a pixel, that rounding and the bends of a map explain; in float32 the shipped flow has .01."""
LARGEST = 1e6
"""Stands for the difference from a determinant of 0."""


def jacobian(stated: Sequence[float], forward: Sequence[float], backward: Sequence[float]) -> Evidence:
    """Evidence from log-determinants as stated, of the map's differences, and of those of its inverse (each (P,))."""
    away = [max(_away(s, f), _away(s, -b)) for s, f, b in zip(stated, forward, backward, strict=True)]
    worst = max(range(len(away)), key=lambda index: away[index])
    flag = away[worst] > MOST
    message = (
        f"At {len(away)} test images the stated log-determinant and those measured by differences of forward and of "
        f"inverse differ by up to {away[worst]:.3g} nats"
    )
    if flag:
        message += (
            f": stated {stated[worst]:.6g}, forward {forward[worst]:.6g}, inverse {-backward[worst]:.6g}. The density "
            "is not believed"
        )
    return Evidence("jacobian", flag, away[worst], 0.0, MOST, f"{message}.", "Jacobian")


def _away(one: float, other: float) -> float:
    difference = abs(one - other)
    return min(difference, LARGEST) if difference == difference else LARGEST
