"""Processes of this machine give the records of one process, whatever becomes of them."""

import multiprocessing
import os

import pytest

from harness.run.executors.cores import shares
from harness.types import Status
from tests.harness.run.executors.small_class import (
    files_beside,
    graded,
    hand_in_code,
    own_coursework,
    repeatable,
    write_class,
)

# Stands for a process that runs out of memory while it marks; the parent's answers are never this large.
KILLED_BY_LARGE = "import os; cleaned.mean() > 0.2 and os.getpid() != {parent} and os._exit(9)"
KILLED_ONCE = (
    "import os, pathlib; mark = pathlib.Path({place!r}); "
    "os.getpid() == {parent} or mark.exists() or (mark.touch(), os._exit(9))"
)


def test_processes_and_threads_are_no_more_than_cores():
    for jobs in range(1, 70):
        for cores in range(1, 70):
            processes, threads = shares(jobs, cores)
            assert 1 <= processes <= jobs
            assert threads >= 1
            assert processes * threads <= cores
            # Another thread for each would be too many.
            assert processes * (threads + 1) > cores


def test_a_pool_gives_the_records_of_one_process(tmp_path):
    write_class(tmp_path / "class", 4)
    hand_in_code(tmp_path / "class" / "code")
    expected = graded(tmp_path / "class", tmp_path / "here")
    found = graded(tmp_path / "class", tmp_path / "pool", executor="pool", jobs=2)
    assert {r.status for r in expected.values()} == {Status.SCORED}, [r.failure for r in expected.values()]
    assert repeatable(found) == repeatable(expected)
    assert len({r.metrics["mse"].value for r in found.values()}) == 5
    assert files_beside(tmp_path / "pool") == files_beside(tmp_path / "here")


def test_answers_that_are_too_large_to_be_kept_leave_the_same_record(tmp_path, monkeypatch):
    write_class(tmp_path / "class", 2)
    for module in ("harness.run.score", "harness.run.executors.remote"):
        monkeypatch.setattr(f"{module}.KEPT_BYTES", 1000)
    expected = graded(tmp_path / "class", tmp_path / "here")
    found = graded(tmp_path / "class", tmp_path / "pool", executor="pool")
    assert repeatable(found) == repeatable(expected)
    assert files_beside(tmp_path / "pool") == files_beside(tmp_path / "here")
    assert {r.answers for r in found.values()} == {""}
    kept = graded(tmp_path / "class", tmp_path / "kept", executor="pool", keep_answers=True)
    assert all(r.answers for r in kept.values())


def test_the_entry_of_a_process_that_dies_is_graded_by_another(tmp_path):
    write_class(tmp_path / "class", 3)
    mark = str(tmp_path / "died")
    folder = own_coursework(tmp_path / "own", KILLED_ONCE.format(parent=os.getpid(), place=mark))
    expected = graded(tmp_path / "class", tmp_path / "here", folder)
    found = graded(tmp_path / "class", tmp_path / "pool", folder, executor="pool", jobs=2)
    assert os.path.exists(mark)
    assert repeatable(found) == repeatable(expected)


def test_an_entry_that_kills_its_processes_is_not_gradable_and_stops_no_other(tmp_path):
    write_class(tmp_path / "class", 3)
    folder = own_coursework(tmp_path / "own", KILLED_BY_LARGE.format(parent=os.getpid()))
    values = {name: r.metrics["mse"].value for name, r in graded(tmp_path / "class", tmp_path / "here", folder).items()}
    hand_in_code(tmp_path / "class" / "bright")
    bright = tmp_path / "class" / "bright" / "beside.py"
    bright.write_text("def half(images):\n    return images * 0 + 1\n", encoding="utf-8")
    found = graded(tmp_path / "class", tmp_path / "pool", folder, executor="pool", jobs=2)
    failure = found.pop("bright").failure
    assert (failure.kind, failure.fault) == ("host-lost", "harness")
    assert "3 times" in failure.message
    assert {name: r.metrics["mse"].value for name, r in found.items()} == values
    again = graded(tmp_path / "class", tmp_path / "again", folder)
    assert again["bright"].status is Status.SCORED


def test_a_run_that_ends_early_leaves_no_process(tmp_path):
    write_class(tmp_path / "class", 3)

    def stop(record, known):
        raise KeyboardInterrupt

    before = {p.pid for p in multiprocessing.active_children()}
    with pytest.raises(KeyboardInterrupt):
        graded(tmp_path / "class", tmp_path / "pool", on_record=stop, executor="pool", jobs=2)
    assert {p.pid for p in multiprocessing.active_children()} <= before
