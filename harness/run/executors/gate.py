"""Bounds how many plans are worked on at a time, and lets one parcel travel with no other beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AGAIN_SECONDS = 1.0
"""Seconds between two looks at a bound that may change."""


class Places:
    """Places for as many as `most()` says, which may change: hosts join and leave."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place, as soon as one is free."""
        with self._changed:
            while self._taken >= max(1, self._most()):
                self._changed.wait(_AGAIN_SECONDS)
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify()


class Company:
    """Many at a time, or one alone, who goes first: the others wait for whoever waits to be alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beside = 0
        self._waiting = 0
        self._alone = False

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Go beside others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._beside += 1
        try:
            yield
        finally:
            with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Go with nobody beside."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._alone and not self._beside)
            self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
