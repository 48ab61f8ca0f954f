"""What the kernel tells of a process, and the counting of operations."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from harness.timing import core, operations
from harness.types import ArraySpec, Question


def test_a_thread_is_kept_on_a_core_and_let_go():
    before = os.sched_getaffinity(0)
    chosen = core.chosen()
    with core.pinned(chosen):
        assert os.sched_getaffinity(0) == {chosen}
        code = "import os; print(*os.sched_getaffinity(0))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
        assert found.stdout.split() == [str(chosen)]
    with core.away_from(chosen):
        assert os.sched_getaffinity(0) == (before - {chosen} or before)
    assert os.sched_getaffinity(0) == before


def test_processor_time_counts_threads_that_have_ended():
    code = (
        "import threading, time\n"
        "def work():\n"
        "    end = time.thread_time() + .3\n"
        "    while time.thread_time() < end: pass\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "print('done', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "done\n"
            used = core.processor_seconds(process.pid)
            assert used >= 0.3
            time.sleep(0.1)
            assert core.processor_seconds(process.pid) - used < 0.05
            assert core.peak_memory(process.pid) > 1e6
        finally:
            process.kill()
    assert core.peak_memory(process.pid) is None


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.second = nn.Conv2d(1, 2, 3, bias=False)
        self.prepared = False

    def draw(self, values: torch.Tensor) -> torch.Tensor:
        if not self.prepared:  # once, as a model may
            self.first(torch.zeros(1000, 6))
            self.prepared = True
        return self.first(self.second(values).flatten(1))  # (N, 1, 5, 3) -> (N, 2, 3, 1)


def test_work_is_that_of_a_call_after_the_first():
    values = np.zeros((4, 1, 5, 3), np.float32)
    question = Question("draw", {"values": values}, {"out": ArraySpec((4, 5))})
    work = operations.work_of(Net(), question)
    assert work.parameters == 6 * 5 + 5 + 2 * 9
    # A multiplication and an addition for each weight: 3 places of the 3 × 3 kernel in 2 channels, then 6 × 5.
    assert work.operations == 4 * 2 * (3 * 2 * 9 + 6 * 5)


def test_counting_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    values = np.zeros((1, 1, 5, 3), np.float32)
    operations.work_of(nn.Dropout(), Question("forward", {"values": values}, {}))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("quicker", ["linear", "mm"])
def test_the_peak_is_that_of_the_quicker_library(monkeypatch, quicker):
    monkeypatch.setattr(operations, "_SECONDS", 0.01)
    # One that does nothing takes microseconds; no core multiplies matrices of this size in so little.
    monkeypatch.setattr(operations.torch if quicker == "mm" else operations, quicker, lambda a, b: a)
    assert operations.peak() > 1e13
