"""Attacks on what lies around a worker: the harness's death, torch's modes, and labels in memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.sandbox.outside import Session
from harness.types import GradingError
from tests.harness.sandbox.fake_architectures.hostile import Hostile
from tests.harness.sandbox.sandbox_asking import hostile_submission, processes_below, question, student_worker, works

ROOT = Path(__file__).parents[2]
LEVELS = ["full", "reduced"]
# Tries to outlive the harness, says so, and then sleeps for longer than pytest lets a test run.
HARNESS = """
import sys
from pathlib import Path
from harness.sandbox.outside import Isolation
from tests.harness.sandbox.sandbox_asking import question, student_worker
with student_worker(Isolation(sys.argv[1], (), ""), Path(sys.argv[2])) as worker:
    print(float(worker.ask(question("outlive_parent"), 60.0)["y"][0]), flush=True)
    worker.ask(question("ignore_signals_and_nap"), 900.0)
"""


@pytest.fixture
def isolation(request: pytest.FixtureRequest, level: str) -> object:
    """The isolation of a level; skips where this machine lacks it."""
    from harness.sandbox.outside import Isolation, probe
    from harness.sandbox.outside.isolation import check_level

    found = probe() if level == "full" else Isolation("reduced", (), "")
    if found.level != level or not (level == "full" or all(check.ok for check in check_level("reduced"))):
        pytest.skip(f"this machine has no isolation of the level {level}")
    return found


@pytest.fixture
def worker(isolation: object, tmp_path: Path) -> Iterator[Session]:
    with student_worker(isolation, hostile_submission(tmp_path / "s")) as session:  # type: ignore[arg-type]
        yield session


@pytest.mark.corpus("Runtime, found later", "a worker whose harness was killed")
@pytest.mark.parametrize("level", LEVELS)
def test_a_worker_ends_with_the_harness_that_is_killed(isolation: object, level: str, tmp_path: Path) -> None:
    root = hostile_submission(tmp_path / "s")
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, level, str(root)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "0.0\n"
        workers = processes_below(harness.pid)
        assert workers
        os.kill(harness.pid, signal.SIGKILL)
        harness.wait()
        pause = threading.Event()
        while any(_runs(one) for one in workers):  # pytest's own timeout is the guard
            pause.wait(0.05)


def _runs(process: int) -> bool:
    """Tells whether a process exists and is no zombie, which only waits to be counted."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.corpus("Scores", "a leaked dispatch mode")
@pytest.mark.parametrize("level", LEVELS)
def test_a_mode_of_torch_that_is_left_on_stays_in_its_worker(
    isolation: object, worker: Session, level: str, tmp_path: Path
) -> None:
    def under_the_mode() -> None:
        worker.ask(question("leak_mode"), 30.0)
        worker.ask(question("echo"), 30.0)

    with pytest.raises(GradingError) as caught:
        under_the_mode()
    assert caught.value.failure.fault == "submission"
    assert float(torch.ones(1) + 1) == 2.0
    with student_worker(isolation, hostile_submission(tmp_path / "t")) as another:  # type: ignore[arg-type]
        assert works(another)


@pytest.mark.corpus("Scores", "walking frames for labels")
@pytest.mark.parametrize("level", LEVELS)
def test_no_worker_holds_labels_that_its_frames_lead_to(worker: Session, level: str) -> None:
    labels = torch.arange(10_000) % 10
    held = {"labels": labels, "counted": np.bincount(labels.numpy())}
    # The same search finds them where they are.
    assert float(Hostile().walk_frames(torch.ones(1))) >= 1.0
    assert float(worker.ask(question("walk_frames"), 60.0)["y"][0]) == 0.0, worker.log
    assert works(worker)
    assert held["counted"].tolist() == [1000] * 10
