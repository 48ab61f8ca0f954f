"""The people that a site is made for, and the records as they may see them.

Nobody but the instructor sees security findings, and a page tells nothing of other students. Submissions that came
from a learning platform stand under pseudonyms unless names are asked for, since their ids and names are the
platform's and a site is made to be published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from harness.secret import Secret
from harness.teams import FILE as TEAMS_FILE
from harness.teams import NONE as NO_TEAMS
from harness.teams import Teams
from harness.types import Evidence, Failure, Record, Role
from reports.pseudonyms import from_platform, pseudonyms
from reports.scrubbing import Scrubber
from reports.teams import joined

OPT_OUT = "opt-out.txt"
"""File in a results folder with the ids, seats or pseudonyms of those who are on no page, one a line; # begins a
comment."""
_MOST_LINES = 2**20

SECURITY_KINDS = frozenset({"runs-code"})
"""Kinds of failure whose message and details are for the instructor."""
_FOR_STAFF = ("For the instructor:", "The pickle names ")
"""First words of notes and details that are for the instructor."""
_REFUSED = (
    "The file holds more than tensors, numbers and texts, and no model was found in it. Save the model's state dict "
    "alone: torch.save(model.state_dict(), …)."
)
_COMMON_DIGESTS = ("data", "judge", "questions", "grader", "marking sources", "sandbox sources", "official cases")
"""Digests that are the same for the whole class. The others are of what one student handed in: of a manifest, which
holds little more than a name, the digest could be found by trying all names of a class."""


@dataclass(frozen=True)
class Audience:
    """Whom a site is made for. By default it is for everybody."""

    staff: bool = False
    """True for the instructor alone: security findings are shown, and names unless `names` says otherwise."""
    names: bool | None = None
    """True to show all names, False for pseudonyms throughout; None for pseudonyms of what a platform exported."""
    left_out: tuple[str, ...] = ()
    """Ids, seats or pseudonyms of submissions that are not to be shown, beside those in the results folder's file."""
    hidden: Mapping[str, datetime] = field(default_factory=dict)
    """Assignments of which no score is shown yet, and until when; all but staff see only what was handed in."""
    teams: Teams = NO_TEAMS
    """The class in teams, each of which is shown as one submission."""


@dataclass(frozen=True)
class Visible:
    """Records as an audience may see them."""

    records: tuple[Record, ...]
    pseudonyms: Mapping[str, str] = field(default_factory=dict)
    """Id of a submission by its pseudonym; for the instructor's eyes alone."""
    left_out: int = 0
    """Number of submissions that are not shown by request."""
    hidden: Mapping[str, datetime] = field(default_factory=dict)
    """Assignments of whose records nothing may be shown but which parts were handed in, and until when."""

    @property
    def scored(self) -> tuple[Record, ...]:
        """The records whose scores may be shown."""
        return tuple(record for record in self.records if record.assignment not in self.hidden)


def visible(
    records: Sequence[Record], results: Path, audience: Audience, tell: Callable[[str], None] = lambda said: None
) -> Visible:
    """Return the records that `audience` may see, with no more in them than it may know. `tell` gets sentences about
    teams, as of `reports.teams.joined`.

    Pseudonyms are made with the secret seed of `results`, which only its owner can read; the first site that needs one
    draws it. Raises `SecretError` where it can't be read or kept, and `OSError` where the file of those who opted out
    can't be read.
    """
    unwanted = {*audience.left_out, *_opted_out(results)}
    alone = [record for record in records if record.role is Role.STUDENT]
    class_ = joined(records, audience.teams, lambda said: tell(f"{TEAMS_FILE}: {said}"))
    records = class_.records
    students = [record for record in records if record.role is Role.STUDENT]
    members = {one.submission: team.submission for team in students for one in class_.each(team)}
    # Who opts out takes the team along.
    unwanted |= {members.get(one.submission, "") for one in alone if unwanted & {one.submission, one.place}}
    unwanted |= {team for member, team in members.items() if member in unwanted}
    platform = [record for record in students if from_platform(record)]
    wanted = students if audience.names is False else platform
    # Who opted out may be named by a pseudonym, on a site with names, too.
    needed = bool(wanted) and (unwanted or not _named(audience))
    known = pseudonyms(wanted, Secret.kept(results).seed) if needed else {}
    hidden = {} if _named(audience) else known
    out = {
        record.submission
        for record in students
        if unwanted & {record.submission, record.place or record.submission, known.get(record.submission, "\0")}
    }
    # Members are named in what they handed in, whoever's counts.
    known_by = {own: hidden[team] for own, team in members.items() if team in hidden} | hidden
    scrub = Scrubber([*students, *class_.of_members, *alone], known_by)
    shown = [record for record in records if record.role is not Role.STUDENT or record.submission not in out]
    return Visible(
        tuple(_seen(record, hidden, audience, scrub) for record in shown),
        {pseudonym: own for own, pseudonym in hidden.items()},
        len(out),
        {} if audience.staff else audience.hidden,
    )


