"""A warm process that forks a worker in milliseconds, for submissions of which nothing runs."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from harness.sandbox.outside.exposure import expose
from harness.sandbox.outside.isolation import Isolation
from harness.sandbox.outside.limits import Limits
from harness.sandbox.outside.pipes import Pipes
from harness.sandbox.outside.process import Exit, Process, printed
from harness.sandbox.outside.session import Session
from harness.sandbox.outside.worker import REGISTRY, package_of, sent_limits
from harness.sandbox.wire import Channel
from harness.types import GradingError, broken

_START_SECONDS = 120.0


class WeightsWorkers:
    """A process that has PyTorch imported and forks workers; a context manager, for one thread.

    It is started when the first worker is asked for, and again after it was lost. It has no /proc, no /tmp, no network
    and sees neither questions nor submissions: these go straight to the forks.
    """

    def __init__(self, isolation: Isolation, *, registry: str = REGISTRY) -> None:
        self._isolation = isolation
        self._registry = registry
        self._process: Process | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def worker(self, limits: Limits | None = None) -> Session:
        """A fresh worker for one submission's weights or answers; to be used as a context manager."""
        return _ForkedWorker(self, limits or Limits(), self._isolation.level)

    def close(self) -> None:
        """Ends the zygote and all its workers; may be called twice."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._control is not None:
            self._control.close()
            self._control = None

    def fork(self, limits: Limits, descriptors: list[int]) -> int:
        """Forks a worker that gets `descriptors` (requests, replies, log): a number for `reap`."""
        request = {"op": "fork", "limits": sent_limits(limits, own_namespace=False)}
        for attempt in (1, 2):
            try:
                return int(self._exchange(request, descriptors, 10.0)["pid"])
            except (OSError, ValueError, KeyError) as error:
                self.close()
                if attempt == 2:
                    raise broken("worker", "start", f"The zygote could not fork a worker: {error}.") from error
        raise AssertionError

    def reap(self, child: int, grace: float) -> Exit:
        """Ends a fork, after waiting `grace` seconds for it to end by itself. Loses the zygote if that fails."""
        try:
            if self._control is None:
                return Exit()
            report = self._exchange({"op": "reap", "pid": child, "grace": grace}, [], grace + 10.0)
            if report["killed"]:
                return Exit()
            code = os.waitstatus_to_exitcode(int(report["status"]))
            return Exit(code=code) if code >= 0 else Exit(signal=-code)
        except (OSError, ValueError, KeyError):
            self.close()
            return Exit()

    @property
    def generation(self) -> int:
        """Which process this is now; a fork of an earlier one is gone already."""
        return id(self._process) if self._process is not None else 0

    def _exchange(self, request: Mapping[str, Any], descriptors: list[int], seconds: float) -> dict[str, Any]:
        control = self._control or self._start()
        control.settimeout(seconds)
        socket.send_fds(control, [json.dumps(request).encode()], descriptors)
        reply = control.recv(1 << 16)
        if not reply:
            raise OSError("it has ended")
        report: dict[str, Any] = json.loads(reply)
        return report

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        read, write = os.pipe2(os.O_CLOEXEC)
        level = self._isolation.level
        try:
            exposure = expose(package_of(self._registry), None, level == "full")
            config = {"mode": "zygote", "registry": self._registry, "control": theirs.fileno()}
            self._process = Process(level, exposure, config, [theirs.fileno()], write, None)
            theirs.close()
            os.close(write)
            write = -1
            ours.settimeout(_START_SECONDS)
            if not ours.recv(1 << 16):
                raise broken("worker", "start", "The zygote did not start.", printed(read))
        except (OSError, GradingError) as error:
            ours.close()
            self.close()
            if isinstance(error, GradingError):
                raise
            raise broken("worker", "start", f"The zygote did not start: {error}.", printed(read)) from error
        finally:
            theirs.close()
            os.close(read)
            if write >= 0:
                os.close(write)
        self._control = ours
        return ours


class _ForkedWorker(Session):
    """A worker that a zygote forked."""

    def __init__(self, zygote: WeightsWorkers, limits: Limits, isolation_stamp: str) -> None:
        super().__init__(limits, isolation_stamp)
        self._zygote = zygote
        self._child: int | None = None
        self._generation = 0

    def _start(self, header: Mapping[str, Any]) -> Channel:
        with Pipes() as pipes:
            self._child = self._zygote.fork(self.limits, [pipes.request_read, pipes.reply_write, pipes.log_write])
            self._generation = self._zygote.generation
            return pipes.channel(None)

    def _end(self, grace: float) -> Exit:
        child, self._child = self._child, None
        if child is None or self._generation != self._zygote.generation:
            return Exit()
        return self._zygote.reap(child, grace)

    def _kill(self) -> None:
        self._end(0.0)
