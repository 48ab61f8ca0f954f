"""Verifies records: grades hand-ins again, into another folder, and compares what is measured then with the records.

On the same machine, with the same versions, isolation and sources, every number must be equal. Where one of these
differs, numbers may differ by rounding: by what a metric states (`Metric.tolerance`), or else by a twentieth of its
95 % interval or a thousandth of its value, whichever is more, since rounding is far smaller than chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.numbers import plain_number
from harness.run.plan import Plan, plans
from harness.run.settings import Run
from harness.types import Evidence, Metric, Record, Role, Status, Submission

RELATIVE = 1e-3
"""Share of a value by which it may differ between machines."""
OF_INTERVAL = 0.05
"""Share of the 95 % interval by which a value may differ between machines."""
LEAST = 1e-9
"""Difference that is always allowed between machines: errors of formulas are rounding alone."""
HANDED_IN = ("checkpoint", "outputs", "code")
"""Digests of what was handed in."""
ASKED_WITH = ("data", "judge", "public judge", "official cases", "floors", "secret seed")
"""Digests of what an entry is measured with; where one differs, numbers can't be compared."""
_SOURCES = ("sandbox sources", "marking sources")


@dataclass(frozen=True)
class Difference:
    """A number, or another part of a verdict, that is not what was recorded."""

    what: str
    recorded: str
    now: str
    allowed: str


@dataclass(frozen=True)
class Verified:
    """The outcome for one record."""

    record: Record
    outcome: Literal["equal", "differs", "not verified"]
    reason: str = ""
    """Why it could not be verified."""
    differences: tuple[Difference, ...] = ()
    otherwise: tuple[str, ...] = ()
    """Differences of the circumstances, such as versions; empty where numbers must be equal."""


def chosen(known: Sequence[Record], only: Sequence[str] = (), sample: int | None = None, seed: int = 0) -> list[Record]:
    """Choose the records to verify: those of students' hand-ins, of some submissions, or so many drawn by chance."""
    found = [
        record
        for record in known
        if record.role is Role.STUDENT and record.status is not Status.NOT_HANDED_IN
        if not only or record.submission in only
    ]
    if sample is None or sample >= len(found):
        return found
    drawn = np.random.default_rng(seed).choice(len(found), sample, replace=False)
    return [found[index] for index in sorted(drawn.tolist())]


def planned_again(known: Sequence[Record], submissions: Sequence[Submission], run: Run) -> list[Plan]:
    """Plan the entries of records again, from hand-ins that may lie elsewhere now; those that none is of are left out.

    A hand-in is found by its place, then by its id. Nothing is timed.
    """
    by_place = {one.place: one for one in submissions if one.place}
    by_id = {one.id: one for one in submissions}
    wanted: dict[str, set[str]] = {}
    own: dict[str, Submission] = {}
    for record in known:
        found = by_place.get(record.place) or by_id.get(record.submission)
        if found is not None:
            wanted.setdefault(record.submission, set()).add(record.part)
            own[record.submission] = replace(found, id=record.submission)
    result: list[Plan] = []
    for plan in plans(list(own.values()), replace(run, beside="none", only=frozenset(), tasks=frozenset())):
        chosen_parts = [
            replace(each, part=each.part.model_copy(update={"timing": []}))
            for each in plan
            if each.part.id in wanted[each.submission.id]
        ]
        if chosen_parts:
            result.append(chosen_parts)
    return result


def compared(record: Record, now: Record | None) -> Verified:
    """Compare a record with the same hand-in's grading now; None where no hand-in was found."""
    if now is None:
        return Verified(record, "not verified", "no hand-in of it was found in the paths")
    if problem := _not_comparable(record, now):
        return Verified(record, "not verified", problem, otherwise=_otherwise(record, now))
    otherwise = _otherwise(record, now)
    differences = tuple(_differences(record, now, exact=not otherwise))
    return Verified(record, "differs" if differences else "equal", "", differences, otherwise)


def allowed(recorded: Metric, now: Metric) -> float:
    """Return the largest difference of a metric between two machines."""
    if recorded.tolerance is not None:
        return recorded.tolerance
    widths = [one.high - one.low for one in (recorded, now) if one.high is not None and one.low is not None]
    return max(RELATIVE * abs(recorded.value or 0.0), OF_INTERVAL * max(widths, default=0.0), LEAST)


