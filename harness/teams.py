"""The list of teams: a CSV file that tells which students are one team, where a platform knows each alone.

A row names a student by `id`, which is the platform's number, the seat ("moodle:4711") or the submission's id, and the
`team`. The columns of a group export of Canvas (`canvas_user_id`, `group_name`) are understood, too. A results folder
keeps the list. Where several members have handed in, the hand-in with the most points counts, or that of the row
whose `counts` is "yes".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.files import write_atomically
from harness.text import one_line
from harness.types import Record, Role

FILE = "teams.csv"
"""Name of the file in a results folder."""
ID = ("id", "canvas_user_id")
TEAM = ("team", "group_name")
NAME, COUNTS = "name", "counts"
"""Headings of the columns; the last two may be left out."""
_LARGEST = 4 << 20
_YES, _NO = ("yes", "y", "true", "1", "x"), ("", "no", "n", "false", "0")


class TeamsError(Exception):
    """A list of teams can't be used; the message names the file, the line, what was found and what to write."""


@dataclass(frozen=True)
class Member:
    """One student of a team."""

    id: str
    team: str
    name: str = ""
    counts: bool = False
    """True where this student's hand-in is the team's, whatever the others handed in."""


@dataclass(frozen=True)
class Teams:
    """The students of a class that belong to teams, in the order of the list."""

    members: tuple[Member, ...] = ()
    without: tuple[str, ...] = ()
    """Ids of rows that name no team."""
    _by_id: dict[str, Member] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._by_id.update({member.id.casefold(): member for member in self.members})

    def __bool__(self) -> bool:
        return bool(self.members)

    def member(self, record: Record) -> Member | None:
        """Return the student whom a record is of: by its id, its seat, or the platform's number; None for none."""
        if record.role is not Role.STUDENT:
            return None
        seat = record.place.partition("@")[0] if ":" in record.place else ""
        for known in (record.submission, seat, seat.partition(":")[2]):
            if known and known.casefold() in self._by_id:
                return self._by_id[known.casefold()]
        return None

    def by_team(self) -> dict[str, list[Member]]:
        """Return the members of each team."""
        found: dict[str, list[Member]] = {}
        for member in self.members:
            found.setdefault(member.team, []).append(member)
        return found


NONE = Teams()
"""A class in which everybody stands alone."""


def read(path: Path) -> Teams:
    """Read a list of teams. Raises TeamsError with what is wrong and what to write."""
    try:
        if not path.is_file():
            raise TeamsError(f"{path}: no such file")
        if path.stat().st_size > _LARGEST:
            raise TeamsError(f"{path}: larger than {_LARGEST >> 20} MB, which is no list of a class")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TeamsError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TeamsError(f"{path}: is not UTF-8; save it as CSV UTF-8") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = [(reader.line_num, row) for reader in [csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]
                for row in reader]  # fmt: skip
    except csv.Error as error:
        raise TeamsError(f"{path}: can't be read as a CSV file: {error}") from error
    if not rows:
        raise TeamsError(f"{path}: is empty; its first line is to be id,team")
    header = [heading.strip().casefold() for heading in rows[0][1]]
    ids, teams = _column(path, header, ID), _column(path, header, TEAM)
    names = header.index(NAME) if NAME in header else None
    counts = header.index(COUNTS) if COUNTS in header else None
    members: list[Member] = []
    without: list[str] = []
    lines: dict[str, int] = {}
    for line, row in rows[1:]:
        own = _cell(row, ids)
        if not own and not _cell(row, teams):
            continue
        if not own or one_line(own, 120) != own or own.startswith((".", "@")) or any(sign in own for sign in "/\\"):
            raise TeamsError(f"{path}: line {line}: found the id {own!r:.80}; write the platform's number or the id")
        if (former := lines.setdefault(own.casefold(), line)) != line:
            raise TeamsError(f"{path}: line {line}: {own} stands in line {former}, too; a student is in one team")
        team = one_line(_cell(row, teams), 60)
        if not team:
            without.append(own)
            continue
        said = _cell(row, counts).casefold()
        if said not in (*_YES, *_NO):
            raise TeamsError(f'{path}: line {line}: {COUNTS}: found {said!r:.40}; write "yes", or nothing')
        members.append(Member(own, team, one_line(_cell(row, names), 60), said in _YES))
    found = Teams(tuple(members), tuple(without))
    for team, of in found.by_team().items():
        if len(chosen := [member.id for member in of if member.counts]) > 1:
            raise TeamsError(f"{path}: {team}: {COUNTS} is yes for {', '.join(chosen)}; write it in one row of a team")
    return found


def kept(results: Path) -> Teams:
    """Return the list that a results folder keeps, empty where it keeps none. Raises TeamsError as `read` does."""
    path = results / FILE
    return read(path) if path.is_symlink() or path.exists() else NONE


def keep(path: Path, results: Path) -> Teams:
    """Read a list of teams, and keep it in a results folder in place of a former one."""
    found = read(path)
    if path.resolve() != (results / FILE).resolve():
        write_atomically(results / FILE, path.read_bytes())
    return found


def owners(records: Sequence[Record], teams: Teams) -> Mapping[str, str]:
    """Return the team of each student's submission that belongs to one, by the submission's id."""
    return {record.submission: member.team for record, member in _in_teams(records, teams)}


def _in_teams(records: Sequence[Record], teams: Teams) -> Iterator[tuple[Record, Member]]:
    for record in records:
        if (member := teams.member(record)) is not None:
            yield record, member


def _column(path: Path, header: Sequence[str], names: Sequence[str]) -> int:
    found = [name for name in names if name in header]
    if not found:
        there = ", ".join(header) or "none"
        raise TeamsError(f"{path}: has no column {names[0]}; its headings are {there}; the first line is to be id,team")
    return list(header).index(found[0])


def _cell(row: Sequence[str], column: int | None) -> str:
    return row[column].strip() if column is not None and column < len(row) else ""
