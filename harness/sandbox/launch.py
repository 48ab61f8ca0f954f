"""A worker in a process of its own, which may run student code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.sandbox.exposure import SUBMISSION, expose
from harness.sandbox.isolation import NOT_ISOLATED, Isolation
from harness.sandbox.limits import Limits
from harness.sandbox.pipes import Pipes
from harness.sandbox.process import Exit, Process, printed
from harness.sandbox.session import Session
from harness.sandbox.wire import Channel, WireError
from harness.types import GradingError, broken

REGISTRY = "reference:MODELS"
"""Registry of the architectures, "module:attribute"; see `harness.sandbox.worker.registry_of`."""


class Worker(Session):
    """A worker in a process of its own, started when it is first asked to open something.

    Parameters
    ----------
    isolation : what `probe()` found
    trust_code : run student code even where it can't be isolated; records are then stamped NOT ISOLATED
    registry : "module:attribute" of the architectures; its package must be importable here
    """

    def __init__(
        self, isolation: Isolation, *, limits: Limits | None = None, trust_code: bool = False, registry: str = REGISTRY
    ) -> None:
        super().__init__(limits or Limits(), isolation.level)
        self._isolation = isolation
        self._trust_code = trust_code
        self._registry = registry
        self._process: Process | None = None
        self._root: Path | None = None

    def open_code(self, root: Path, code: str, checkpoint: str | None) -> list[str]:
        """Imports "file.py:function" of the submission at `root` and calls function(checkpoint path).

        `root` is bound read-only; it is the working directory. `checkpoint` is relative to it; the function gets
        an absolute path, or None. The student's modules are found, those in the file's folder first, but never in
        place of the standard library's, PyTorch's or the harness's. Or `code` is one of `harness.types.STARTER_CODES`:
        then the starter's own method is looked for and asked. Must be the worker's first request.
        """
        if self._channel is not None or self._root is not None:
            raise broken("worker", "not-fresh", "Student code needs a worker that has opened nothing before.")
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

    def _start(self, header: Mapping[str, Any]) -> Channel:
        code = self._root is not None
        level = self._isolation.level
        package = None if code else package_of(self._registry)
        exposure = expose(package, None if self._root is None else str(self._root), level == "full")
        config: dict[str, Any] = {
            "mode": "serve",
            "registry": None if code else self._registry,
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
        # As root RLIMIT_NPROC binds nobody, and a thread costs less address space than RLIMIT_AS could count.
        if self._process is not None and self._process.threads() > self.limits.threads:
            raise WireError("threads", "too many threads")

    def _end(self, grace: float) -> Exit:
        return self._process.end(grace) if self._process is not None else Exit()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()


def package_of(registry: str) -> str:
    """The top-level package of "package.module:attribute"."""
    return registry.partition(":")[0].partition(".")[0]


def sent_limits(limits: Limits, own_namespace: bool) -> dict[str, Any]:
    """Limits as the child applies them.

    The kernel's bound on threads counts all that a user runs, so it is only for a namespace of its own; it lies above
    the parent's, which is the one that tells the student.
    """
    return asdict(limits) | {"threads": 2 * limits.threads if own_namespace else None}
