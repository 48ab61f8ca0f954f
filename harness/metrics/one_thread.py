"""Linear algebra in one thread: the same bits for any number of cores, and no threads that wait for each other.

A decomposition of a matrix of some hundred rows takes .06 s in one thread, and took 6 s in two where one had to share
its core with another process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ALONE = threading.RLock()
"""BLAS has one number of threads for the whole process: blocks that set it side by side would undo each other."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy's and scipy's linear algebra take one thread in this block; blocks wait for one another."""
    from threadpoolctl import threadpool_limits

    with _ALONE, threadpool_limits(1, user_api="blas"):
        yield
