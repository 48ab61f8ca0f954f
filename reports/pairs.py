"""Pairs of entries that resemble each other, side by side: the pictures of both, and a link to the other's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.text import one_line
from harness.types import Evidence, Figure, Record, Role
from reports.common import page_name
from reports.galleries import Shown, shown
from reports.titles import part_title

Entries = Mapping[tuple[str, str, str], Record]
"""Records by role, submission and part."""
_WITH_PICTURES = 3
"""Pairs that are shown with pictures; the others are links."""


@dataclass(frozen=True)
class Pair:
    """Another entry that this one resembles."""

    name: str
    part: str
    page: str
    """File name of the other's page; empty where it has none on this site."""
    own: Shown | None
    """The picture of this entry's answers, None where the two have none of one name."""
    other: Shown | None


def entries_of(records: Sequence[Record]) -> Entries:
    """The records of a site by what evidence names them by."""
    return {(record.role.value, record.submission, record.part): record for record in records}


def pairs_of(evidence: Evidence, record: Record, results: Path, entries: Entries) -> tuple[Pair, ...]:
    """The other entries that evidence names, in its order."""
    return tuple(_pair(named, place, record, results, entries) for place, named in enumerate(evidence.others))


def _pair(named: tuple[str, str, str], place: int, record: Record, results: Path, entries: Entries) -> Pair:
    role, submission, part = named
    other = entries.get(named)
    if other is None or role not in set(Role):
        return Pair(one_line(submission, 60), one_line(part, 60), "", None, None)
    name = one_line(other.name, 60) or one_line(submission, 60)
    page = page_name(other.submission, other.role)
    own_picture, other_picture = (None, None) if place >= _WITH_PICTURES else _pictures(record, other)
    return Pair(
        name,
        part_title(other),
        page,
        shown(own_picture, results) if own_picture is not None else None,
        shown(other_picture, results) if other_picture is not None else None,
    )


def _pictures(record: Record, other: Record) -> tuple[Figure, Figure] | tuple[None, None]:
    """The first picture that both have, answers to the same questions: the one of the leaderboard's strip if any."""
    of_other = {figure.name: figure for figure in other.figures if figure.kind == "picture" and figure.file}
    own = [f for f in record.figures if f.kind == "picture" and f.file and f.name in of_other]
    own.sort(key=lambda figure: figure.strip[0] == figure.strip[1])
    return (own[0], of_other[own[0].name]) if own else (None, None)
