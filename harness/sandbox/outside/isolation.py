"""Finds out how well this machine can isolate a worker, by trying."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.sandbox.outside import bubblewrap
from harness.sandbox.outside.exposure import expose
from harness.sandbox.outside.limits import MIB
from harness.sandbox.outside.pipes import read_in_time
from harness.sandbox.outside.process import Level, Process, printed
from harness.types import GradingError

NOT_ISOLATED = "NOT ISOLATED"

_SECONDS = 20.0
_NOTICES: dict[Level, str] = {
    "full": "",
    "reduced": "This machine offers no namespaces: workers are confined by Landlock and seccomp alone, and student "
    "code can't write files, not even in /tmp.",
    "minimal": "This machine offers neither namespaces nor Landlock: only checkpoints of known architectures and "
    "answers-only files are graded; student code is refused unless you pass --trust-code.",
}


@dataclass(frozen=True)
class Check:
    """The outcome of one thing that was tried."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Isolation:
    """The best isolation level of this machine, and what was tried to find it."""

    level: Level
    checks: tuple[Check, ...]
    notice: str
    """A sentence about what is missing, for the instructor; empty where isolation is full."""


@lru_cache(maxsize=1)
def probe() -> Isolation:
    """Finds the isolation that this machine offers: a harmless child attempts what a hostile one would.

    Takes about a tenth of a second the first time, and is remembered for the life of the process. Never raises: where
    nothing works, the level is "minimal" and the checks say why.
    """
    checks: list[Check] = []
    levels: tuple[Level, ...] = ("full", "reduced")
    for level in levels:
        found = check_level(level)
        checks += found
        if all(check.ok for check in found):
            return Isolation(level, tuple(checks), _NOTICES[level])
    return Isolation("minimal", tuple(checks), _NOTICES["minimal"])


def check_level(level: Level) -> list[Check]:
    """Starts a child at `level`, "full" or "reduced", and checks each layer and each attack; all must be ok.

    Never raises: a child that can't be started is one failed check.
    """
    if level == "full" and bubblewrap.executable() is None:
        return [Check("full: bubblewrap", False, "bwrap is not installed")]
    try:
        with tempfile.TemporaryDirectory(prefix="gradebench-probe-") as folder:
            secret = Path(folder) / "secret"
            secret.write_text("not for the worker")
            report = _probe(level, str(secret))
    except (OSError, ValueError) as error:
        return [Check(f"{level}: start", False, str(error))]
    layers = report["layers"]
    landlock = int(layers["landlock"])
    why = str(layers.get("why", ""))
    checks = [
        Check(
            f"{level}: start",
            True,
            "in namespaces of its own, by bubblewrap" if level == "full" else "as a plain child process",
        ),
        # Under bubblewrap Landlock is a second layer, and the namespaces protect without it too.
        Check(
            f"{level}: Landlock",
            landlock > 0 or level == "full",
            f"version {landlock}" if landlock else f"not available ({why}); namespaces alone protect files",
        ),
        Check(f"{level}: seccomp", bool(layers["seccomp"]), "system calls filtered" if layers["seccomp"] else why),
    ]
    return checks + [
        Check(f"{level}: can't {attempt['name']}", bool(attempt["blocked"]), str(attempt["detail"]))
        for attempt in report["attempts"]
    ]


def _probe(level: Level, secret: str) -> dict[str, Any]:
    """The report of a child in mode "probe"; ValueError where it sends none in time."""
    receive, send = os.pipe2(os.O_CLOEXEC)
    request, nothing = os.pipe2(os.O_CLOEXEC)
    log_read, log = os.pipe2(os.O_CLOEXEC)
    process = None
    try:
        config = {
            "mode": "probe",
            "receive": request,
            "send": send,
            "secret": secret,
            "limits": {"memory": 512 * MIB, "cpu_seconds": 20, "tmp_bytes": MIB, "threads": None},
        }
        exposure = expose((), None, level == "full")
        process = Process(level, exposure, config, [request, send], log, MIB)
        os.close(send)
        send = -1
        text = read_in_time(receive, _SECONDS)
        if not text:
            raise ValueError("the trial process ended without a report")
        report: dict[str, Any] = json.loads(text)
        return report
    except (GradingError, ValueError) as error:
        raise ValueError(f"{error} {printed(log_read)}".strip()) from error
    finally:
        for descriptor in (receive, send, request, nothing, log, log_read):
            if descriptor >= 0:
                os.close(descriptor)
        if process is not None:
            process.kill()