def _not_comparable(record: Record, now: Record) -> str:
    """The reason that two gradings can't be compared; empty where they can."""
    for one, when in ((now, "now"), (record, "when it was recorded")):
        if one.status is Status.NOT_GRADABLE:
            said = f": {one.failure.message}" if one.failure is not None else ""
            return f"it could not be graded {when}{said}"
    if now.status is Status.NOT_HANDED_IN:
        return "the part is no longer in the hand-in"
    changed = [name for name in HANDED_IN if record.digests.get(name) != now.digests.get(name)]
    both_scored = record.status is now.status is Status.SCORED
    # Of a hand-in that failed early, nothing was digested.
    if changed and (both_scored or all(name in record.digests and name in now.digests for name in changed)):
        return f"the hand-in has changed since: another {' and '.join(changed)}"
    if (record.kind, record.model) != (now.kind, now.model):
        return "the hand-in has changed since: its manifest names another kind or model"
    both = [name for name in ASKED_WITH if name in record.digests and name in now.digests]
    if other := [name for name in both if record.digests[name] != now.digests[name]]:
        return f"graded with another {' and '.join(other)}: give those of then"
    if record.data != now.data:
        return f"graded on other data: {record.data}, now {now.data}"
    return ""


def _otherwise(record: Record, now: Record) -> tuple[str, ...]:
    """Differences that may change numbers by rounding, or on purpose, in short sentences."""
    found = [
        f"{name} {record.versions.get(name, 'none')}, now {now.versions.get(name, 'none')}"
        for name in sorted({*record.versions, *now.versions})
        if record.versions.get(name) != now.versions.get(name)
    ]
    if record.isolation != now.isolation:
        found.append(f"isolation {record.isolation}, now {now.isolation}")
    found += [f"other {name}" for name in _SOURCES if record.digests.get(name) != now.digests.get(name)]
    if not record.machine or record.machine != now.machine:
        found.append(f"processor {record.machine or 'not recorded'}, now {now.machine or 'unknown'}")
    return tuple(found)


def _differences(record: Record, now: Record, exact: bool) -> Iterator[Difference]:
    if record.status is not now.status or _failure(record) != _failure(now):
        yield Difference("outcome", _failure(record), _failure(now), "equal")
        return
    yield from _of_metrics(record.metrics, now.metrics, exact)
    yield from _of_evidence(record.evidence, now.evidence)
    for name in sorted({*record.gates, *now.gates}):
        held = [
            "absent" if gate is None else "holds" if gate.holds else "shut"
            for gate in (record.gates.get(name), now.gates.get(name))
        ]
        if held[0] != held[1]:
            yield Difference(f"gate {name}", held[0], held[1], "equal")
    if record.timing is None:
        was, is_ = _points(record), _points(now)
        if was != is_:
            yield Difference("points for the answers", was, is_, "equal")


def _of_metrics(recorded: Mapping[str, Metric], now: Mapping[str, Metric], exact: bool) -> Iterator[Difference]:
    for name in sorted({*recorded, *now}):
        one, other = recorded.get(name), now.get(name)
        if one is None or other is None:
            was, is_ = ("absent" if metric is None else _shown(metric) for metric in (one, other))
            yield Difference(name, was, is_, "equal")
        elif one.version != other.version:
            yield Difference(name, f"metric version {one.version}", f"metric version {other.version}", "equal")
        elif one.value is None or other.value is None:
            if one.value != other.value:
                yield Difference(name, _shown(one), _shown(other), "equal")
        else:
            most = 0.0 if exact else allowed(one, other)
            if abs(one.value - other.value) > most:
                yield Difference(name, _shown(one), _shown(other), f"± {most:.3g}" if most else "equal")


def _of_evidence(recorded: Sequence[Evidence], now: Sequence[Evidence]) -> Iterator[Difference]:
    states = [{one.name: one.state for one in evidence} for evidence in (recorded, now)]
    for name in sorted({*states[0], *states[1]}):
        was, is_ = (state.get(name, "absent") for state in states)
        if was != is_:
            yield Difference(f"evidence {name}", was, is_, "equal")


def _points(record: Record) -> str:
    """The points that the answers earn, before flags, the class and the instructor."""
    score = record.by_rubric if record.decision is not None else record.score
    if score is None or score.unconditional is None:
        return "none"
    return plain_number(score.unconditional[0], short=True)


def _failure(record: Record) -> str:
    failure = record.failure
    return record.status.value + (f" ({failure.stage}, {failure.kind})" if failure is not None else "")


def _shown(metric: Metric) -> str:
    return "none" if metric.value is None else repr(metric.value)
