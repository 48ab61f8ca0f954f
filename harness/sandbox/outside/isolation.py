"""How well this machine can confine a worker, found out by trying."""

from __future__ import annotations

import json
import os
import select
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.sandbox.outside import bubblewrap
from harness.sandbox.outside.exposure import expose
from harness.sandbox.outside.limits import MIB
from harness.sandbox.outside.process import Level, Process, printed
from harness.types import GradingError

NOT_ISOLATED = "NOT ISOLATED"

_SECONDS = 20.0
_NOTICES: dict[Level, str] = {
    "full": "",
    "reduced": "No namespaces here: workers are confined by Landlock and seccomp alone, and student code can't write "
    "files, not even in /tmp.",
    "minimal": "Neither namespaces nor Landlock here: only checkpoints of known architectures and answers-only files "
    "are graded; student code is refused unless you pass --trust-code.",
}


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Isolation:
    """The best level of this machine, and what was tried to find it."""

    level: Level
    checks: tuple[Check, ...]
    notice: str
    """What the instructor should know; empty where isolation is full."""


@lru_cache(maxsize=1)
def probe() -> Isolation:
    """The isolation that this machine offers, by having a harmless child attempt what a hostile one would.

    Takes about a tenth of a second the first time, and is remembered for the life of the process. Never raises: where
    nothing works, the level is minimal and the checks say why.
    """
    checks: list[Check] = []
    levels: tuple[Level, ...] = ("full", "reduced")
    for level in levels:
        found = _try(level)
        checks += found
        if all(check.ok for check in found):
            return Isolation(level, tuple(checks), _NOTICES[level])
    return Isolation("minimal", tuple(checks), _NOTICES["minimal"])


def _try(level: Level) -> list[Check]:
    if level == "full" and bubblewrap.executable() is None:
        return [Check("full: bubblewrap", False, "bwrap is not installed")]
    try:
        with tempfile.TemporaryDirectory(prefix="gradebench-probe-") as folder:
            secret = Path(folder) / "secret"
            secret.write_text("not for the worker")
            report = _run(level, str(secret))
    except (OSError, ValueError) as error:
        return [Check(f"{level}: start", False, str(error))]
    layers = report["layers"]
    landlock = int(layers["landlock"])
    why = str(layers.get("why", ""))
    checks = [
        Check(f"{level}: start", True, "bubblewrap namespaces" if level == "full" else "a plain child process"),
        # Under bubblewrap Landlock is a second fence around the first, and kernels without it are no worse than that.
        Check(
            f"{level}: Landlock",
            landlock > 0 or level == "full",
            f"version {landlock}" if landlock else f"not available, namespaces alone ({why})",
        ),
        Check(f"{level}: seccomp", bool(layers["seccomp"]), "system calls filtered" if layers["seccomp"] else why),
    ]
    return checks + [
        Check(f"{level}: can't {attempt['name']}", bool(attempt["blocked"]), str(attempt["detail"]))
        for attempt in report["attempts"]
    ]


def _run(level: Level, secret: str) -> dict[str, Any]:
    """The report of a child in mode "try". ValueError where it gives none in time."""
    receive, send = os.pipe2(os.O_CLOEXEC)
    request, nothing = os.pipe2(os.O_CLOEXEC)
    log_read, log = os.pipe2(os.O_CLOEXEC)
    process = None
    try:
        config = {
            "mode": "try",
            "receive": request,
            "send": send,
            "secret": secret,
            "limits": {"memory": 512 * MIB, "cpu_seconds": 20, "tmp_bytes": MIB, "threads": None},
        }
        exposure = expose(None, None, level == "full")
        process = Process(level, exposure, config, [request, send], log, MIB)
        os.close(send)
        send = -1
        return _read_report(receive)
    except (GradingError, ValueError) as error:
        raise ValueError(f"{error} {printed(log_read)}".strip()) from error
    finally:
        for descriptor in (receive, send, request, nothing, log, log_read):
            if descriptor >= 0:
                os.close(descriptor)
        if process is not None:
            process.kill()


def _read_report(receive: int) -> dict[str, Any]:
    deadline = time.monotonic() + _SECONDS
    text = b""
    while True:
        poller = select.poll()
        poller.register(receive, select.POLLIN)
        if not poller.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            raise ValueError("the trial process gave no report in time")
        data = os.read(receive, 1 << 16)
        if not data:
            break
        text += data
    if not text:
        raise ValueError("the trial process ended without a report")
    report: dict[str, Any] = json.loads(text)
    return report
