"""Times the models of a class, one after the other, once everything else is graded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from harness import provenance
from harness.run import hand_in, kept, keys, references, way
from harness.run.ask import harness_failure
from harness.run.identity import identity
from harness.run.plan import Plan, Planned
from harness.run.questions import Questions
from harness.run.score import asked_of, marked_of, record_of
from harness.run.settings import Run
from harness.run.trial import choice_of
from harness.run.workers import weights_workers
from harness.sandbox.outside import Session, WeightsWorkers, Worker
from harness.tasks.base import TimedTask
from harness.timing import calls, core, protocol
from harness.timing.calls import Open
from harness.timing.measure import Machine, Reference, Subject, timed
from harness.types import Entry, GradingError, Kind, Record, Role, Status, Submission, Timing, refuse

OnTiming = Callable[[Record, int, int], None]
"""Called with each record that is timed next, how many were timed before it, and how many are in all."""

NO_MODEL = "Answers alone were handed in: there is no model whose time could be measured."


def time_class(
    graded: Sequence[Record],
    planned: Sequence[Plan],
    run: Run,
    questions: Questions,
    on_timing: OnTiming | None = None,
) -> list[Record]:
    """Time the scored entries of students whose parts are timed, and score them again; all records, in their order.

    To be called when nothing else runs. An entry whose timing's key has not changed is not timed again, but where its
    time could not be measured or left points open.
    """
    entries = {each.identity: each for plan in planned for each in plan}
    with ExitStack() as stack:
        stage = _Stage(run, questions, stack)
        waiting = [
            record.keys["ask"] != "" and stage.is_due(record, entries.get(identity(record))) for record in graded
        ]
        result, done = [], 0
        for record, due in zip(graded, waiting, strict=True):
            if not due:
                result.append(record)
                continue
            if on_timing is not None:
                on_timing(record, done, sum(waiting))
            result.append(stage.timed(record, entries[identity(record)]))
            done += 1
    return result


@dataclass(frozen=True)
class _Shipped:
    """A shipped reference model, and what it is known by."""

    submission: Submission
    entry: Entry
    content: bytes

    @property
    def known_by(self) -> list[str]:
        options = sorted(f"{name}={value}" for name, value in self.entry.options.items())
        return [self.submission.id, hashlib.sha256(self.content).hexdigest(), *options]


class _Stage:
    """Times entries on one core, with reference models that are opened in sandboxes on the same core."""

    def __init__(self, run: Run, questions: Questions, stack: ExitStack) -> None:
        self._run, self._questions, self._stack = run, questions, stack
        self._machine: Machine | None = None
        self._workers: WeightsWorkers | None = None
        self._shipped: dict[str, _Shipped] = {}

    def is_due(self, record: Record, planned: Planned | None) -> bool:
        """Tell whether an entry is to be timed now."""
        run = self._run
        if planned is None or record.role is not Role.STUDENT or record.status is not Status.SCORED:
            return False
        if planned.part.earlier_of:
            return False
        task = run.coursework.task(record.task)
        if not (run.timing or planned.part.timing) or not isinstance(task, TimedTask) or not task.time_reference:
            return False
        former = record.timing
        if former is None or run.fresh or former.key != self._key(record, task):
            return True
        # What the harness failed at, or a noisy hour left open, is tried again.
        open_points = record.score is not None and record.score.open_points > 0
        return open_points or (former.status == "not-measurable" and former.fault == "harness" and not former.metrics)

    def timed(self, record: Record, planned: Planned) -> Record:
        """The record with its timing, scored again."""
        with hand_in.Copies() as copies:
            return self._timed(record, planned, copies)

    def _timed(self, record: Record, planned: Planned, copies: hand_in.Copies) -> Record:
        task, planned = self._run.coursework.task(record.task), way.again(planned, record)
        if not isinstance(task, TimedTask):
            raise TypeError(f"{record.task} is not timed")
        planned = replace(planned, entry=replace(planned.entry, options=record.options))
        try:
            handed_in = hand_in.HandIn.of(planned, copies)
            handed_in.read()
            if handed_in.planned.failure is not None:
                raise GradingError(handed_in.planned.failure)
            _refuse_changed(record, handed_in)
            found = self._timing(record, handed_in.planned, handed_in.content or b"", task)
        except GradingError as error:
            found = Timing("not-measurable", f"It could not be timed: {error.failure.message}")
        except Exception as error:  # one entry's trouble is never another's
            found = Timing("not-measurable", harness_failure(error).message)
        versions = {name: provenance.versions()[name] for name in ("python", "torch", "numpy")}
        found = replace(
            found,
            machine=core.processor(),
            key=self._key(record, task),
            versions={"protocol": str(protocol.VERSION), **versions},
        )
        changed = replace(record, timing=found)
        stage_keys = {stage: key for stage, key in record.keys.items() if stage != "score"}
        asked, marked, digests = asked_of(changed), marked_of(changed), dict(record.digests)
        try:
            return record_of(planned, self._run, asked, marked, digests, stage_keys, changed, choice_of(changed))
        except OSError:  # a full disk, say: the next run tries again
            return changed

    def _timing(self, record: Record, planned: Planned, content: bytes, task: TimedTask) -> Timing:
        if planned.entry.kind is Kind.OUTPUTS:
            return Timing("not-measurable", NO_MODEL, "submission")
        if self._machine is None:
            self._machine = Machine(self._run.isolation)
        shipped = self._reference(task.time_reference)
        reference = Reference(shipped.submission.name, self._weights(shipped.entry, shipped.content))
        return timed(self._subject(record, planned, content, task), reference, self._machine)

    def _subject(self, record: Record, planned: Planned, content: bytes, task: TimedTask) -> Subject:
        run, entry = self._run, planned.entry
        primary = record.metrics[record.primary] if record.primary is not None else None
        better: Literal["higher", "lower"] = primary.better if primary is not None else "higher"
        code = entry.kind is Kind.CODE
        whole = run.coursework.task(record.task)
        return Subject(
            task,
            run.context,
            entry,
            self._code(planned) if code else self._weights(entry, content),
            _scores(kept.load_arrays(run.results, record)),
            better,
            lambda: self._questions.of(whole, entry),
            record.timings.get("answers", 0.0),
            code,
            None if code else self._architecture(entry),
        )

    def _code(self, planned: Planned) -> Open:
        run, entry = self._run, planned.entry

        def opened() -> Session:
            # Without the run's pulse, which costs time while the clock runs.
            worker = Worker(run.isolation, limits=run.code_limits, trust_code=run.trust_code)
            root = planned.submission.root
            return calls.opened(worker, lambda fresh: fresh.open_code(root, entry.code or "", entry.file))

        return opened

    def _weights(self, entry: Entry, content: bytes) -> Open:
        if self._workers is None:
            self._workers = self._stack.enter_context(weights_workers(self._run))
        workers = self._workers

        def opened() -> Session:
            name = entry.file or entry.part
            return calls.opened(
                workers.worker(self._run.limits),
                lambda fresh: fresh.open_weights(entry.model or "", entry.options, content, name),
            )

        return opened

    def _architecture(self, entry: Entry) -> tuple[object, Callable[[], nn.Module]] | None:
        """Name and constructor of an entry's architecture, where the submission does not decide its sizes."""
        architecture = self._run.coursework.architecture(entry.model or "")
        if architecture.adapt is not None:
            return None
        return (entry.model, *sorted(entry.options.items())), lambda: architecture.build(entry.options)

    def _reference(self, name: str) -> _Shipped:
        if name not in self._shipped:
            found = next((one for one in references.submissions() if one.id == name), None)
            if found is None:
                raise LookupError(f"there is no reference model {name!r}")
            entry = found.entries[0]
            self._shipped[name] = _Shipped(found, entry, hand_in.content_of(found, entry))
        return self._shipped[name]

    def _key(self, record: Record, task: TimedTask) -> str:
        return keys.of_timing(record, self._run, self._reference(task.time_reference).known_by, core.processor())


def _refuse_changed(record: Record, handed_in: hand_in.HandIn) -> None:
    """Raise GradingError where the files are no longer those that were graded."""
    found = dict(handed_in.digests)
    if handed_in.planned.entry.kind is Kind.CODE:
        found["code"] = handed_in.planned.copied
    for name, digest in found.items():
        if record.digests.get(name) != digest:
            message = "Files of the submission were changed since they were graded; grade it again."
            raise refuse("intake", "changed", message)


def _scores(arrays: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(arrays.get("scores", np.empty(0)), dtype=np.float64)
