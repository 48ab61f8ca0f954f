"""Estimates how long a run will take from what its entries took so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from harness.run.plan import Plan, Planned

Kind = tuple[str, ...]
"""Entries of one kind are taken to need about the same time."""


def kind_of(planned: Planned) -> Kind:
    """Return the kind of an entry: task, way of handing in and model; a baseline or reference is one of its own."""
    submission, entry = planned.submission, planned.entry
    own = submission.id if submission.role.value != "student" else ""
    return submission.role.value, own, entry.task, entry.kind.value, entry.model or ""


class Remaining:
    """The time that is left of a run.

    An entry is taken to need the median of the time that others of its kind needed; where none has been seen yet, of
    those of its task that are students', reference models' or baselines', as it is; where none of these either, nothing
    is known of it, and the estimate is a lower bound.
    """

    def __init__(self, plans: Sequence[Plan], jobs: int) -> None:
        self._waiting = {id(planned): planned for plan in plans for planned in plan if planned.failure is None}
        self._jobs = max(1, jobs)
        self._took: dict[Kind, list[float]] = defaultdict(list)

    def done(self, planned: Planned, seconds: float | None) -> None:
        """Take an entry as done, after so many seconds; None where it was known and tells nothing about others."""
        self._waiting.pop(id(planned), None)
        if seconds is not None:
            self._took[kind_of(planned)].append(seconds)
            self._took[_wider(planned)].append(seconds)

    def left(self, running: Iterable[tuple[Planned, float]]) -> tuple[float, bool]:
        """Estimate the seconds that are left, and tell whether there may be more: True for a lower bound.

        `running` are the entries at work, with the seconds that each has taken. One that has taken longer than others
        of its kind is not said to be nearly done: it will need a quarter more than it has had at least.
        """
        elapsed = {id(planned): seconds for planned, seconds in running}
        needs = []
        unknown = False
        for planned in self._waiting.values():
            seen = self._took.get(kind_of(planned)) or self._took.get(_wider(planned))
            had = elapsed.get(id(planned), 0.0)
            unknown |= not seen or had > median(seen)
            needs.append(max(median(seen) - had if seen else 0.0, had / 4))
        return max([sum(needs) / self._jobs, *needs]) if needs else 0.0, unknown


def _wider(planned: Planned) -> Kind:
    return planned.submission.role.value, planned.entry.task
