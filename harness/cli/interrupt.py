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
from contextlib import contextmanager
from types import FrameType

import typer

from harness.cli.console import console

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""
_PATIENCE = 0.7
"""Seconds for the threads of a run to end by themselves."""


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
        sys.stdout.flush()
        # Sandboxed processes die with this one: the kernel sees to it.
        os._exit(EXIT_INTERRUPTED)

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop()
        timer.start()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
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
