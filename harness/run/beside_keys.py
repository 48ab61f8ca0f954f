"""Calculates the keys of baselines and reference models, which hold on any machine, for any class and assignment.

Their results are kept for other runs and shipped with gradebench, so nothing enters that changes from machine to
machine or from commit to commit without moving a number by more than processors do (CONTRIBUTING.md):

- not the isolation level: what fences a worker in does not calculate; nor Python's micro version, gradebench's own
  version, or a local label of a package's ("+cpu");
- not comments, docstrings and layout of sources, nor modules that carry values and messages, fence, or open what a
  reference model never is: a student's code, a checkpoint that is no safetensors file;
- not the questions themselves, which would have to be generated: all that decides them is in the key.

What does enter: the code of task, metrics and evidence, of the judge, of the model and of what asks it; data, seed,
judges, a coursework's own cases; weights and options; the versions of Python (minor), torch, numpy, scipy and
scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from harness import provenance
from harness.run.plan import Planned
from harness.run.settings import Run
from harness.tasks.base import Task
from harness.types import Kind

_ASKS = (
    "harness.sandbox.inside.serve",
    "harness.checkpoint.arrays",
    "harness.checkpoint.selection",
    "harness.checkpoint.tensorfile",
)
"""Modules that ask a reference model inside the sandbox, and read its weights."""
_JUDGES = ("classifiers.judge",)
_CALCULATES_NOTHING = (
    "harness.checkpoint",
    "harness.files",
    "harness.sandbox.wire",
    "harness.starters",
    "harness.student_code",
    "harness.types",
)
"""Modules and packages that count only where they are named above."""
_VERSIONS = ("torch", "numpy", "scipy", "scikit-learn")


def decides_asking(planned: Planned, run: Run, model: tuple[str, ...], digests: dict[str, str]) -> dict[str, Any]:
    """Return what decides the answers of a baseline or reference model; digests of sources are added to `digests`.

    `model` are the modules of the architecture; `digests` holds "checkpoint" for a reference model.
    """
    entry, context = planned.entry, run.context
    task = run.coursework.task(entry.task)
    decides: dict[str, Any] = {
        "kind": entry.kind.value,
        "task": [task.name, task.protocol, entry.part],
        "questions": _task_code(run, task),
        "seed": context.seed,
        "data": context.data.digest,
        "versions": versions(),
    }
    if task.name in context.official:
        decides["official cases"] = context.official[task.name].digest
    if entry.kind is Kind.BASELINE:
        # It answers in the parent, from the training data, by code that belongs to its task.
        digests["sandbox sources"] = decides["questions"]
        return decides | {"baseline": planned.submission.id}
    own = run.coursework.architectures_file
    files = (own,) if own is not None and entry.model in run.coursework.own_architectures else ()
    digests["sandbox sources"] = provenance.code_digest((*_ASKS, *model), files, _CALCULATES_NOTHING)
    return decides | {
        "model": [entry.model, dict(entry.options), digests.get("checkpoint")],
        "sandbox sources": digests["sandbox sources"],
    }


def marking_sources(run: Run, task: Task) -> str:
    """Return the digest of the code that marks: the task's, and the judge's."""
    return _task_code(run, task, _JUDGES)


def _task_code(run: Run, task: Task, beside: tuple[str, ...] = ()) -> str:
    own = run.coursework.tasks_file
    if own is not None and task.name in run.coursework.own_tasks:
        return provenance.code_digest(beside, (own,), _CALCULATES_NOTHING)
    return _module_code((type(task).__module__, *beside))


@cache
def _module_code(modules: tuple[str, ...]) -> str:
    return provenance.code_digest(modules, without=_CALCULATES_NOTHING)


def versions() -> Mapping[str, str]:
    """Return the versions of what calculates, without what tells builds of one version apart."""
    found = provenance.versions()
    minor = ".".join(found["python"].split(".")[:2])
    return {"python": minor} | {name: found[name].partition("+")[0] for name in _VERSIONS}
