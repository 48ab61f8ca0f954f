"""Tests of preparing for marking beside the first models that are asked."""

from __future__ import annotations

import threading

from classifiers.judge import Judge
from harness.run.preparing import prepare_beside
from harness.tasks.base import Context
from harness.tasks.conditional_generation import ConditionalGeneration
from tests.data import embedded_digits


class Prepares:
    name = "prepares"

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.done = threading.Event()

    def prepare_marking(self, context: Context) -> None:
        self.threads.append(threading.current_thread())
        self.done.set()
        raise RuntimeError("told where an entry is marked")


def test_it_is_done_once_a_run_in_a_thread_and_its_errors_are_not_told() -> None:
    context, task = Context(embedded_digits(), Judge.shipped(), seed=0), Prepares()
    for _ in range(3):
        prepare_beside(task, context)
        assert task.done.wait(20)
    prepare_beside(task, context.openly())  # the same run
    assert len(task.threads) == 1 and task.threads[0] is not threading.current_thread()


def test_marking_finds_what_was_prepared() -> None:
    made: list[str] = []

    class Noting(Context):
        def once(self, name, make):  # type: ignore[no-untyped-def]
            return super().once(name, lambda: (made.append(name), make())[1])

    context = Noting(embedded_digits(), Judge.shipped(), seed=0)
    task = ConditionalGeneration()
    task.prepare_marking(context)
    task.prepare_marking(context)
    assert made == ["shapes of training digits", "shapes of test digits"]
