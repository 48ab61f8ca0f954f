"""Executes plans in processes of this machine, which together ask for no more threads than there are cores.

A sandboxed worker answers in one thread, and what marks beside it uses as many as its process is allowed; the two take
turns. With j processes on c cores (as affinity and control groups allow them, by joblib) each is allowed c // j
threads, and there are never more than c processes.

Processes speak through a pipe in parcels, as bytes: neither side unpickles what the other sends.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TypeVar

from harness.run.executors import kit as kits
from harness.run.executors.cores import cores, shares
from harness.run.executors.gate import Company
from harness.run.executors.interface import Examiner, Executor
from harness.run.executors.remote import Carrier, Elsewhere, HostLostError
from harness.run.executors.threads import in_threads
from harness.run.plan import Plan
from harness.run.questions import Questions
from harness.run.settings import Run
from harness.sandbox.outside import WeightsWorkers
from harness.types import broken

Result = TypeVar("Result")


class Pool(Executor):
    """Grades `run.jobs` submissions at a time, each in a process of its own; fewer where there are fewer cores."""

    def __init__(self, run: Run, questions: Questions, warm: Sequence[WeightsWorkers] = ()) -> None:
        self.isolation = run.isolation
        self._run, self._questions = run, questions
        self._kit = kits.packed(run)
        self._company = Company()
        self._carriers: list[_Process] = []
        self.processes, self.threads = shares(run.jobs, cores())

    @staticmethod
    def problem(run: Run) -> str:
        return ""

    def each(self, work: Callable[[Plan, Examiner], Result], plans: Sequence[Plan]) -> Iterator[Result]:
        return in_threads(work, plans, self.processes, self._examiner, self.close)

    def close(self) -> None:
        for carrier in self._carriers:
            carrier.close()

    def _examiner(self) -> Examiner:
        carrier = _Process(self._kit, self.threads)
        self._carriers.append(carrier)
        return Elsewhere(self._run, self._questions, carrier, self._company)


class _Process(Carrier):
    """A process that answers one parcel at a time; it is started when it is needed, and again after it was lost."""

    def __init__(self, kit: bytes, threads: int) -> None:
        self._kit, self._threads = kit, threads
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._closed = False

    def carried(self, parcel: bytes) -> bytes:
        if self._closed:
            raise broken("worker", "closed", "The run has ended.")
        try:
            pipe = self._pipe or self._start()
            pipe.send_bytes(parcel)
            return pipe.recv_bytes()
        except (OSError, EOFError) as error:
            process = self._process
            self._end()
            how = "" if process is None else f", exit code {process.exitcode}"
            raise HostLostError(f"A process of the pool ended ({type(error).__name__}{how}).") from error

    def close(self) -> None:
        self._closed = True
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # A daemon: ends with this process where nobody closes it.
        self._process = context.Process(target=_serve, args=(theirs, self._threads), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.send_bytes(self._kit)
        return self._pipe


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _serve(pipe: Connection, threads: int) -> None:
    """Answer parcels until the parent closes the pipe, or ends."""
    import signal

    import torch
    from threadpoolctl import threadpool_limits

    from harness.run.executors.host import Host

    # The terminal's Ctrl-C goes to all; the parent ends its processes itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    with threadpool_limits(threads), Host(pipe.recv_bytes()) as host, suppress(OSError, EOFError):
        while True:
            pipe.send_bytes(host.reply(pipe.recv_bytes()))
