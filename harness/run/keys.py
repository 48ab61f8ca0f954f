"""Calculates the keys of the stages: digests of exactly what decides a stage's result.

Equal keys, equal results; so a stage whose key has not changed is not run again. CONTRIBUTING.md has a table of what
enters each key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness import intake, provenance
from harness.run import beside_keys, floors
from harness.run.deadlines import stated
from harness.run.plan import Planned
from harness.run.questions import Questions, sources_of
from harness.run.settings import Run
from harness.timing import protocol
from harness.types import Decision, Kind, Record, Role, Timing

_INSIDE = ("harness.sandbox.inside.entry",)
_TIMING = ("harness.timing.measure",)


def of_asking(
    planned: Planned, run: Run, questions: Questions, digests: dict[str, str], level: str | None = None
) -> str:
    """Return the key of asking an entry; what it finds out on the way is added to `digests`.

    `digests` may hold "checkpoint" or "outputs", the SHA-256 of the entry's file, already. `level` is the isolation
    level of the host that asks, where it is not the run's. Keys of baselines and reference models hold on any machine
    (`beside_keys`).
    """
    if planned.failure is not None:
        return _digest({"failure": [planned.failure.stage, planned.failure.kind, planned.failure.message]})
    if planned.submission.role is not Role.STUDENT:
        model = () if planned.entry.model is None else (_module_of(planned.entry.model),)
        return _digest(beside_keys.decides_asking(planned, run, model, digests))
    entry, task = planned.entry, run.coursework.task(planned.entry.task)
    decides: dict[str, Any] = {"kind": entry.kind.value}
    if entry.kind is Kind.OUTPUTS:
        specs = {name: [list(s.shape), s.dtype, s.low, s.high] for name, s in (task.outputs or {}).items()}
        decides["outputs"] = specs
    else:
        digests["questions"] = questions.digest(task, entry)
    digests["sandbox sources"] = _inside_digest(planned, run)
    decides |= {"file": entry.file, "isolation": level or run.isolation.level, "trusted": run.trust_code}
    if entry.kind is Kind.WEIGHTS:
        decides |= {"model": entry.model, "options": dict(entry.options)}
    if (deadline := stated(planned)) is not None:
        decides["deadline"] = deadline
    if entry.kind is Kind.CODE:
        digests["code"] = _tree_digest(planned)
        decides["code"] = entry.code
    own = ("questions", "sandbox sources", "checkpoint", "outputs", "code")
    decides |= {"digests": {name: digests[name] for name in own if name in digests}}
    decides |= {"versions": {name: provenance.versions()[name] for name in ("python", "torch", "numpy")}}
    return _digest(decides)


def of_trying(
    planned: Planned, run: Run, questions: str, choices: Sequence[Mapping[str, str]], digests: Mapping[str, str]
) -> str:
    """Return the key of choosing among options by trial: all that decides its answers, and how they are rated.

    `questions` is the digest of the trial's questions; `digests` holds "checkpoint".
    """
    task = run.coursework.task(planned.entry.task)
    deadline = stated(planned)
    return _digest(
        ({} if deadline is None else {"deadline": deadline})
        | {
            "model": [planned.entry.model, digests.get("checkpoint"), [dict(options) for options in choices]],
            "questions": questions,
            "sources": [_inside_digest(planned, run), sources_of(run, task)],
            "judge": run.context.judge.digest,
            "isolation": run.isolation.level,
            "versions": dict(provenance.versions()) | {"gradebench": ""},
        }
    )


def of_opening(planned: Planned, run: Run, digests: Mapping[str, str]) -> str:
    """Return the key of deciding whether weights or the code beside them are opened. `digests` holds "checkpoint"."""
    entry = planned.entry
    by_code = replace(planned, entry=replace(entry, kind=Kind.CODE, model=None))
    return _digest(
        {
            "model": [entry.model, digests.get("checkpoint"), dict(entry.options)],
            "code": [entry.code, entry.file, _tree_digest(planned)],
            "sources": [_inside_digest(planned, run), _inside_digest(by_code, run)],
            "isolation": [run.isolation.level, run.trust_code],
            "versions": {name: provenance.versions()[name] for name in ("python", "torch", "numpy")},
        }
    )


def of_marking(planned: Planned, run: Run, digests: dict[str, str]) -> str:
    """Return the key of marking the answers whose SHA-256 is digests["answers"].

    What else decides it is added to `digests`.
    """
    entry, context = planned.entry, run.context
    task = run.coursework.task(entry.task)
    student = planned.submission.role is Role.STUDENT
    sources = sources_of(run, task) if student else beside_keys.marking_sources(run, task)
    digests |= {"data": context.data.digest, "judge": context.judge.digest, "marking sources": sources}
    if context.second is not None:
        digests["public judge"] = context.second.digest
    if student and context.secret is not None:
        digests["secret seed"] = context.secret.digest
    if task.name in context.official:
        digests["official cases"] = context.official[task.name].digest
    measures = {}
    if getattr(task, "measures_samples", False):
        digests |= {"floors": floors.digest(context.floors)} if context.floors is not None else {}
        measures = {"full": context.full}
    own = ("answers", "data", "judge", "public judge", "official cases", "marking sources", "floors", "secret seed")
    return _digest(
        {
            "task": [task.name, task.protocol],
            "entry": [entry.kind.value, entry.part, entry.model, dict(entry.options)],
            "seed": context.seed,
            **measures,
            "digests": {name: digests[name] for name in own if name in digests},
            "versions": dict(provenance.versions()) | {"gradebench": ""} if student else beside_keys.versions(),
        }
    )


def of_beside(planned: Planned, run: Run, asking: str) -> str:
    """Return the key by which the result of a baseline or reference model is found before its answers are known."""
    return _digest([asking, of_marking(planned, run, {})])


def of_timing(record: Record, run: Run, reference: Sequence[str], machine: str) -> str:
    """Return the key of an entry's timing: the model as it was asked, its reference, the protocol, and the machine.

    `reference` names the reference model: the digest of its weights, and its options.
    """
    return _digest(
        {
            "asked": record.keys["ask"],
            "data": record.digests.get("data", ""),
            "reference": list(reference),
            "protocol": protocol.VERSION,
            "sources": [provenance.sources_digest(_TIMING), sources_of(run, run.coursework.task(record.task))],
            "machine": machine,
        }
    )


def of_scoring(
    planned: Planned,
    run: Run,
    asking: str,
    marking: str,
    compared: Any,
    timing: Timing | None = None,
    decision: Decision | None = None,
) -> str:
    """Return the key of the record itself: marks, the rubric's part, titles, comparison, timing, decision, `--full`."""
    submission, assignment = planned.submission, run.assignment
    return _digest(
        {
            "stages": [asking, marking],
            "part": planned.part.model_dump(mode="json"),
            "assignment": [assignment.name, assignment.title, [part.id for part in assignment.part]],
            "task": run.coursework.task(planned.part.task).title,
            "submission": [
                submission.id,
                submission.name,
                submission.role.value,
                submission.place,
                [*planned.notes, planned.opened],
            ],
            "compared": compared,
            # A record without a timing keeps the key that it had before there were any.
            **({} if timing is None else {"timing": [timing.key, timing.measured_at, timing.status]}),
            **({} if decision is None else {"decision": asdict(decision)}),
            **({"full": True} if run.context.full else {}),
        }
    )


