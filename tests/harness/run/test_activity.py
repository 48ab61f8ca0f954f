"""Tests of what a run tells of itself, and of how it is stopped."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import pytest

from harness.run.activity import Activity, Stopped
from harness.run.plan import Planned
from harness.run.settings import Run
from tests.harness.run.grading import run_of
from tests.harness.run.planning import planned_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return run_of(None, tmp_path)


def test_each_thread_tells_of_its_own_entry(run: Run) -> None:
    activity, first, second = Activity(), planned_of(run, "one"), planned_of(run, "two")
    activity.begin(first)
    told, go_on = threading.Event(), threading.Event()

    def other(planned: Planned) -> None:
        activity.begin(planned)
        activity.at("asking")
        activity.asking(1, ("a", "b", "c"), 20.0)(3, 7)
        told.set()
        go_on.wait(60)
        activity.end()

    thread = threading.Thread(target=other, args=(second,))
    thread.start()
    assert told.wait(60)
    one, two = activity.running()
    assert (one.planned, one.stage, one.deadline) == (first, "opening", None)
    assert (two.planned, two.stage, two.question, two.questions) == (second, "asking", 2, 3)
    assert (two.batch, two.batches, two.deadline) == (3, 7, 20.0)
    assert two.asked_at >= two.began >= one.began
    go_on.set()
    thread.join()
    assert [each.planned for each in activity.running()] == [first]


def test_marking_has_no_deadline(run: Run) -> None:
    activity = Activity()
    activity.begin(planned_of(run, "one"))
    activity.asking(0, ("a",), 5.0)
    activity.at("marking")
    assert [(each.stage, each.question, each.deadline) for each in activity.running()] == [("marking", 0, None)]


def test_a_run_that_is_to_stop_begins_with_nothing_and_ends_between_batches(run: Run) -> None:
    activity = Activity()
    activity.begin(planned_of(run, "one"))
    answered = activity.asking(0, ("a",), 5.0)
    activity.pulse()
    activity.stop()
    for step in (activity.pulse, lambda: answered(1, 2), lambda: activity.at("marking"), lambda: activity.begin(run)):
        with pytest.raises(Stopped):
            step()
    # No `except Exception` may take it for an entry's failure.
    assert not issubclass(Stopped, Exception)


def test_sent_elsewhere_an_activity_is_a_new_one(run: Run) -> None:
    activity = Activity()
    activity.begin(planned_of(run, "one"))
    activity.stop()
    sent = pickle.loads(pickle.dumps(activity))
    assert sent.running() == []
    sent.pulse()
