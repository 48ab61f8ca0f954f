"""Grades of a class, as learning platforms take them, and the options that exports share.

A number leaves the class only where it is final: the points of a part that could not be graded, or that wait for the
instructor, stay open, and so does the total they belong to. Every export takes its numbers from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.numbers import finite
from harness.teams import NONE as NO_TEAMS
from harness.teams import Teams
from harness.text import one_line
from harness.totals import earned, provisional, total
from harness.types import Record, Status
from harness.types import counted as scores_that_count
from reports.common import ranks
from reports.teams import joined


class ExportError(Exception):
    """An export can't be made as it was asked for; the message says what is wrong, and what to do."""


def _nobody_listens(sentence: str) -> None: ...


@dataclass(frozen=True)
class Options:
    """The settings of an export. Each format uses those that it needs."""

    file: Path | None = None
    """File to write in place of the format's own name in the folder."""
    sheet: Path | None = None
    """The platform's own sheet, which is filled in."""
    column: str = ""
    """Heading of the sheet's column for the points, where it can't be told."""
    assignment: str = ""
    """Name of the assignment, where the records belong to several."""
    submission: str = ""
    """Id of the only submission that is exported; all if empty."""
    open_as_number: bool = False
    """Export the points so far where a part is open; otherwise nothing is exported for it."""
    scale: bool = False
    """Convert points to the sheet's maximum, where it differs from the assignment's full marks."""
    teams: Teams = NO_TEAMS
    """The class in teams: each member has the team's grade."""
    tell: Callable[[str], None] = _nobody_listens
    """Gets a sentence about each submission that is left out, and about all that an instructor has to know."""

    def path(self, folder: Path, name: str) -> Path:
        """The file to write: the one that was asked for, or the format's own in `folder`."""
        return self.file if self.file is not None else folder / name


_MISSING = "not handed in and counted as 0:"
DEFAULTS = Options()
"""The options of an export for which nothing was asked."""


@dataclass(frozen=True)
class Grade:
    """The grade of one submission for the whole assignment."""

    submission: str
    name: str
    place: str
    records: tuple[Record, ...]
    """One a part, in the sheet's order."""
    points: float | None
    """None where nothing is to be exported."""
    full_marks: float
    reason: str
    """Why `points` is None, or what they leave out; empty for a final grade."""


def exportable(record: Record) -> bool:
    """Decide whether the points of a part are final, so that they may be exported as a number."""
    return not _open(record)


def _open(record: Record) -> str:
    """Why the points of a part are not final, in two words; empty where they are. The instructor's word is final."""
    if record.held:
        return "held"
    if record.decision is not None:
        return ""
    if record.status is Status.NOT_GRADABLE:
        return "not gradable"
    return "time not measured" if record.score is not None and record.score.open_points else ""


def part_points(record: Record, options: Options) -> float | None:
    """Points of one part: 0 where it failed by its own fault, None where it is open or was not handed in.

    Where open points are asked for, those of a held part are what it has if no flag counts.
    """
    if record.earlier_of or (record.status is Status.NOT_HANDED_IN and record.decision is None):
        return None
    if not exportable(record) and not options.open_as_number:
        return None
    points = provisional(record) if record.held else earned(record)
    return 0.0 if points is None and record.status is Status.FAILED else points


def students(records: Sequence[Record], options: Options) -> list[Record]:
    """The records of the class for one assignment and one data set, in the order of submissions and parts.

    Raises ExportError where they belong to several, or where `options` name what does not exist.
    """
    own = [record for record in records if ranks(record)]
    named = sorted({record.assignment for record in own})
    if options.assignment:
        own = [record for record in own if record.assignment == options.assignment]
        if not own:
            raise ExportError(f"--assignment {options.assignment}: no records; there are {', '.join(named) or 'none'}")
    elif len(named) > 1:
        raise ExportError(f"the records belong to {', '.join(named)}; choose one by --assignment")
    if len(data := sorted({record.data for record in own})) > 1:
        raise ExportError(f"the records were measured on {' and '.join(data)}, whose points can't be mixed")
    own = joined(own, options.teams, options.tell).of_members
    if options.submission:
        ids = sorted({record.submission for record in own})
        own = [record for record in own if record.submission == options.submission]
        if not own:
            raise ExportError(f"--submission {options.submission}: no such id; there are {', '.join(ids[:20])}")
    return sorted(own, key=lambda record: (record.submission, record.order, record.part))


def grades(records: Sequence[Record], options: Options) -> list[Grade]:
    """One grade for each submission. Tells which are open, which count parts as missing, and on which data they rest.

    A part that was not handed in adds 0 to a total; where nothing was handed in, there is no grade at all.
    Raises ExportError as `students` does.
    """
    own = students(records, options)
    if own and own[0].data != "mnist":
        options.tell(f"these points were measured on {own[0].data}, not on MNIST")
    by_submission: dict[str, list[Record]] = {}
    for record in own:
        by_submission.setdefault(record.submission, []).append(record)
    found = [_grade(submission, of, options) for submission, of in by_submission.items()]
    final: dict[str, list[str]] = {}
    for grade in found:
        if grade.points is not None and grade.reason.startswith(_MISSING):
            final.setdefault(grade.reason, []).append(grade.submission)
        elif grade.reason:
            options.tell(f"{grade.submission} ({grade.name}): {grade.reason}")
    # A line for each set of parts, so that grades that are open are not lost among those that are final.
    for reason, ids in final.items():
        options.tell(f"{reason}, of {len(ids)}: {', '.join(ids)}")
    return found


def _grade(submission: str, records: Sequence[Record], options: Options) -> Grade:
    summed = total(records)
    counted = tuple(sorted(summed.records, key=lambda record: (record.order, record.part)))
    missing = [r.part for r in counted if r.status is Status.NOT_HANDED_IN and r.decision is None]
    points, reason = finite(summed.points), ""
    if len(missing) == len(counted):
        points, reason = None, "nothing was handed in; no number is exported"
    elif not summed.complete:
        parts = ", ".join(f"{r.part} ({_open(r)})" for r in counted if not exportable(r)) or "some parts"
        if options.open_as_number and (points is not None or any(record.held for record in counted)):
            own = [r.score for r in counted if r.score is not None and (r.held or earned(r) is not None)]
            points = round(sum(scores_that_count(own)), 4)
            reason = f"open: {parts}; the points so far are exported, as asked"
        else:
            points, reason = None, f"open: {parts}; no number is exported (--held number exports the points so far)"
    elif missing:
        reason = f"{_MISSING} {', '.join(missing)}"
    name = one_line(records[0].name) or submission
    return Grade(submission, name, records[0].place, counted, points, summed.full_marks, reason)


def seat(place: str, platform: str) -> str | None:
    """The number that a platform gives the owner of a submission, out of its place; None for other places.

    >>> seat("moodle:1001", "moodle"), seat("moodle:1001@3f2a", "moodle"), seat("canvas:7", "moodle")
    ('1001', '1001', None)
    """
    prefix, colon, number = place.partition(":")
    return number.partition("@")[0] if colon and prefix == platform else None
