"""Ids and names of submissions. An id belongs to a place: a platform's seat, or a folder or file of the class.

A manifest may claim another id where no platform names the owner and nobody else has or claims it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
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

    Places that give one id fall back to longer ids, with the platform's name or a digest of the place. An id that a
    manifest claims gives way to a place's, and to nobody's where two claim it. Each change is noted. A place that
    comes twice, from overlapping paths, counts once.
    """
    by_place: dict[str, Submission] = {}
    kept: list[Submission] = []
    for submission in submissions:
        if submission.place not in by_place:
            by_place[submission.place] = submission
            kept.append(submission)
        elif ":" in submission.place:
            # Two exports with one seat: both are shown, and nothing is overwritten.
            again = replace(submission, place=f"{submission.place}@{_digest(str(submission.root))}")
            kept.append(replace(again, notes=(*again.notes, f"{submission.place} was handed in by another path, too.")))
    own = _of_places(kept)
    ids = {one.casefold() for one in own} | {one.folder_id.casefold() for one in kept}
    claims = Counter(one.id.casefold() for one in kept if one.id != one.folder_id)
    result = []
    for submission, place_id in zip(kept, own, strict=True):
        notes = submission.notes
        if place_id != submission.folder_id:
            notes = (
                *notes,
                f'The id "{submission.folder_id}" would be another submission\'s, too, so this one has the id '
                f'"{place_id}", after its place.',
            )
        chosen, claimed = place_id, submission.id
        if claimed != submission.folder_id:
            if claimed.casefold() in ids - {submission.folder_id.casefold()}:
                notes = (*notes, f'The id "{claimed}" belongs to another submission, so this one has "{place_id}".')
            elif claims[claimed.casefold()] > 1:
                notes = (*notes, f'The id "{claimed}" is claimed by several, so this one has "{place_id}".')
            else:
                chosen = claimed
        result.append(replace(submission, id=chosen, folder_id=place_id, notes=notes))
    return result


def _of_places(submissions: Sequence[Submission]) -> list[str]:
    """Return an id for each place: short where it is the only one of that id, else with more of its place."""
    count = Counter(one.folder_id.casefold() for one in submissions)
    taken = {short for short, number in count.items() if number == 1}
    ids = []
    for one in submissions:
        chosen = one.folder_id
        if count[chosen.casefold()] > 1:
            digest = _digest(one.place)
            platform, colon, number = one.place.partition(":")
            longer = slug(f"{platform}-{number}") if colon else _with(one.folder_id, digest[:4])
            tries = [longer, *(_with(one.folder_id, digest[:length]) for length in (8, 12))]
            chosen = next(tried for tried in tries if tried.casefold() not in taken)
            taken.add(chosen.casefold())
        ids.append(chosen)
    return ids


def _with(identifier: str, suffix: str) -> str:
    return f"{identifier[: ID_LENGTH - len(suffix) - 1]}-{suffix}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
