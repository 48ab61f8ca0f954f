"""Ends a command within a second of Ctrl-C, and says how to go on.

The threads of a run leave their workers at the next pulse, so that sandboxes and temporary folders are tidied up; what
can't be left midway, such as the judge at work, is not waited for.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import typer

from harness.cli.app import EXIT_INTERRUPTED
from harness.cli.console import console

_PATIENCE = 0.7
"""Seconds for the threads of a run to end by themselves."""


def leave() -> None:
    """End this process without what Python does at its end, which takes seconds once PyTorch is imported.

    Sandboxed processes die with it: the kernel sees to it.
    """
    for stream in (sys.stdout, sys.stderr):
        # The main thread may be writing at this moment.
        with suppress(RuntimeError, OSError, ValueError):
            stream.flush()
    os._exit(EXIT_INTERRUPTED)


@contextmanager
def stoppable(how_to_go_on: Callable[[], str], stop: Callable[[], None]) -> Iterator[None]:
    """Within this context Ctrl-C calls `stop`, says how to go on, and ends the command within a second."""
    said = threading.Event()

    def say() -> None:
        if not said.is_set():
            said.set()
            console.show_cursor(True)
            console.print(f"\n{how_to_go_on()}", highlight=False, soft_wrap=True, markup=False)

    def give_up() -> None:
        say()
        leave()

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # First, so that the command ends even if nothing can be stopped.
        timer.start()
        stop()
        raise KeyboardInterrupt

    timer = threading.Timer(_PATIENCE, give_up)
    timer.daemon = True
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    except KeyboardInterrupt:
        say()
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)
