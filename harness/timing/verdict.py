"""Concludes from what was measured: void, not measurable, or a timing with its metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from harness.secret import Secret
from harness.timing import audit, operations, protocol, statistics
from harness.timing.order import AGAIN, ENTRY, REFERENCE
from harness.timing.statistics import Estimate
from harness.types import Failure, GradingError, Metric, Timing

if TYPE_CHECKING:
    from harness.timing.measure import Machine, Measured, Subject


def failed(failure: Failure, when: str, *, harness: bool = False) -> Timing:
    """Return the timing of an entry that, or whose reference, could not be asked."""
    if harness or failure.fault == "harness":
        return Timing("not-measurable", f"It could not be timed: {failure.message}")
    return Timing("void", f"The model failed {when}: {failure.message}", "submission")


def conclude(subject: Subject, reference: str, machine: Machine, measured: Measured, secret: Secret) -> Timing:
    """Check what was timed, and give it as metrics with intervals."""
    plan = measured.plan
    said = Timing(
        "measured",
        "",
        reference=reference,
        processes=protocol.ROUNDS,
        calls=protocol.ROUNDS * plan.calls,
        questions=plan.rows,
        machine=machine.name,
        seed=secret.digest,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        objection = audit.objection(subject, measured, secret)
        if objection is not None:
            status, reason = objection
            return replace(said, status=status, reason=reason, fault="submission")
        question = measured.questions[0][0].question
        work = None
        if subject.architecture is not None:
            work = machine.work(*subject.architecture, question)
        wire_seconds = machine.wire_seconds(question)
    except GradingError as error:
        # Nothing is asked here but by the harness's own model.
        return replace(said, status="not-measurable", reason=f"It could not be timed: {error.failure.message}")
    first, second = measured.seconds(REFERENCE), measured.seconds(AGAIN)
    generator = secret.numbers("intervals")
    ratio = statistics.log_ratio(measured.seconds(ENTRY), first, second, generator, protocol.RESAMPLES)
    control = statistics.log_control(first, second, generator, protocol.RESAMPLES)
    own = statistics.log_time(measured.seconds(ENTRY), generator, protocol.RESAMPLES)
    theirs = statistics.log_time(np.concatenate([first, second], axis=1), generator, protocol.RESAMPLES)
    if work is not None and np.exp(own.value) * machine.peak * protocol.PEAK_MARGIN < work.operations:
        reason = (
            f"A call took {1e3 * np.exp(own.value):.3g} ms, less than its {work.operations:.3g} floating-point "
            f"operations take at this machine's peak of {machine.peak / 1e9:.3g} billion in a second."
        )
        return replace(said, status="void", reason=reason, fault="submission")
    metrics = _metrics(measured, own, ratio, work, lambda times: statistics.log_time(times, generator, 1000))
    told_apart = statistics.told_apart(ratio, control, protocol.LEVEL)
    said = replace(
        said,
        metrics=metrics,
        reference_milliseconds=_milliseconds(theirs, "time of the reference model for a call", first.size * 2),
        control=_ratio(control, "reference model against itself", first.size),
        told_apart=told_apart,
        error=ratio.error,
        wire_milliseconds=1e3 * wire_seconds,
    )
    share = wire_seconds / float(np.exp(own.value))
    if share > protocol.WIRE_SHARE:
        reason = (
            f"{min(share, 1):.0%} of a call's {1e3 * np.exp(own.value):.3g} ms is the cost of sending the question and "
            f"its answer; over {protocol.WIRE_SHARE:.0%}, the time says little about the model."
        )
        return replace(said, status="not-measurable", reason=reason, told_apart=False)
    return said


def _metrics(
    measured: Measured,
    own: Estimate,
    ratio: Estimate,
    work: operations.Work | None,
    estimate: Callable[[statistics.Times], Estimate],
) -> dict[str, Metric]:
    plan, n = measured.plan, protocol.ROUNDS * measured.plan.calls
    metrics = {
        "times_reference": _ratio(ratio, "time relative to the reference", n),
        "milliseconds": _milliseconds(own, _of_rows("time of a call", plan.rows), n),
    }
    if plan.singles:
        single = estimate(measured.seconds(ENTRY, single=True))
        metrics["milliseconds_single"] = _milliseconds(single, _of_rows("time of a call", 1), n)
    elif plan.rows == 1:
        metrics["milliseconds_single"] = metrics["milliseconds"]
    low, value, high = (float(plan.rows / np.exp(end)) for end in (own.high, own.value, own.low))
    metrics["throughput"] = Metric(value, "rows/s", "higher", n, low, high, title="throughput")
    if work is not None:
        metrics["parameters"] = Metric(float(work.parameters), "", "lower", 1, title="parameters")
        if work.operations:
            title = _of_rows("floating-point operations of a call", plan.rows)
            metrics["floating_point_operations"] = Metric(float(work.operations), "", "lower", 1, title=title)
    memory = [process.memory for process in measured.processes[ENTRY] if process.memory is not None]
    if memory:
        metrics["peak_memory"] = Metric(max(memory) / 1e6, "MB", "lower", len(memory), title="peak memory")
    return metrics


def _of_rows(title: str, rows: int) -> str:
    return f"{title} with {rows} row{'s' * (rows > 1)}"


def _milliseconds(found: Estimate, title: str, n: int) -> Metric:
    value, low, high = (1e3 * float(np.exp(end)) for end in (found.value, found.low, found.high))
    return Metric(value, "milliseconds", "lower", n, low, high, title=title)


def _ratio(found: Estimate, title: str, n: int) -> Metric:
    value, low, high = (float(np.exp(end)) for end in (found.value, found.low, found.high))
    return Metric(value, "ratio", "lower", n, low, high, title=title)
