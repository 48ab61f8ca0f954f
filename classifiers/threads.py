"""The number of threads that the judge takes, where its caller has other work for the other cores.

Imports no torch, so that a caller may say so long before the judge is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_taken: ContextVar[int | None] = ContextVar("threads of the judge", default=None)


@contextmanager
def taking(threads: int) -> Iterator[None]:
    """Have the judge take so many threads for what this thread asks it in this block. Its answers are the same."""
    token = _taken.set(threads)
    try:
        yield
    finally:
        _taken.reset(token)


def taken() -> int | None:
    """Return the number of threads that was said; None where nothing was."""
    return _taken.get()
