"""Ids and names of submissions: from the platform, or from the folder or archive; unique where case doesn't count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.intake.classes import Child
from harness.intake.names import ID_LENGTH, slug
from harness.text import shown
from harness.types import Submission


def id_of(child: Child) -> str:
    """Return the id that a child's place gives it: the platform's number, or its own name made safe."""
    return slug(child.owner.id if child.owner is not None else child.label)


def name_of(child: Child) -> str:
    """Return the name to show for a child, as the platform or its own name says it."""
    return (child.owner.name if child.owner is not None else shown(child.label)) or id_of(child)


def unique(submissions: Sequence[Submission]) -> list[Submission]:
    """Return the same submissions with ids of which no two are equal where case doesn't count.

    An id that a manifest claims gives way to the submission whose folder or platform gives it that id. Of two equal
    ids the later one gets a number. Each change is noted.
    """
    places = {s.id.casefold() for s in submissions if s.folder_id in ("", s.id)}
    taken: set[str] = set()
    result = []
    for submission in submissions:
        own = submission.folder_id
        if own not in ("", submission.id) and submission.id.casefold() in places:
            note = f'The id "{submission.id}" belongs to another submission, so this one has the id "{own}".'
            submission = replace(submission, id=own, notes=(*submission.notes, note))
        chosen, number = submission.id, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{submission.id[: ID_LENGTH - len(str(number)) - 1]}-{number}"
        if chosen != submission.id:
            note = f'The id "{submission.id}" was taken by another submission, so this one has the id "{chosen}".'
            submission = replace(submission, id=chosen, notes=(*submission.notes, note))
        taken.add(chosen.casefold())
        result.append(submission)
    return result
