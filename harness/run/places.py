"""Keeps the records of one place from being overwritten by another's: an id belongs to a platform's seat or a folder.

A results folder remembers the place of each record. A submission that claims an id whose records are of another place
falls back to the id that its own place gives; where that is taken, too, by a class of another root, nothing is graded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness import records
from harness.run.settings import Run
from harness.types import Role, Submission


class PlaceError(Exception):
    """Two places claim the same records; the message says which, and what to write."""


def placed(submissions: Sequence[Submission], run: Run) -> list[Submission]:
    """Return the submissions under ids whose records are theirs.

    Raises PlaceError where the records of a name are those of another class's folder.
    """
    ids = {one.place: one.id for one in submissions if one.place}
    return [_placed(submission, run, ids) for submission in submissions]


def _placed(submission: Submission, run: Run, ids: Mapping[str, str]) -> Submission:
    if submission.role is not Role.STUDENT or run.moved or not _other_places(submission.id, submission.place, run, ids):
        return submission
    own = submission.folder_id or submission.id
    taken = {one.casefold() for one in ids.values()}
    if own != submission.id and own.casefold() not in taken and not _other_places(own, submission.place, run, ids):
        note = f'The id "{submission.id}" has records of another hand-in here; this one became "{own}".'
        return replace(submission, id=own, notes=(*submission.notes, note))
    raise PlaceError(
        f'{run.results} holds records of another "{submission.id}", from another folder. If these are the same '
        "students and the folder has moved, add --moved; if this is another class, grade it into a folder of its own "
        "with --results FOLDER."
    )


def _other_places(identity: str, place: str, run: Run, ids: Mapping[str, str]) -> bool:
    """Tell whether records of an id are of another place, but for one that has another id now (`ids`, by place)."""
    for path in records.folder_of(run.results, Role.STUDENT, identity).glob("*.json"):
        try:
            known = records.load(path)
        except records.RecordError:
            continue
        if known.place and place and known.place != place and ids.get(known.place, identity) == identity:
            return True
    return False
