"""Prepares what a task needs to mark, once a run, in a thread beside the first models that are asked."""

from __future__ import annotations

import threading
from contextlib import suppress

from harness.tasks.base import Context, PreparesMarking


def prepare_beside(task: PreparesMarking, context: Context) -> None:
    """Begin to prepare; returns at once, and does nothing where it has begun already."""

    def prepare() -> None:
        # What goes wrong here goes wrong again where an entry is marked, and is told there.
        with suppress(Exception):
            task.prepare_marking(context)

    def begin() -> threading.Thread:
        # Not a daemon: a process that ends while a thread computes is aborted.
        thread = threading.Thread(target=prepare, name=f"preparing {task.name}")
        thread.start()
        return thread

    context.once(f"preparing {task.name}", begin)
