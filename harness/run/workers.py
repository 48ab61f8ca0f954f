"""Sandboxed workers of a run: what they know, what limits them, and that they end where the run is to stop."""

from __future__ import annotations

from harness.run.settings import Run
from harness.sandbox.outside import Limits, Session, WeightsWorkers, Worker
from harness.sandbox.outside.registries import REGISTRY


def weights_workers(run: Run) -> WeightsWorkers:
    """Return workers that know gradebench's architectures and those of the run's coursework."""
    own = run.coursework.architectures_file
    registries = (REGISTRY,) if own is None else (REGISTRY, f"{own}:ARCHITECTURES")
    return WeightsWorkers(run.isolation, registries=registries)


def for_weights(run: Run, warm: WeightsWorkers, limits: Limits | None = None) -> Session:
    """Return a worker that opens weights or answers; `limits` in place of the run's."""
    return _stopped_with(run, warm.worker(limits or run.limits))


def for_code(run: Run, limits: Limits | None = None) -> Worker:
    """Return a worker that opens student code; `limits` in place of the run's."""
    worker = Worker(run.isolation, limits=limits or run.code_limits, trust_code=run.trust_code)
    _stopped_with(run, worker)
    return worker


def _stopped_with(run: Run, worker: Session) -> Session:
    worker.pulse = run.activity.pulse
    return worker
