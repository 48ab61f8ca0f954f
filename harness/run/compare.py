"""Compares the entries of a results folder with each other: which are copies of each other, or of a reference model.

It runs after the class is marked, sees the records and the sketches beside them, asks nobody, and runs anew when an
entry comes or goes. An entry of which the task, or its part of the assignment, leaves no freedom is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness import teams
from harness.assignments.coursework import Coursework
from harness.evidence.copied_weights import Other, copied_weights
from harness.likeness.pairs import Alike, Sketch, alike
from harness.rubric import Part
from harness.run import kept
from harness.types import Evidence, Record, Role

Identity = tuple[Role, str, str]
"""Role, submission and part of a record."""
_FILES = ("checkpoint", "outputs")
"""Digests of files that are handed in."""


def identity(record: Record) -> Identity:
    """Return what tells a record from all others of a results folder."""
    return record.role, record.submission, record.part


def compare(
    records: Sequence[Record], results: Path, coursework: Coursework
) -> Mapping[Identity, tuple[Evidence, ...]]:
    """Return the evidence that comparing a folder's records brings for each student's entry; none for most."""
    team_of = _teams(records, results)
    scored = [record for record in records if record.primary is not None and not _at_the_start(record, coursework)]
    entries = [record for record in scored if not _is_fixed(record, coursework) or record.role is not Role.STUDENT]
    owners = [_owner(record, team_of) for record in entries]
    sketches = [_sketched(record, own, results, coursework) for record, own in zip(entries, owners, strict=True)]
    others: dict[int, dict[tuple[str, str, str], Other]] = {}
    for place, other in [*_same_files(entries, owners, coursework), *_alike(entries, alike(sketches))]:
        if entries[place].role is Role.STUDENT:
            # What was found first stands: an equal file says more than likeness does.
            others.setdefault(place, {}).setdefault(other.entry, other)
    return {identity(entries[place]): (copied_weights(list(of.values())),) for place, of in sorted(others.items())}


def _sketched(record: Record, owner: str, results: Path, coursework: Coursework) -> Sketch:
    return Sketch(
        owner,
        f"{record.task}/{record.protocol}/{record.data}/{record.digests.get('data', '')}/{record.seed}",
        kept.load_arrays(results, record),
        fixed=record.role is Role.BASELINE or _is_fixed(record, coursework),
    )


def _teams(records: Sequence[Record], results: Path) -> Mapping[str, str]:
    """The team of each submission that belongs to one; none where the list can't be read, which holds more entries."""
    try:
        return teams.owners(records, teams.kept(results))
    except teams.TeamsError:
        return {}


def _owner(record: Record, team_of: Mapping[str, str]) -> str:
    """Whoever answers for an entry: a student, or a team. Shipped models are one owner, since they are no copies of
    each other.
    """
    if record.role is not Role.STUDENT:
        return f"{record.role.value}/"
    if record.submission in team_of:
        return f"team/{team_of[record.submission]}"
    return f"{record.role.value}/{record.submission}"


def _same_files(
    entries: Sequence[Record], owners: Sequence[str], coursework: Coursework
) -> Iterator[tuple[int, Other]]:
    """The place of each entry with another owner's entry that has the same file."""
    by_file: dict[str, list[int]] = {}
    for place, record in enumerate(entries):
        for digest in {record.digests[name] for name in _FILES if name in record.digests}:
            if not _is_fixed(record, coursework):
                by_file.setdefault(digest, []).append(place)
    for places in by_file.values():
        # Made once each: a whole class may hand in the starter's file.
        described = [(owners[place], Other(_named(entries[place]), _shown(entries[place]))) for place in places]
        for place in places:
            yield from ((place, other) for owner, other in described if owner != owners[place])


def _alike(entries: Sequence[Record], found: Mapping[int, Sequence[Alike]]) -> Iterator[tuple[int, Other]]:
    for place, others in found.items():
        for one in others:
            other, kind = entries[one.other], one.kind
            yield place, Other(_named(other), _shown(other), kind.title, one.distance, kind.threshold, kind.unit)


def _named(record: Record) -> tuple[str, str, str]:
    return record.role.value, record.submission, record.part


def _shown(record: Record) -> str:
    if record.role is not Role.STUDENT:
        return f"the shipped reference {record.submission}"
    return record.submission if record.name in ("", record.submission) else f"{record.name} ({record.submission})"


def _at_the_start(record: Record, coursework: Coursework) -> bool:
    """Tell an entry that was saved before any training: its weights are the seed's."""
    part = _part(record, coursework)
    return record.epochs == 0 or (part is not None and part.epochs == 0)


def _is_fixed(record: Record, coursework: Coursework) -> bool:
    """Tell an entry whose answers follow from data and task alone: its architecture, or all of its part's, say so."""
    part = _part(record, coursework)
    models = [record.model] if record.model is not None else list(part.models) if part is not None else []
    return bool(models) and all(_is_determined(model, coursework) for model in models)


def _part(record: Record, coursework: Coursework) -> Part | None:
    return next((part for part in coursework.assignment.part if part.id == record.part), None)


def _is_determined(model: str, coursework: Coursework) -> bool:
    try:
        return coursework.description(model).determined
    except LookupError:
        return False
