"""Shows a run as it goes: what is at work, for how long, how long it may take, and how long all of it still will.

On a terminal this is a bar with a line below for each entry at work; elsewhere plain lines, one in ten seconds at most
while records come, and one a minute while none does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from harness.cli.console import LOG_INTERVAL, console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.run.activity import Activity, Running
    from harness.run.plan import Plan
    from harness.types import Record

QUIET_INTERVAL = 60.0
"""Seconds without a record after which a plain line says what is at work."""
_SHOWN = 8
"""Entries at work that are shown at most."""


class Board:
    """The state of a run, from its plans, its records and its activity."""

    def __init__(self, title: str, plans: Sequence[Plan], activity: Activity, jobs: int) -> None:
        from harness.run.remaining import Remaining

        self._title, self._activity = title, activity
        self._planned = {planned.identity: planned for plan in plans for planned in plan}
        self._remaining = Remaining(plans, jobs)
        self._lock = threading.Lock()
        self.done, self.total = 0, sum(len(plan) for plan in plans)
        self.began = time.monotonic()

    def take(self, record: Record, known: bool) -> None:
        """Take in a record; the entry that it is of may still count as running."""
        from harness.run.identity import identity

        own = identity(record)
        at_work = {each.planned.identity: each.began for each in self._activity.running()}
        seconds = time.monotonic() - at_work[own] if own in at_work else sum(record.timings.values()) or None
        with self._lock:
            self.done += 1
            if own in self._planned:
                self._remaining.done(self._planned[own], None if known else seconds)

    def state(self) -> str:
        """Say how far the run is and how long it will still take, as far as that can be told."""
        now = time.monotonic()
        with self._lock:
            seconds, more = self._remaining.left((each.planned, now - each.began) for each in self._activity.running())
        text = f"{self._title}: {self.done}/{self.total}, {clock(now - self.began)}"
        if self.done == self.total or (more and not seconds):
            return text
        return f"{text}, {'at least' if more else 'about'} {clock(seconds)} left"

    def lines(self) -> list[str]:
        """Say what is at work, an entry a line."""
        found = [described(each, time.monotonic()) for each in self._activity.running()]
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return found[:_SHOWN] + more

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(self.total, 1), completed=self.done, width=30)
        table.add_row(bar, escape(self.state()))
        whole = Table.grid()
        whole.add_row(table)
        for line in self.lines():
            whole.add_row(f"  [dim]{escape(line)}[/]")
        return whole


@contextmanager
def shown(title: str, plans: Sequence[Plan], activity: Activity, jobs: int) -> Iterator[Callable[[Record, bool], None]]:
    """Show a run of these plans; call what this yields with each record, and whether it was known."""
    board = Board(title, plans, activity, jobs)
    if console.is_terminal:
        with Live(board, console=console, transient=True, refresh_per_second=4):
            yield board.take
        return
    with _log(board) as on_record:
        yield on_record


@contextmanager
def _log(board: Board) -> Iterator[Callable[[Record, bool], None]]:
    """Plain lines: as records come, and from a thread of its own while none does."""
    last = time.monotonic() - LOG_INTERVAL
    over = threading.Event()

    def say(sentence: str) -> None:
        nonlocal last
        last = time.monotonic()
        console.print(escape(sentence), highlight=False, soft_wrap=True)

    def on_record(record: Record, known: bool) -> None:
        board.take(record, known)
        if board.done == board.total or time.monotonic() - last > LOG_INTERVAL:
            say(f"{board.state()}; {record.submission} · {record.part}{' (known)' if known else ''}")

    def watch() -> None:
        while not over.wait(1.0):
            if time.monotonic() - last > QUIET_INTERVAL and (lines := board.lines()):
                say(f"{board.state()}; at work: {'; '.join(lines)}")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield on_record
    finally:
        over.set()
        thread.join()


def described(running: Running, now: float) -> str:
    """Say of an entry at work what it does, for how long, and how long it may."""
    planned = running.planned
    name = f"{planned.submission.id} · {planned.part.id}"
    total = clock(now - running.began)
    if running.deadline is None:
        return f"{name}: {running.stage}, {total}"
    place = f"question {running.question} of {running.questions}" if running.questions > 1 else "its question"
    if running.batches > 1:
        place += f", {running.batch} of {running.batches} batches"
    took = f"{clock(now - running.asked_at)} of at most {clock(running.deadline)}"
    return f"{name}: {place}, {took}" + (f" ({total} in all)" if running.question > 1 else "")


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds, or hours, minutes and seconds.

    >>> clock(7.2), clock(754), clock(3661)
    ('0:07', '12:34', '1:01:01')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
