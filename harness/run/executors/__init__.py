"""Executors: where the entries of a run are asked and marked. One file each, named in `EXECUTORS`.

The run plans, keeps, scores and writes records in its own process, whatever the executor: so a record is the same
wherever its entry was asked. To add an executor, write a class with the methods of `interface.Executor` and name it
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from harness.registry import imported

if TYPE_CHECKING:
    from harness.run.executors.interface import Executor
    from harness.run.questions import Questions
    from harness.run.settings import Run
    from harness.sandbox.outside import WeightsWorkers

EXECUTORS: dict[str, tuple[str, str]] = {
    "threads": ("harness.run.executors.threads:Threads", "threads of this process, each with a warm sandbox"),
    "pool": ("harness.run.executors.pool:Pool", "processes of this machine, together with no more threads than cores"),
    "dask": ("harness.run.executors.cluster:Cluster", "the hosts of a Dask cluster, named by --scheduler"),
}
"""Each executor's "module:attribute", and its summary in one line, by name; the first is the default."""
DEFAULT = next(iter(EXECUTORS))


def problem(run: Run) -> str:
    """Return a sentence that says why the run's executor can't be used as asked; empty if it can."""
    if run.executor not in EXECUTORS:
        return f"--executor {run.executor}: no such executor; there are {', '.join(EXECUTORS)}"
    return _class(run.executor).problem(run)


def opened(run: Run, questions: Questions, warm: Sequence[WeightsWorkers] = ()) -> Executor:
    """Return the run's executor, a context manager; `warm` are sandboxes of an earlier run, if there are any.

    Raises ExecutorError where it can't be had.
    """
    return _class(run.executor)(run, questions, warm)


def _class(name: str) -> type[Executor]:
    return cast("type[Executor]", imported(EXECUTORS[name][0]))