def grader_digest(digests: dict[str, str]) -> str:
    """Return one SHA-256 for all sources that had a part in a result: those inside the sandbox and those that mark."""
    return _digest([digests.get("sandbox sources", ""), digests.get("marking sources", "")])


def _tree_digest(planned: Planned) -> str:
    return planned.copied or intake.tree_digest(planned.submission)


def _inside_digest(planned: Planned, run: Run) -> str:
    """The digest of the sources that run inside the sandbox for an entry, a coursework's own architectures included."""
    entry, coursework = planned.entry, run.coursework
    modules: tuple[str, ...] = _INSIDE
    files: tuple[Path, ...] = ()
    if entry.kind is Kind.WEIGHTS and entry.model is not None:
        if entry.model in coursework.own_architectures and coursework.architectures_file is not None:
            files = (coursework.architectures_file,)
        else:
            modules = (*modules, _module_of(entry.model))
    if entry.kind is Kind.CODE:
        modules = (*modules, *_openings())
    return provenance.sources_digest(modules, files)


@cache
def _module_of(model: str) -> str:
    """The module of a shipped architecture, where one is named so; a submission may name another."""
    from reference import MODELS

    return MODELS[model][0].partition(":")[0] if model in MODELS else "reference"


@cache
def _openings() -> tuple[str, ...]:
    """The modules that open starter layouts in the worker; they are named by strings alone."""
    from harness.starters import STARTERS, starter

    return tuple(starter(name).opening.partition(":")[0] for name in STARTERS)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
