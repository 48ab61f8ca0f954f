"""Executes plans in threads of this process, each with a warm sandbox of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from typing import TypeVar

from classifiers.threads import taking
from harness.run import ask as asking
from harness.run import trial as trying
from harness.run import way
from harness.run.ask import Asked
from harness.run.executors.cores import cores, shares
from harness.run.executors.interface import Examiner, Executor
from harness.run.mark import Marked, mark
from harness.run.plan import Plan, Planned
from harness.run.preparing import prepare_beside
from harness.run.questions import Questions
from harness.run.settings import Run
from harness.run.workers import weights_workers
from harness.sandbox.outside import WeightsWorkers
from harness.tasks.base import PreparesMarking, Trial
from harness.types import Answer, Kind

Result = TypeVar("Result")
Slot = TypeVar("Slot")


class Here:
    """The examiner of this process: asks in a sandbox, and marks beside it, one of `beside` that do so at a time."""

    def __init__(self, run: Run, questions: Questions, workers: WeightsWorkers, beside: int = 1) -> None:
        self._run, self._questions, self._workers, self._beside = run, questions, workers, beside

    def expect(self, planned: Planned) -> None:
        if planned.entry.kind is not Kind.CODE:
            self._workers.begin()

    def try_options(
        self, planned: Planned, trial: Trial, choices: Sequence[Mapping[str, str]], content: bytes
    ) -> list[Sequence[Answer] | None]:
        return trying.ask(planned, self._run, trial, choices, self._workers, content)

    def opened(self, planned: Planned, content: bytes) -> Planned:
        return way.decide(planned, self._run, self._workers, content)

    def ask(self, planned: Planned, content: bytes) -> Asked:
        entry = planned.entry
        task = self._run.coursework.task(entry.task)
        questions = () if entry.kind is Kind.OUTPUTS else self._questions.of(task, entry)
        if isinstance(task, PreparesMarking):
            prepare_beside(task, self._run.context)
        return asking.ask(planned, self._run, task, questions, self._workers, content)

    def mark(self, planned: Planned, asked: Asked) -> Marked:
        task = self._run.coursework.task(planned.entry.task)
        with taking(shares(self._beside, cores())[1]):
            return mark(task, self._run.context, planned.entry, asked.answers or ())


class Threads(Executor):
    """Grades `run.jobs` submissions at a time in this process.

    Each thread takes one of `warm`, or makes a sandbox of its own when it is needed.
    """

    def __init__(self, run: Run, questions: Questions, warm: Sequence[WeightsWorkers] = ()) -> None:
        self.isolation = run.isolation
        self._run, self._questions, self._waiting = run, questions, list(warm)
        self._stack = ExitStack()
        self._beside = 1

    @staticmethod
    def problem(run: Run) -> str:
        return ""

    def each(self, work: Callable[[Plan, Examiner], Result], plans: Sequence[Plan]) -> Iterator[Result]:
        self._beside = max(1, min(self._run.jobs, len(plans)))
        return in_threads(work, plans, self._run.jobs, self._examiner)

    def close(self) -> None:
        self._stack.close()

    def _examiner(self) -> Examiner:
        workers = self._waiting.pop() if self._waiting else self._stack.enter_context(weights_workers(self._run))
        return Here(self._run, self._questions, workers, self._beside)


def in_threads(
    work: Callable[[Plan, Slot], Result],
    plans: Sequence[Plan],
    threads: int,
    slot: Callable[[], Slot],
    stop: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Yield the result of each plan as it is ready; `threads` plans are worked on at a time.

    Each thread calls `slot`, one thread at a time, for what it works with. `stop` is called where the iteration ends
    early; it ends what threads wait for.
    """
    own = threading.local()
    lock = threading.Lock()

    def one(plan: Plan) -> Result:
        if not hasattr(own, "slot"):
            with lock:
                own.slot = slot()
        return work(plan, own.slot)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        futures = [pool.submit(one, plan) for plan in plans]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
