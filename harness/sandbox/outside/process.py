"""Starts, watches and kills the process that a worker runs in."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.sandbox.outside import bubblewrap
from harness.sandbox.outside.exposure import Exposure, readable_paths
from harness.sandbox.outside.pipes import read_in_time
from harness.text import plain_text
from harness.types import broken

Level = Literal["full", "reduced", "minimal"]

ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 — the worker's own
    "TMPDIR": "/tmp",  # noqa: S108
    "PATH": "",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "USER": "student",
    "LOGNAME": "student",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108
}
"""The complete environment of a worker; it inherits nothing of the instructor's."""

# sys.path begins with the standard library alone (-S -P -s), followed by exactly what the exposure lists. The trusted
# packages have a finder of their own, because a folder on sys.path would expose its neighbours too.
_BOOTSTRAP = """
import importlib.util, json, sys
config = json.loads(sys.argv[1])
sys.path += config["sys_path"]
class Trusted:
    def find_spec(self, name, path=None, target=None):
        if name in config["packages"]:
            folder = config["packages"][name]
            return importlib.util.spec_from_file_location(
                name, folder + "/__init__.py", submodule_search_locations=[folder])
sys.meta_path.insert(0, Trusted())
sys.argv = ["worker"]
from harness.sandbox.inside.entry import main
main(config)
"""

_START_SECONDS = 20.0


@dataclass(frozen=True)
class Exit:
    """The exit code or signal that a process ended with; both are None where it didn't end by itself."""

    code: int | None = None
    signal: int | None = None


class Process:
    """A child process, and everything that it starts.

    Under bubblewrap it is a process-id namespace, and killing its first process kills all of it. The kernel also kills
    it when the *thread* that started it ends, so it must not be handed to a thread that lives longer.
    """

    def __init__(
        self,
        level: Level,
        exposure: Exposure,
        config: Mapping[str, Any],
        descriptors: Sequence[int],
        log: int,
        tmp_bytes: int | None,
    ) -> None:
        """Starts `harness.sandbox.inside.entry` with `config`.

        `descriptors` keep their numbers in the child; `log` becomes its stdout and stderr; its /tmp has `tmp_bytes`, or
        does not exist where that is None.
        GradingError with fault "harness" where it can't be started.
        """
        full = level == "full"
        read, listing = (["/"], []) if full else readable_paths(exposure)
        write = ["/dev/null", *(["/tmp"] if full and tmp_bytes is not None else [])]  # noqa: S108
        whole = {
            **config,
            "parent": None if full else os.getpid(),
            "sys_path": exposure.sys_path,
            "packages": dict(exposure.packages),
            "paths": {"read": [*read, "/dev/urandom", "/dev/zero"], "list": listing, "write": write},
            "required": {"landlock": level == "reduced", "seccomp": level != "minimal"},
        }
        program = [exposure.interpreter, "-sPSBu", "-c", _BOOTSTRAP, json.dumps(whole)]
        status_read, status_write = os.pipe2(os.O_CLOEXEC)
        try:
            command = program
            if full:
                command = bubblewrap.command(exposure, ENVIRONMENT, "/", tmp_bytes, status_write) + program
            self._popen = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[*descriptors, *([status_write] if full else [])],
                # bubblewrap too must not carry the instructor's secrets in its environment.
                env={} if full else ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            os.close(status_read)
            raise broken("worker", "start", f"The sandbox could not be started: {error}.") from error
        finally:
            os.close(status_write)
        self._first = self._popen.pid
        self._handle: int | None = None
        try:
            if full:
                self._first = _first_process(status_read)
            self._handle = os.pidfd_open(self._first)
        except (OSError, ValueError, KeyError) as error:
            self._popen.kill()
            self._popen.wait()
            raise broken("worker", "start", f"bubblewrap did not start the sandbox ({error or 'it ended'}).") from error
        finally:
            os.close(status_read)
        self._full, self._has_tmp = full, full and tmp_bytes is not None
        self._inner: int | None = None

    def worker_id(self) -> int | None:
        """The process id of the worker itself, as this machine sees it; None where it can't be read."""
        try:
            if self._inner is None:
                self._inner = self._popen.pid
                if self._full:
                    children = Path(f"/proc/{self._first}/task/{self._first}/children").read_text()
                    self._inner = int(children.split()[0])
        except (OSError, ValueError, IndexError):
            self._inner = None
        return self._inner

    def threads(self) -> int:
        """The worker's current number of threads; 0 where it can't be read."""
        try:
            status = Path(f"/proc/{self.worker_id()}/status").read_text()
            return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Threads:"))
        except (OSError, ValueError, IndexError, StopIteration):
            self._inner = None
            return 0

    def tmp_files(self) -> int:
        """The current number of files and folders in the worker's own /tmp; 0 where it has none or it can't be read."""
        if not self._has_tmp:
            return 0
        try:
            # Through the namespace's first process, which is bubblewrap's: the worker can't close this door.
            root = Path(f"/proc/{self._first}/root")
            if root.stat().st_dev == Path("/").stat().st_dev:  # bubblewrap has not made it yet
                return 0
            found = os.statvfs(root / "tmp")
        except OSError:
            return 0
        return found.f_files - found.f_ffree

    def end(self, grace: float) -> Exit:
        """Waits `grace` seconds for the process to end by itself, then kills all of it; returns how it ended."""
        try:
            code = self._popen.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            return Exit()
        self.kill()
        if code < 0:
            return Exit(signal=-code)
        if code > 128:
            # bubblewrap reports a signal as a shell does.
            return Exit(signal=code - 128)
        return Exit(code=code)

    def kill(self) -> None:
        """Kills the process and everything that it started, and waits until it is gone. May be called twice."""
        if self._handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = None
        try:
            # bubblewrap ends when its namespace is empty, so this waits for every process in it.
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def _first_process(status: int) -> int:
    """The process id that bubblewrap reports for the namespace's first process; ValueError where it reports none."""
    # bubblewrap may keep its end open, so the end of the JSON object is the end of the report.
    return int(json.loads(read_in_time(status, _START_SECONDS, b"}"))["child-pid"])


def printed(log: int) -> str:
    """The end of what a process that is gone left in its log, as plain text."""
    poller = select.poll()
    poller.register(log, select.POLLIN)
    text = b""
    while len(text) < 1 << 16 and poller.poll(0):
        data = os.read(log, 1 << 16)
        if not data:
            break
        text += data
    return plain_text(text.decode("utf-8", "replace")[-4000:], 16000)
