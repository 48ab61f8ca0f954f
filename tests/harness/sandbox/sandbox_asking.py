"""Shared parts of the sandbox's tests: weights, questions, and a submission whose code attacks."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np

from harness.sandbox.outside import Isolation, Session, Worker
from harness.types import ArraySpec, Question

HERE = Path(__file__).parent

PROBES = [
    "fork",
    "clone_raw",
    "run_program",
    "exec_python",
    "internet",
    "datagram",
    "unix_socket",
    "pair",
    "virtual_machine_socket",
    "accounts",
    "parent_memory",
    "environment_of_others",
    "signal_parent",
    "signal_everyone",
    "trace_parent",
    "limit_parent",
    "raise_own_limit",
    "memory_outside_the_limit",
    "write_outside",
    "digits",
    "reference_weights",
    "descriptors",
    "mount",
    "privileges",
    "metadata",
    "watch_files",
    "outlive_parent",
]
"""Methods of `hostile` that return 1 where an attack succeeded."""

CODE_PROBES = [*PROBES, "import_gradebench"]
"""Those of a worker that runs student code, which needs no architectures."""


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


WEIGHTS = npz(weight=np.array([2.0, -3.0, 0.5], dtype=np.float32))


def question(method: str, shape: tuple[int, ...] = (1,), value: float = 21.0) -> Question:
    return Question(method, {"x": np.array([value], dtype=np.float32)}, {"y": ArraySpec(shape)})


def works(session: Session) -> bool:
    """Tells whether the worker answers correctly."""
    return float(session.ask(question("echo"), 30)["y"][0]) == 42.0


def hostile_submission(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "fake_architectures" / "hostile.py", folder / "adapter.py")
    return folder


def student_worker(isolation: Isolation, root: Path, **options: object) -> Worker:
    worker = Worker(isolation, **options)  # type: ignore[arg-type]
    worker.open_code(root, "adapter.py:load", None)
    return worker


def descendants() -> set[int]:
    """Process ids of everything below this process."""
    return processes_below(os.getpid())


def processes_below(top: int) -> set[int]:
    """Process ids of everything below a process."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {top}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {top}
