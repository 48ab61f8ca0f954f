"""Planned entries, as the tests of runs need them."""

from __future__ import annotations

from harness.run.plan import Planned
from harness.run.settings import Run
from harness.types import Entry, Kind, Role, Submission


def planned_of(run: Run, name: str, part: int = 0, role: Role = Role.STUDENT) -> Planned:
    """An entry by code of a submission, for one of the parts of the run's assignment."""
    chosen = run.assignment.part[part]
    entry = Entry(chosen.task, Kind.CODE, chosen.id, code="model.py:load")
    return Planned(Submission(name, name, run.results, (entry,), role=role), entry, chosen)
