"""Linear algebra in one thread: the same bits for any number of cores, and no threads that wait for each other.

A decomposition of a matrix of some hundred rows takes .06 s in one thread, and took 6 s in two where one had to share
its core with another process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


class _Blocks:
    """Blocks that run now: BLAS has one number of threads for the whole process, and the last one gives it back.

    OpenBLAS is set by one thread alone, since threadpoolctl lets no other thread change what a first one has set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._setter = ThreadPoolExecutor(1, "one-thread")
        self._limit: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = self._setter.submit(lambda: _controller().limit(limits=1, user_api="blas")).result()
                self._setter.submit(self._limit.__enter__).result()
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._setter.submit(self._limit.__exit__, None, None, None).result()


_blocks = _Blocks()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy's and scipy's linear algebra take one thread in this block; blocks may run side by side and nest."""
    _blocks.enter()
    try:
        yield
    finally:
        _blocks.leave()


@cache
def _controller() -> ThreadpoolController:
    """Find the libraries of this process, once: that takes a millisecond, and blocks are entered often."""
    from threadpoolctl import ThreadpoolController

    for name in ("numpy.linalg", "scipy.linalg"):  # a library that is loaded later would not be found
        import_module(name)
    return ThreadpoolController()
