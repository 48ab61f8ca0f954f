"""Records of a class in teams: one row a team for pages and ranks, one a member for grade sheets.

A team has the records of one hand-in, as a whole: of the member whose row in the list says so, else of the one with the
most points, of equals the first id. The other members' own hand-ins are named, and count for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.numbers import finite
from harness.teams import Member, Teams, owners
from harness.totals import total
from harness.types import Evidence, Record, Role, Status
from reports.pseudonyms import from_platform

PLACE = "team"
"""The place of a team whose hand-in came from a platform is "team:<name>", so that it has a pseudonym as its members
have."""
_MOST_NAMED = 20


def _nobody_listens(sentence: str) -> None: ...


@dataclass(frozen=True)
class Joined:
    """Records with one submission a team."""

    records: tuple[Record, ...]
    members: Mapping[str, tuple[tuple[Member, Record | None], ...]] = field(default_factory=dict)
    """By the team's id among `records`: its members, each with a record of a hand-in of its own, if there is one."""

    def each(self, record: Record) -> list[Record]:
        """Return a team's record once for each member, under the member's id and seat; of others, the record."""
        if record.submission not in self.members:
            return [record]
        platform = self._platform(record.submission)
        found = []
        for member, own in self.members[record.submission]:
            if own is not None:
                found.append(replace(record, submission=own.submission, name=own.name, place=own.place))
            else:
                number = member.id.rpartition(":")[2]
                place = member.id if ":" in member.id else f"{platform}:{number}" if platform else ""
                found.append(replace(record, submission=number, name=member.name or number, place=place))
        return found

    @property
    def of_members(self) -> list[Record]:
        """The records with one submission a student."""
        return [own for record in self.records for own in self.each(record)]

    def _platform(self, team: str) -> str:
        places = [own.place for _, own in self.members[team] if own is not None and from_platform(own)]
        return places[0].partition(":")[0] if places else ""


def joined(records: Sequence[Record], teams: Teams, tell: Callable[[str], None] = _nobody_listens) -> Joined:
    """Return the records of a class with one submission a team. `tell` gets a sentence about all that a person should
    know: hand-ins that don't count, students without a team, teams that handed in nothing.
    """
    if not teams:
        return Joined(tuple(records))
    team_of = owners(records, teams)
    taken = {r.submission.casefold() for r in records if r.role is Role.STUDENT and r.submission not in team_of}
    members: dict[str, tuple[tuple[Member, Record | None], ...]] = {}
    ids: dict[str, str] = {}
    own = {member.id: record for record in records if (member := teams.member(record)) is not None}
    for team, of in teams.by_team().items():
        # A student without a team may be called as a team is.
        ids[team] = team if team.casefold() not in taken else f"{team} (team)"
        if any(member.id in own for member in of):
            members[ids[team]] = tuple((member, own.get(member.id)) for member in of)
    counting = _counting(records, teams, team_of, tell)
    found = []
    for record in records:
        if record.role is not Role.STUDENT or record.submission not in team_of:
            found.append(_renamed(record, team_of, ids))
            continue
        team = team_of[record.submission]
        if counting[record.assignment, record.data, team] == record.submission:
            place = f"{PLACE}:{team}" if from_platform(record) else record.place
            named = replace(_renamed(record, team_of, ids), submission=ids[team], name=team, place=place)
            decision = named.decision
            found.append(replace(named, decision=decision and replace(decision, submission=ids[team])))
    _tell_class(records, teams, team_of, own, tell)
    return Joined(tuple(found), members)


def _counting(
    records: Sequence[Record], teams: Teams, team_of: Mapping[str, str], tell: Callable[[str], None]
) -> dict[tuple[str, str, str], str]:
    """The submission that counts, by assignment, data and team."""
    hand_ins: dict[tuple[str, str, str], dict[str, list[Record]]] = {}
    for record in records:
        if record.role is Role.STUDENT and record.submission in team_of:
            key = (record.assignment, record.data, team_of[record.submission])
            hand_ins.setdefault(key, {}).setdefault(record.submission, []).append(record)
    chosen = {}
    for key, of in sorted(hand_ins.items()):
        stated = [s for s, own in of.items() if (member := teams.member(own[0])) is not None and member.counts]
        best = min(of, key=lambda submission: (*_least(of[submission]), submission))
        chosen[key] = stated[0] if stated else best
        if others := sorted(set(of) - {chosen[key]}):
            why = "its row says so" if stated else "it has the most points"
            tell(
                f"{key[2]}: {len(of)} members handed in; {chosen[key]} counts, because {why}, and not "
                f"{_named(others)} (write yes in the column counts of the row that is to count)"
            )
    return chosen


def _least(records: Sequence[Record]) -> tuple[float, bool]:
    """The key by which the best hand-in comes first: points so far, a final total before an open one."""
    summed = total(records)
    nothing = all(record.status is Status.NOT_HANDED_IN for record in records)
    points = finite(summed.points)
    return (1.0 if nothing else -(points or 0.0)), not summed.complete


def _renamed(record: Record, team_of: Mapping[str, str], ids: Mapping[str, str]) -> Record:
    """The record with other teams' entries named by the team."""

    def named(evidence: Evidence) -> Evidence:
        others = tuple(
            (role, ids[team_of[own]] if role == Role.STUDENT.value and own in team_of else own, part)
            for role, own, part in evidence.others
        )
        return replace(evidence, others=others) if others != evidence.others else evidence

    if not any(one.others for one in record.findings):
        return record
    return replace(record, evidence=tuple(map(named, record.evidence)), compared=tuple(map(named, record.compared)))


def _tell_class(
    records: Sequence[Record],
    teams: Teams,
    team_of: Mapping[str, str],
    own: Mapping[str, Record],
    tell: Callable[[str], None],
) -> None:
    alone = sorted({r.submission for r in records if r.role is Role.STUDENT and r.submission not in team_of})
    if alone:
        tell(f"without a team, each for itself: {_named(alone)}")
    silent = [team for team, of in teams.by_team().items() if not any(member.id in own for member in of)]
    for team in silent:
        tell(f"{team}: nobody handed in, of {_named([member.id for member in teams.by_team()[team]])}")
    unknown = [member.id for member in teams.members if member.id not in own and member.team not in silent]
    if unknown:
        tell(f"no hand-in of their own, and their team's grade: {_named(unknown)}")
    mates = {
        record.submission
        for record in records
        if record.submission in team_of and any(_of_the_team(one, record, team_of) for one in record.compared)
    }
    if mates:
        tell(f"taken for copies of team-mates, until `gradebench grade` has run with the list: {_named(sorted(mates))}")


def _of_the_team(evidence: Evidence, record: Record, team_of: Mapping[str, str]) -> bool:
    return evidence.flag and any(
        role == Role.STUDENT.value and team_of.get(own) == team_of[record.submission]
        for role, own, _ in evidence.others
    )


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_MOST_NAMED]) + (f", and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else "")
