"""The view of an assignment whose scores are hidden: who handed in which part, and nothing that was measured.

It is built from names and two states alone, so that nothing else of a record can reach a page. Before such pages are
written, the site's folder is looked through for files that still tell a score: earlier pages of gradebench are
replaced or deleted, anything else is for its owner to take away.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.hiding import shown
from harness.text import one_line
from harness.types import Record, Status
from reports.common import ranks, slug
from reports.index import display_name
from reports.titles import assignment_title, part_title

_DATA = frozenset({".csv", ".tsv", ".json", ".jsonl", ".xml", ".parquet", ".zip", ".txt", ".npz", ".html", ".htm"})
"""Endings of files that may tell a score: those of exports and records, and pages that this rendering doesn't write."""
_HARMLESS = frozenset({"robots.txt", "sitemap.xml", "manifest.json", "404.html", "humans.txt", "ads.txt"})
"""Files that web servers ask for."""
_PARTIAL = re.compile(r"\..+\.html\.[0-9a-f]{12}\.tmp")
"""Pages that a killed run was writing (`harness.files`)."""
_MOST = 100_000


@dataclass(frozen=True)
class HiddenRow:
    """One submission, and the state of each part."""

    name: str
    id: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class HiddenSection:
    """An assignment without scores."""

    anchor: str
    assignment: str
    until: str
    parts: tuple[str, ...]
    rows: tuple[HiddenRow, ...]
    handed_in: int
    """Submissions of which some part was handed in."""
    left_out: int
    """Submissions that are not shown by request."""


def hidden_view(
    records: Sequence[Record], hidden: Mapping[str, datetime], left_out: int = 0
) -> tuple[HiddenSection, ...]:
    """The sections of the assignments in `hidden`, which tells until when; none for those without records."""
    sections = []
    for number, (name, until) in enumerate(sorted(hidden.items()), start=1):
        own = [record for record in records if record.assignment == name and ranks(record) and not record.earlier_of]
        if not own:
            continue
        ordered = sorted(own, key=lambda record: (record.order, record.task, record.part))
        parts = {(record.task, record.part): part_title(record) for record in ordered}
        by_submission: dict[str, list[Record]] = {}
        for record in own:
            by_submission.setdefault(record.submission, []).append(record)
        rows = [_row(of, tuple(parts)) for of in by_submission.values()]
        sections.append(
            HiddenSection(
                f"hidden-{number}-{slug(name)}",
                assignment_title(own),
                shown(until),
                tuple(parts.values()),
                tuple(sorted(rows, key=lambda row: (row.name.casefold(), row.id))),
                sum(any(record.status is not Status.NOT_HANDED_IN for record in of) for of in by_submission.values()),
                left_out,
            )
        )
    return tuple(sections)


def _row(records: Sequence[Record], parts: Sequence[tuple[str, str]]) -> HiddenRow:
    states = {(record.task, record.part): _state(record) for record in records}
    return HiddenRow(
        display_name(records[0]), one_line(records[0].submission, 60), tuple(states.get(part, "") for part in parts)
    )


def _state(record: Record) -> str:
    """The state of a part, handed in and graded or not. That it failed, or is held, would tell its points."""
    if record.status is Status.NOT_HANDED_IN:
        return "not handed in"
    return "handed in, not graded yet" if record.status is Status.NOT_GRADABLE else "handed in and graded"


def telling(site: Path, written: Collection[Path] = ()) -> Iterator[Path]:
    """Yield files of a site's folder that may tell a score, other than those in `written`.

    What starts with a dot is passed over, as web servers and hosts of pages do. Links are not followed, and are named.
    """
    known = {path.resolve() for path in written}
    looked = 0
    for folder, folders, files in os.walk(site):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in [name for name in folders if (Path(folder) / name).is_symlink()]:
            yield Path(folder) / name
        for name in sorted(files):
            looked += 1
            path = Path(folder) / name
            if looked > _MOST:
                # Too many to be looked through: nobody knows what they tell.
                yield Path(folder)
                return
            if name.startswith(".") or name in _HARMLESS or path.resolve() in known:
                continue
            if path.suffix.lower() in _DATA or path.is_symlink():
                yield path


def sweep_partial(folders: Sequence[Path]) -> None:
    """Delete pages that a killed run left under a temporary name, whatever their age: they may tell scores."""
    for folder in folders:
        for path in sorted(folder.glob(".*.tmp")) if folder.is_dir() else []:
            if _PARTIAL.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
                path.unlink()
