"""Collects sentences about what was tolerated in a student's code, until the worker's next reply carries them."""

from __future__ import annotations

reported: set[str] = set()
"""Sentences that this process has noted, each of which is reported once."""
_waiting: list[str] = []


def tolerate(sentence: str) -> None:
    """Notes what was tolerated, unless this process has noted the same sentence before."""
    if sentence not in reported:
        reported.add(sentence)
        _waiting.append(sentence)


def taken() -> list[str]:
    """Takes the sentences noted since the last call."""
    sentences = list(_waiting)
    _waiting.clear()
    return sentences
