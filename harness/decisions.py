"""The instructor's decisions: accepts or rejects an entry, or gives it points, in place of the rubric.

One JSON file an entry, `RESULTS/@decisions/<submission>/<part>.json`: no submission's id holds that sign, and nothing
that a submission brings is ever written there. A decision holds for the marks that it was made about (`about`): another
hand-in, or other flags, are judged anew, and the decision is listed as one that no longer applies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.files import write_atomically
from harness.numbers import finite, plain_number
from harness.text import one_line
from harness.types import Decision, Record, Role, Score

FOLDER = "@decisions"
SCHEMA = 1
LARGEST = 1 << 16
"""Bytes of the largest file that is read."""
REASON_LENGTH = 500
"""Characters of a reason that are kept."""
_HANDED_IN = ("checkpoint", "outputs", "code")


class DecisionError(Exception):
    """A decision can't be read or made; the message says what is wrong."""


@dataclass(frozen=True)
class Loaded:
    """The decisions of a results folder, and sentences about files that could not be read."""

    decisions: list[Decision]
    problems: tuple[str, ...]


def path_of(results: Path, submission: str, part: str) -> Path:
    """Return the file of the decision about a submission's part. Ids are safe as file names: intake sees to it."""
    return results / FOLDER / submission / f"{part}.json"


def about(record: Record) -> str:
    """Return the SHA-256 of an entry's marks: its files, measured values, flags, gates and failure.

    Values count to six digits, so that to grade the same again on another machine undoes no decision.
    """
    failure = record.failure
    found = {
        "handed in": {name: record.digests[name] for name in _HANDED_IN if name in record.digests},
        "task": [record.task, record.model],
        "metrics": {
            name: None if metric.value is None else f"{metric.value:.6g}" for name, metric in record.metrics.items()
        },
        "flags": sorted({one.name for one in record.findings if one.flag}),
        "shut": sorted(name for name, gate in record.gates.items() if not gate.holds),
        "failure": [failure.stage, failure.kind, failure.message] if failure is not None else None,
    }
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def read(results: Path, submission: str, part: str) -> Decision | None:
    """Read the decision about a submission's part; None where there is none.

    Raises DecisionError for a file that is damaged, foreign, or about another entry.
    """
    path = path_of(results, submission, part)
    try:
        if not path.exists():
            return None
        # Looked at before it is opened: a pipe would be waited for.
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise DecisionError(f"{path}: not a decision; delete it and decide again")
        found = TypeAdapter(Decision).validate_json(path.read_bytes())
    except OSError as error:
        raise DecisionError(f"{path}: can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise DecisionError(f"{path}: not a readable decision; delete it and decide again") from error
    if found.schema != SCHEMA or (found.submission, found.part) != (submission, part):
        raise DecisionError(f"{path}: a decision about another entry, or of another version of gradebench")
    if found.verdict == "points" and (finite(found.points) is None or (found.points or 0.0) < 0):
        raise DecisionError(f"{path}: points {found.points!r} are none that can be given; decide again")
    return replace(found, reason=spoken(found.reason))


def load_all(results: Path) -> Loaded:
    """Read all decisions of a results folder, ordered by submission and part; a file that can't be read stops none."""
    found, problems = [], []
    for path in _paths(results):
        try:
            decision = read(results, path.parent.name, path.stem)
        except DecisionError as error:
            problems.append(str(error))
            continue
        if decision is not None:
            found.append(decision)
    return Loaded(found, tuple(problems))


def write(results: Path, decision: Decision) -> None:
    """Write a decision, in place of an earlier one about the same entry."""
    content = json.dumps(TypeAdapter(Decision).dump_python(decision), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path_of(results, decision.submission, decision.part), content.encode() + b"\n")


def remove(results: Path, submission: str, part: str) -> bool:
    """Delete the decision about an entry, readable or not; False where there was none."""
    path = path_of(results, submission, part)
    if not path.is_symlink() and not path.exists():
        return False
    try:
        path.unlink()
    except OSError as error:
        raise DecisionError(f"{path}: can't be deleted: {error.strerror}") from error
    return True


def holds(decision: Decision | None, record: Record) -> bool:
    """Tell whether a decision is about this entry as it is marked now."""
    return (
        decision is not None
        and record.role is Role.STUDENT
        and (decision.submission, decision.part) == (record.submission, record.part)
        and decision.about == about(record)
    )


def applied(record: Record, decision: Decision | None) -> Record:
    """Return the record with a decision about it, or, where none holds, as the rubric scored it."""
    by_rubric = record.by_rubric if record.decision is not None else record.score
    if decision is None or not holds(decision, record):
        return replace(record, score=by_rubric, by_rubric=None, decision=None)
    return replace(record, score=_decided(record.worth, by_rubric, decision), by_rubric=by_rubric, decision=decision)


def applied_to(known: Sequence[Record], decisions: Sequence[Decision]) -> list[Record]:
    """Return records with the decisions of their folder, whatever was known of these when they were written."""
    made = {(one.submission, one.part): one for one in decisions}
    found = []
    for record in known:
        decision = made.get((record.submission, record.part)) if record.role is Role.STUDENT else None
        settled = decision is record.decision is None
        found.append(record if settled else applied(record, decision))
    return found


def spoken(reason: str) -> str:
    """Return a reason as it is kept and shown: cleaned, on one line, of bounded length; it may be empty."""
    return one_line(reason, REASON_LENGTH)


def sentence(decision: Decision, given: float | None = None) -> str:
    """Say what was decided, and why; `given` are the points in the end."""
    points = plain_number(decision.points if given is None else given, short=True)
    said = {"accept": "Accepted", "reject": "Rejected", "points": f"{points} points given"}[decision.verdict]
    return f"{said} by the instructor: {decision.reason}"


def _decided(worth: float, by_rubric: Score | None, decision: Decision) -> Score:
    """The score after a decision; points beyond the part's full marks are cut off.

    An entry that failed has no score by the rubric, and can be given points alone.
    """
    score = by_rubric or Score(0.0, worth, False, "")
    points, passed = score.unconditional or (score.points, score.passed)
    if decision.verdict == "reject":
        points, passed = 0.0, False
    elif decision.verdict == "points":
        # Fewer points than the answers earn confirm a flag or shut gate, and are a deduction where there is none.
        given = min(max(decision.points or 0.0, 0.0), score.max_points)
        confirmed = bool(score.held or score.shut) and given < points
        points, passed = given, given > 0 and (given >= score.max_points or (passed and not confirmed))
    explanation = f"{score.explanation} {sentence(decision, points)}".strip()
    return replace(score, points=points, passed=passed, explanation=explanation, held=(), shut=(), open_points=0.0)


def _paths(results: Path) -> Iterator[Path]:
    yield from sorted(path for path in (results / FOLDER).glob("*/*.json") if not path.name.startswith("."))