def has_pseudonyms(records: Sequence[Record], audience: Audience) -> bool:
    """True where `audience` sees some of these records under a pseudonym."""
    if _named(audience):
        return False
    return any(record.role is Role.STUDENT and (audience.names is False or from_platform(record)) for record in records)


def _named(audience: Audience) -> bool:
    return audience.staff if audience.names is None else audience.names


def _opted_out(results: Path) -> set[str]:
    path = results / OPT_OUT
    if not path.exists():
        return set()
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = file.read(_MOST_LINES).splitlines()
    return {line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")}


def for_authors(submissions: Sequence[Sequence[Record]]) -> list[list[Record]]:
    """The records of each submission of a class as its author may see them: under its own name, and no other."""
    scrub = Scrubber([record for own in submissions for record in own if record.role is Role.STUDENT], {})
    author = Audience(names=True)
    return [[_seen(record, {}, author, scrub) for record in own] for own in submissions]


def _seen(record: Record, hidden: Mapping[str, str], audience: Audience, scrub: Scrubber) -> Record:
    if record.role is not Role.STUDENT:
        return record
    pseudonym = hidden.get(record.submission, "")
    record = _with_others(record, hidden, audience.staff, scrub)
    if not audience.staff:
        record = _without_security(record)
        record = _scrubbed(record, scrub)
    if not pseudonym:
        return record
    if audience.staff:
        record = _scrubbed(record, scrub)
    failure = replace(record.failure, detail="") if record.failure is not None else None
    timing = replace(record.timing, measured_at=record.timing.measured_at[:10]) if record.timing is not None else None
    return replace(
        record,
        submission=pseudonym,
        name=pseudonym,
        place="",
        # Details hold the end of what the student's code printed.
        failure=failure,
        digests={of: digest for of, digest in record.digests.items() if of in _COMMON_DIGESTS},
        # A class is graded in the order of its names, which the time of day would tell.
        graded_at=record.graded_at[:10],
        timing=timing,
        decision=replace(record.decision, submission=pseudonym, decided_at=record.decision.decided_at[:10])
        if record.decision is not None
        else None,
    )


def _with_others(record: Record, hidden: Mapping[str, str], staff: bool, scrub: Scrubber) -> Record:
    """The record with other students' entries named as staff may see them, or not at all."""

    def named(evidence: Evidence) -> Evidence:
        others = tuple(
            (role, hidden.get(own, own), part)
            for role, own, part in evidence.others
            if staff or role != Role.STUDENT.value
        )
        dropped = {own for role, own, _ in evidence.others if role == Role.STUDENT.value and not staff}
        return replace(evidence, others=others, message=scrub.without(evidence.message, dropped - {record.submission}))

    return replace(
        record,
        evidence=tuple(named(one) for one in record.evidence),
        compared=tuple(named(one) for one in record.compared),
    )


def _without_security(record: Record) -> Record:
    notes = {stage: _for_all(said) for stage, said in record.stage_notes.items()}
    failure = record.failure
    if failure is not None and failure.kind in SECURITY_KINDS:
        failure = Failure(failure.stage, "unsupported", _REFUSED, failure.fault)
    elif failure is not None:
        failure = replace(failure, detail="\n".join(_for_all(failure.detail.split("\n"))))
    return replace(record, stage_notes=notes, failure=failure)


def _for_all(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if not line.startswith(_FOR_STAFF))


def _scrubbed(record: Record, scrub: Scrubber) -> Record:
    own = record.submission

    def said(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(replace(one, message=scrub(one.message, own)) for one in evidence)

    failure, score, timing = record.failure, record.score, record.timing
    return replace(
        record,
        failure=None
        if failure is None
        else replace(failure, message=scrub(failure.message, own), detail=scrub(failure.detail, own)),
        score=None if score is None else replace(score, explanation=scrub(score.explanation, own)),
        timing=None if timing is None else replace(timing, reason=scrub(timing.reason, own)),
        decision=None
        if record.decision is None
        else replace(record.decision, reason=scrub(record.decision.reason, own)),
        evidence=said(record.evidence),
        compared=said(record.compared),
        stage_notes={stage: tuple(scrub(one, own) for one in notes) for stage, notes in record.stage_notes.items()},
        figures=tuple(
            replace(figure, title=scrub(figure.title, own), caption=scrub(figure.caption, own))
            for figure in record.figures
        ),
        options={key: scrub(value, own) for key, value in record.options.items()},
        entry=scrub(record.entry, own),
    )
