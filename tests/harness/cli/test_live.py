"""Tests of what is shown of a run as it goes."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import live
from harness.run.activity import Activity, Running
from harness.run.settings import Run
from tests.harness.run.grading import run_of
from tests.harness.run.planning import planned_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return run_of(None, tmp_path)


class Record:
    """As much of a record as the display looks at."""

    def __init__(self, planned, seconds: float = 0.0) -> None:
        self.role, self.submission, self.part = planned.submission.role, planned.submission.id, planned.part.id
        self.timings = {"answers": seconds} if seconds else {}


def test_an_entry_at_work_shows_its_time_and_its_deadline(run: Run) -> None:
    one = planned_of(run, "s1", part=3)
    name = f"s1 · {one.part.id}"
    assert live.described(Running(one, 100.0), 107.9) == f"{name}: opening, 0:07"
    asking = Running(one, 100.0, "asking", 2, 4, 3, 20, 160.0, 1200.0)
    assert live.described(asking, 200.0) == (
        f"{name}: question 2 of 4, 3 of 20 batches, 0:40 of at most 20:00 (1:40 in all)"
    )
    assert live.described(Running(one, 100.0, "asking", 1, 1, 0, 1, 100.0, 7200.0), 200.0) == (
        f"{name}: its question, 1:40 of at most 2:00:00"
    )


def test_the_state_of_a_run_tells_a_lower_bound_from_an_estimate(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(live.time, "monotonic", lambda: now)
    entries = [planned_of(run, str(number), part=number % 2) for number in range(4)]
    assert entries[0].part.task == entries[1].part.task
    other = planned_of(run, "4", part=2)
    board = live.Board("grading", [[each] for each in [*entries, other]], Activity(), jobs=1)
    assert board.state() == "grading: 0/5, 0:00"
    now = 60.0
    board.take(Record(entries[0], 60.0), known=False)
    assert board.state() == "grading: 1/5, 1:00, at least 3:00 left"
    board.take(Record(other, 5.0), known=False)
    assert board.state() == "grading: 2/5, 1:00, about 3:00 left"
    for each in entries[1:]:
        board.take(Record(each), known=True)
    assert board.state() == "grading: 5/5, 1:00"


def test_without_a_terminal_there_are_plain_lines_even_while_no_record_comes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    told = threading.Event()

    class Telling(Console):
        def print(self, *lines: object, **options: object) -> None:
            super().print(*lines, **options)
            told.set()

    monkeypatch.setattr(live, "console", Telling(file=said, force_terminal=False, width=200))
    monkeypatch.setattr(live, "QUIET_INTERVAL", 0.0)
    slow, quick = planned_of(run, "slow"), planned_of(run, "quick", part=1)
    activity = Activity()
    with live.shown("grading", [[slow], [quick]], activity, jobs=1) as on_record:
        activity.begin(slow)
        activity.asking(0, ("a", "b"), 600.0)
        assert told.wait(60)
        activity.end()
        on_record(Record(slow, 3.0), False)
        on_record(Record(quick), True)
    lines = said.getvalue().splitlines()
    assert lines[0].startswith("grading: 0/2, 0:0")
    assert f"at work: slow · {slow.part.id}: question 1 of 2, 0:0" in lines[0]
    assert "of at most 10:00" in lines[0]
    assert lines[-1] == f"grading: 2/2, {lines[-1].split(', ')[1].partition(';')[0]}; quick · {quick.part.id} (known)"
    assert not any("\x1b" in line for line in lines)


def test_on_a_terminal_entries_at_work_stand_below_the_bar(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(live, "console", console)
    activity = Activity()
    plans = [[planned_of(run, f"s[{number}]")] for number in range(12)]
    board = live.Board("grading", plans, activity, jobs=12)
    for (planned,) in plans:
        threads = [threading.Thread(target=activity.begin, args=(planned,))]
        threads[0].start()
        threads[0].join()
    # A thread that is gone leaves its number to the next one, so not all twelve need be there.
    at_work = len(activity.running())
    with console.capture() as capture:
        console.print(board)
    lines = capture.get().splitlines()
    assert "grading: 0/12" in lines[0]
    assert len(lines) == 1 + min(at_work, 8) + (at_work > 8)
    assert "s[" in lines[1]
    with live.shown("grading", plans, activity, jobs=1) as on_record:
        on_record(Record(plans[0][0]), True)
    assert "\x1b" in console.file.getvalue()
