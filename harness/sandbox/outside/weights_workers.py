"""Starts workers in milliseconds by forking a warm process, for submissions whose code never runs."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.sandbox.outside.closing import Closing
from harness.sandbox.outside.exposure import expose
from harness.sandbox.outside.isolation import Isolation
from harness.sandbox.outside.limits import Limits
from harness.sandbox.outside.pipes import Pipes
from harness.sandbox.outside.process import Exit, Process, printed
from harness.sandbox.outside.registries import REGISTRY, inside
from harness.sandbox.outside.session import Session
from harness.sandbox.outside.worker import sent_limits
from harness.sandbox.wire import Channel
from harness.types import GradingError, broken

_START_SECONDS = 120.0


class WeightsWorkers(Closing):
    """A fork server: a process that has imported PyTorch and forks workers; a context manager, for one thread.

    It is started with the first worker, or before by `begin`, and again after it was lost. It has no /proc, no /tmp and
    no network, and gets neither questions nor submissions: these go directly to its forks.
    """

    def __init__(self, isolation: Isolation, *, registries: tuple[str, ...] = (REGISTRY,)) -> None:
        self._isolation = isolation
        self._registries = registries
        self._process: Process | None = None
        self._control: socket.socket | None = None
        self._starter: ThreadPoolExecutor | None = None
        self._beginning: Future[socket.socket] | None = None

    def begin(self) -> None:
        """Starts the fork server beside what the caller does next; the first worker waits for it."""
        if self._control is None and self._beginning is None:
            # Its thread lives until `close`, since the server is killed when the thread that started it ends.
            self._starter = self._starter or ThreadPoolExecutor(1, "fork-server")
            self._beginning = self._starter.submit(self._start)

    def worker(self, limits: Limits | None = None) -> Session:
        """A new worker for the weights or answers of one submission; a context manager."""
        return _ForkedWorker(self, limits or Limits(), self._isolation.level)

    def close(self) -> None:
        """Kills the fork server and all its workers. May be called twice."""
        if self._beginning is not None:
            if self._process is not None:
                self._process.kill()
            with suppress(GradingError, OSError):
                self._beginning.result()
            self._beginning = None
        self._end()
        if self._starter is not None:
            self._starter.shutdown(wait=False)
            self._starter = None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._control is not None:
            self._control.close()
            self._control = None

    def fork(self, limits: Limits, descriptors: list[int]) -> int:
        """Forks a worker that gets `descriptors` (requests, replies, log); its process id, for `reap`."""
        request = {"op": "fork", "limits": sent_limits(limits, own_namespace=False)}
        for attempt in (1, 2):
            try:
                return int(self._exchange(request, descriptors, 10.0)["pid"])
            except (OSError, ValueError, KeyError) as error:
                self._end()
                if attempt == 2:
                    raise broken("worker", "start", f"The fork server could not fork a worker: {error}.") from error
        raise AssertionError

    def reap(self, child: int, grace: float) -> Exit:
        """Waits `grace` seconds for a fork to end by itself, then kills it; kills the fork server where that fails."""
        try:
            if self._control is None:
                return Exit()
            report = self._exchange({"op": "reap", "pid": child, "grace": grace}, [], grace + 10.0)
            if report["killed"]:
                return Exit()
            code = os.waitstatus_to_exitcode(int(report["status"]))
            return Exit(code=code) if code >= 0 else Exit(signal=-code)
        except (OSError, ValueError, KeyError):
            self._end()
            return Exit()

    def process_id(self, child: int) -> int | None:
        """The process id, as this machine sees it, of the fork that the fork server knows as `child`; None if none."""
        server = self._process.worker_id() if self._process is not None else None
        try:
            forks = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            for fork in forks:
                status = Path(f"/proc/{fork}/status").read_text()
                # The ids in this namespace and in those below it; the last is the one that the fork server sees.
                own = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
                if int(own) == child:
                    return int(fork)
        except (OSError, ValueError, StopIteration):
            pass
        return None

    @property
    def generation(self) -> int:
        """A number that identifies the current fork server, 0 for none; the forks of an earlier one are gone."""
        return id(self._process) if self._process is not None else 0

    def _exchange(self, request: Mapping[str, Any], descriptors: list[int], seconds: float) -> dict[str, Any]:
        if self._beginning is not None:
            beginning, self._beginning = self._beginning, None
            beginning.result()
        control = self._control or self._start()
        control.settimeout(seconds)
        socket.send_fds(control, [json.dumps(request).encode()], descriptors)
        reply = control.recv(1 << 16)
        if not reply:
            raise OSError("the process has ended")
        report: dict[str, Any] = json.loads(reply)
        return report

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        read, write = os.pipe2(os.O_CLOEXEC)
        level = self._isolation.level
        try:
            exposure = expose(self._registries, None, level == "full")
            registries = inside(self._registries, level == "full")
            config = {"mode": "fork-server", "registries": registries, "control": theirs.fileno()}
            self._process = Process(level, exposure, config, [theirs.fileno()], write, None)
            theirs.close()
            os.close(write)
            write = -1
            ours.settimeout(_START_SECONDS)
            if not ours.recv(1 << 16):
                raise broken("worker", "start", "The fork server did not start.", printed(read))
        except (OSError, GradingError) as error:
            ours.close()
            self._end()
            if isinstance(error, GradingError):
                raise
            raise broken("worker", "start", f"The fork server did not start: {error}.", printed(read)) from error
        finally:
            theirs.close()
            os.close(read)
            if write >= 0:
                os.close(write)
        self._control = ours
        return ours


class _ForkedWorker(Session):
    """A worker that a fork server forked."""

    def __init__(self, server: WeightsWorkers, limits: Limits, isolation_stamp: str) -> None:
        super().__init__(limits, isolation_stamp)
        self._server = server
        self._child: int | None = None
        self._generation = 0

    def process_id(self) -> int | None:
        """The worker's process id as this machine sees it; None before it is started."""
        return self._server.process_id(self._child) if self._child is not None else None

    def _start(self, header: Mapping[str, Any]) -> Channel:
        with Pipes() as pipes:
            self._child = self._server.fork(self.limits, [pipes.request_read, pipes.reply_write, pipes.log_write])
            self._generation = self._server.generation
            return pipes.channel(None)

    def _end(self, grace: float) -> Exit:
        child, self._child = self._child, None
        if child is None or self._generation != self._server.generation:
            return Exit()
        return self._server.reap(child, grace)

    def _kill(self) -> None:
        self._end(0.0)
