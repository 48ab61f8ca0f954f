"""What a student's code was forgiven, in sentences, until the worker's next reply takes them to the report."""

from __future__ import annotations

_said: set[str] = set()
_waiting: list[str] = []


def tolerate(sentence: str) -> None:
    """Says once, and never again in this process, what was tolerated."""
    if sentence not in _said:
        _said.add(sentence)
        _waiting.append(sentence)


def taken() -> list[str]:
    """The sentences since the last call."""
    sentences = list(_waiting)
    _waiting.clear()
    return sentences
