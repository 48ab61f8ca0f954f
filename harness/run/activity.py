"""Tells what a run is doing at the moment, and carries the wish to stop to the threads that do it.

The threads of a run report to it, each of itself; whoever shows the run reads it from another thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.run.plan import Planned


class Stopped(KeyboardInterrupt):
    """Raised in the threads of a run that is to stop; no entry's failure, so nothing of it is recorded."""


@dataclass(frozen=True)
class Running:
    """An entry at work. Times are those of `time.monotonic()`, in seconds."""

    planned: Planned
    began: float
    stage: str = "opening"
    """opening, trying options, asking or marking."""
    question: int = 0
    """Number of the question that is asked, from 1; 0 for none."""
    questions: int = 0
    batch: int = 0
    """Batches of the question that are answered."""
    batches: int = 0
    asked_at: float = 0.0
    deadline: float | None = None
    """Seconds that the question may take."""


class Activity:
    """The entries that run now, by thread. Sent to another process it is a new one, which nobody watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, Running] = {}
        self._stopped = threading.Event()

    def __reduce__(self) -> tuple[type[Activity], tuple[()]]:
        return Activity, ()

    def running(self) -> list[Running]:
        """Return what runs now, that which began first in front."""
        with self._lock:
            return sorted(self._running.values(), key=lambda each: each.began)

    def stop(self) -> None:
        """Ask all threads to stop. Safe to call from a signal handler."""
        self._stopped.set()

    def pulse(self) -> None:
        """Raise Stopped where the run is to stop."""
        if self._stopped.is_set():
            raise Stopped

    def begin(self, planned: Planned) -> None:
        """Note that the calling thread begins with an entry."""
        self.pulse()
        with self._lock:
            self._running[threading.get_ident()] = Running(planned, time.monotonic())

    def end(self) -> None:
        """Note that the calling thread has done with its entry."""
        with self._lock:
            self._running.pop(threading.get_ident(), None)

    def at(self, stage: str) -> None:
        """Note the stage that the calling thread's entry is at."""
        self.pulse()
        self._change(stage=stage, question=0, batches=0, deadline=None)

    def asking(self, number: int, of: Sequence[object], deadline: float) -> Callable[[int, int], None]:
        """Note that a question, by its number from 0, is asked; returns what to call with its batches."""
        self.pulse()
        self._change(question=number + 1, questions=len(of), batch=0, asked_at=time.monotonic(), deadline=deadline)
        return self._answered

    def _answered(self, done: int, of: int) -> None:
        self.pulse()
        self._change(batch=done, batches=of)

    def _change(self, **changes: object) -> None:
        own = threading.get_ident()
        with self._lock:
            if own in self._running:
                self._running[own] = replace(self._running[own], **changes)  # type: ignore[arg-type]  # of its fields
