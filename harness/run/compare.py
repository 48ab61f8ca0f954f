"""Compares the entries of a results folder with each other: which are copies of each other, or of a reference model.

It runs after the class is marked, sees the records and the sketches beside them, asks nobody, and runs anew when an
entry comes or goes. Entries of earlier classes are compared with where their results folders are named, and shipped
models whether or not they are graded beside the class. An entry of which the task, or its part of the assignment,
leaves no freedom is not compared; of one whose answers alone have none, only the files are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import records as stored
from harness import teams
from harness.assignments.coursework import Coursework
from harness.evidence.copied_weights import Other, copied_weights
from harness.likeness.pairs import Alike, Sketch, alike
from harness.rubric import Part
from harness.run import beside_results, kept
from harness.run.identity import Identity, identity
from harness.types import Array, Evidence, Record, Role
from reference.listing import Description

_FILES = ("checkpoint", "outputs")
"""Digests of files that are handed in."""


@dataclass(frozen=True)
class _Entry:
    """An entry that is compared."""

    record: Record
    owner: str
    """Whoever answers for it; entries of one owner are no pair."""
    arrays: Mapping[str, Array]
    named: tuple[str, str, str]
    """Role, submission and part, as evidence names it."""
    shown: str
    """Its name in a sentence."""
    present: bool = True
    """True for an entry of the results folder itself, which evidence may stand with."""


def compare(
    records: Sequence[Record],
    results: Path,
    coursework: Coursework,
    earlier: Sequence[Path] = (),
    shipped: bool = True,
) -> Mapping[Identity, tuple[Evidence, ...]]:
    """Return the evidence that comparing a folder's records brings for each student's entry; none for most.

    Parameters
    ----------
    earlier : results folders of other classes, whose entries it is compared with, too
    shipped : compare with shipped models that the folder has no records of, too
    """
    found = [*_present(records, results), *(_shipped(records) if shipped else ()), *_of_earlier(earlier)]
    entries = [entry for entry in found if _is_compared(entry.record, coursework)]
    fixed = [_is_fixed(entry.record, coursework) for entry in entries]
    sketches = [_sketched(entry, own, coursework) for entry, own in zip(entries, fixed, strict=True)]
    others: dict[int, dict[tuple[str, str, str], Other]] = {}
    for place, other in [*_same_files(entries, fixed), *_alike(entries, alike(sketches))]:
        if entries[place].present and entries[place].record.role is Role.STUDENT:
            # What was found first stands: an equal file says more than likeness does.
            others.setdefault(place, {}).setdefault(other.entry, other)
    return {
        identity(entries[place].record): (copied_weights(list(of.values())),) for place, of in sorted(others.items())
    }


def _present(records: Sequence[Record], results: Path) -> Iterator[_Entry]:
    """The entries of the results folder itself."""
    team_of = _teams(records, results)
    for record in records:
        named = record.role.value, record.submission, record.part
        arrays = kept.load_arrays(results, record) if record.primary is not None else {}
        yield _Entry(record, _owner(record, team_of), arrays, named, _shown(record))


def _shipped(records: Sequence[Record]) -> Iterator[_Entry]:
    """Shipped results of reference models and baselines that the results folder has none of."""
    present = {(record.role, record.submission, record.task) for record in records}
    tasks = {record.task for record in records if record.role is Role.STUDENT and record.primary is not None}
    for task in sorted(tasks):
        for result in beside_results.shipped(task):
            record = result.record
            if (record.role, record.submission, record.task) not in present:
                arrays = kept.arrays_of(result.files.get("arrays.npz", b""))
                named = record.role.value, record.submission, ""
                yield _Entry(record, f"{record.role.value}/", arrays, named, _shown(record), present=False)


def _of_earlier(folders: Sequence[Path]) -> Iterator[_Entry]:
    """The students' entries of earlier classes. Who takes a course again, and hands in the same work, is a pair."""
    for folder in folders:
        for record in stored.load_all(folder).records:
            if record.role is Role.STUDENT and record.primary is not None:
                # One text for both, so that pages that may not tell it find it in the sentence.
                shown = f"{_shown(record)} of {folder.name}"
                named = record.role.value, shown, record.part
                owner = f"{folder}/{record.submission}"
                yield _Entry(record, owner, kept.load_arrays(folder, record), named, shown, present=False)


def _is_compared(record: Record, coursework: Coursework) -> bool:
    """Tell an entry with a result, and with freedom in it; models and answers that are fixed explain likeness."""
    if record.primary is None or _at_the_start(record, coursework):
        return False
    return record.role is not Role.STUDENT or not _is_fixed(record, coursework)


def _sketched(entry: _Entry, fixed: bool, coursework: Coursework) -> Sketch:
    record = entry.record
    one_answer = _all_models(record, coursework, lambda described: described.converging)
    return Sketch(
        entry.owner,
        f"{record.task}/{record.protocol}/{record.data}/{record.digests.get('data', '')}/{record.seed}",
        {} if one_answer else entry.arrays,
        fixed=record.role is Role.BASELINE or fixed,
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


def _same_files(entries: Sequence[_Entry], fixed: Sequence[bool]) -> Iterator[tuple[int, Other]]:
    """The place of each entry with another owner's entry that has the same file."""
    by_file: dict[str, list[int]] = {}
    for place, (entry, own) in enumerate(zip(entries, fixed, strict=True)):
        digests = entry.record.digests
        for digest in {digests[name] for name in _FILES if name in digests}:
            if not own:
                by_file.setdefault(digest, []).append(place)
    for places in by_file.values():
        # Made once each: a whole class may hand in the starter's file.
        described = [(entries[place].owner, Other(entries[place].named, entries[place].shown)) for place in places]
        for place in places:
            yield from ((place, other) for owner, other in described if owner != entries[place].owner)


def _alike(entries: Sequence[_Entry], found: Mapping[int, Sequence[Alike]]) -> Iterator[tuple[int, Other]]:
    for place, others in found.items():
        for one in others:
            other, kind = entries[one.other], one.kind
            yield place, Other(other.named, other.shown, kind.title, one.distance, kind.threshold, kind.unit)


def _shown(record: Record) -> str:
    if record.role is not Role.STUDENT:
        return f"the shipped reference {record.submission}"
    return record.submission if record.name in ("", record.submission) else f"{record.name} ({record.submission})"


def _at_the_start(record: Record, coursework: Coursework) -> bool:
    """Tell an entry that was saved before any training: its weights are the seed's."""
    part = _part(record, coursework)
    return record.epochs == 0 or (part is not None and part.epochs == 0)


def _is_fixed(record: Record, coursework: Coursework) -> bool:
    """Tell an entry whose weights follow from data and task alone."""
    return _all_models(record, coursework, lambda described: described.determined)


def _all_models(record: Record, coursework: Coursework, told: Callable[[Description], bool]) -> bool:
    """Tell an entry of which its architecture, or all of its part's, say something of themselves."""
    part = _part(record, coursework)
    models = [record.model] if record.model is not None else list(part.models) if part is not None else []
    return bool(models) and all(_says(model, coursework, told) for model in models)


def _part(record: Record, coursework: Coursework) -> Part | None:
    return next((part for part in coursework.assignment.part if part.id == record.part), None)


def _says(model: str, coursework: Coursework, told: Callable[[Description], bool]) -> bool:
    try:
        return told(coursework.description(model))
    except LookupError:
        return False
