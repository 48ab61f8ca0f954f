"""Starts a worker in a process of its own, which may run student code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.sandbox.outside.exposure import SUBMISSION, expose
from harness.sandbox.outside.isolation import NOT_ISOLATED, Isolation
from harness.sandbox.outside.limits import Limits
from harness.sandbox.outside.pipes import Pipes
from harness.sandbox.outside.process import Exit, Process, printed
from harness.sandbox.outside.registries import REGISTRY, inside
from harness.sandbox.outside.session import Session
from harness.sandbox.wire import Channel, WireError
from harness.types import GradingError, broken


class Worker(Session):
    """A worker in a process of its own, started by the first request to open something.

    Parameters
    ----------
    isolation : the result of `probe()`
    limits : resources that the worker may use; None for the defaults
    trust_code : run student code even where it can't be isolated; `isolation_stamp` is then NOT ISOLATED
    registries : where architectures are found (see `registries`)
    """

    def __init__(
        self,
        isolation: Isolation,
        *,
        limits: Limits | None = None,
        trust_code: bool = False,
        registries: tuple[str, ...] = (REGISTRY,),
    ) -> None:
        super().__init__(limits or Limits(), isolation.level)
        self._isolation = isolation
        self._trust_code = trust_code
        self._registries = registries
        self._process: Process | None = None
        self._root: Path | None = None

    def open_code(self, root: Path, code: str, checkpoint: str | None) -> list[str]:
        """Imports "file.py:function" of the submission at `root` and calls function(checkpoint path).

        Parameters
        ----------
        root : the submission's folder, read-only for the worker and its working directory
        code : "path/to/file.py:function", or one of `harness.types.STARTER_CODES`, for which the starter's own method
            is found and asked. The student's modules are imported from the file's folder first, but never in place of
            the standard library's, PyTorch's or the harness's.
        checkpoint : relative to `root`, or None; the function gets an absolute path, or None

        Returns notes on what was tolerated, for the student. GradingError where the code can't be loaded, where it
        may not run because this machine can't isolate it, and where this isn't the worker's first request.
        """
        if self._channel is not None or self._root is not None:
            raise broken(
                "worker", "not-fresh", "Student code needs a new worker; this one has opened something before."
            )
        if self._isolation.level == "minimal":
            if not self._trust_code:
                raise broken(
                    "worker",
                    "not-isolated",
                    "This machine can't isolate student code, so it was not run. "
                    "Install bubblewrap, or pass --trust-code to run it without protection.",
                )
            self.isolation_stamp = NOT_ISOLATED
        self._root = Path(root).resolve()
        inside = SUBMISSION if self._isolation.level == "full" else str(self._root)
        header = {"op": "open_code", "root": inside, "code": code, "checkpoint": checkpoint}
        return self._open(header, b"", f"Loading {code}")

    def process_id(self) -> int | None:
        """The worker's process id as this machine sees it; None before it is started."""
        return self._process.worker_id() if self._process is not None else None

    def _start(self, header: Mapping[str, Any]) -> Channel:
        code = self._root is not None
        level = self._isolation.level
        registries = () if code else self._registries
        exposure = expose(registries, None if self._root is None else str(self._root), level == "full")
        config: dict[str, Any] = {
            "mode": "serve",
            "registries": inside(registries, level == "full"),
            "limits": sent_limits(self.limits, own_namespace=level == "full"),
        }
        with Pipes() as pipes:
            config |= {"receive": pipes.request_read, "send": pipes.reply_write}
            ends = [pipes.request_read, pipes.reply_write]
            try:
                self._process = Process(
                    level, exposure, config, ends, pipes.log_write, self.limits.tmp_bytes if code else None
                )
            except GradingError as error:
                raise GradingError(replace(error.failure, detail=printed(pipes.log_read))) from error
            return pipes.channel(self._watch)

    def _watch(self) -> None:
        # RLIMIT_NPROC does not bind root, and a thread takes too little address space for RLIMIT_AS to limit.
        if self._process is not None and self._process.threads() > self.limits.threads:
            raise WireError("threads", "too many threads")
        # bubblewrap can bound the bytes of a tmpfs, not the number of its files.
        if self._process is not None and self._process.tmp_files() > self.limits.tmp_files:
            raise WireError("files", "too many files")

    def _end(self, grace: float) -> Exit:
        return self._process.end(grace) if self._process is not None else Exit()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()


def sent_limits(limits: Limits, own_namespace: bool) -> dict[str, Any]:
    """The limits in the form that the worker applies.

    The kernel's limit on threads counts everything that a user runs, so it is set only in a user namespace of the
    worker's own. It is twice the parent's limit, so that the parent, which can tell the student, acts first.
    """
    return asdict(limits) | {"threads": 2 * limits.threads if own_namespace else None}
