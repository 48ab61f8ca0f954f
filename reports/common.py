"""Words that every page shares: the data, the outcome of a part, the role of an entry, the place of its page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.text import one_line
from harness.totals import primary_metric
from harness.types import Decision, Record, Role, Status

_DATA = {"mnist": "MNIST", "digits": "scikit-learn’s digits"}
"""Titles of data, which a record knows by name alone."""


def data_label(data: str) -> str:
    """The data's name as a person writes it."""
    return _DATA.get(data, one_line(data, 40) or "unnamed data")


def data_notice(data: str) -> str:
    """The notice that stands beside every score that wasn't measured on MNIST; empty for MNIST."""
    return "" if data == "mnist" else f"{data_label(data)}, not MNIST"


def slug(text: str, limit: int = 40) -> str:
    """Lower-case ASCII letters, digits and single hyphens; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text[: 4 * limit].lower()).strip("-")[:limit].strip("-")


def page_name(submission: str, role: Role = Role.STUDENT) -> str:
    """File name of a submission's page: a readable slug of its id and 12 hex digits of a SHA-256.

    The digest, of the id and of a role other than the student's, keeps apart what the slug, or a file system that
    ignores case, would make one.
    """
    digest = hashlib.sha256(submission.encode("utf-8", "surrogatepass"))
    if role is Role.STUDENT:
        return f"{slug(submission) or 'submission'}-{digest.hexdigest()[:12]}.html"
    own = hashlib.sha256(role.value.encode() + digest.digest()).hexdigest()[:12]
    return f"{role.value}-{slug(submission) or 'submission'}-{own}.html"


def ranks(record: Record) -> bool:
    """True for students' entries; baselines and reference models stand beside them and earn nothing."""
    return record.role is Role.STUDENT


def role_label(record: Record) -> str:
    """The role of a baseline or reference model in a word; empty for a student's entry."""
    return "" if ranks(record) else record.role.value


@dataclass(frozen=True)
class Verdict:
    """An outcome in words, and the class that colours it. The words alone say everything."""

    text: str
    kind: str
    """pass, below, fail, missing, held or none."""


def verdict(record: Record) -> Verdict:
    """The outcome of one part."""
    if record.decision is not None:
        return _decided(record.decision, record.score is not None and record.score.passed)
    if record.held:
        return Verdict("Held", "held")
    if record.status is Status.FAILED:
        return Verdict("Failed", "fail")
    if record.status is Status.NOT_HANDED_IN:
        return Verdict("Not handed in", "missing")
    if record.status is Status.NOT_GRADABLE:
        return Verdict("Not gradable", "none")
    if primary_metric(record) is None:
        return Verdict("Not measured", "none")
    if record.score is None:
        return Verdict("Measured", "none")
    # "Below the mark" would be said of an error that is above it.
    if record.score.shut:
        return Verdict(f"Gate shut: {', '.join(one_line(title, 60) for title in record.score.shut)}", "below")
    said = Verdict("Passed", "pass") if record.score.passed else Verdict("Mark missed", "below")
    return Verdict(f"{said.text}, borderline", said.kind) if record.score.borderline else said


def _decided(decision: Decision, passed: bool) -> Verdict:
    if decision.verdict == "reject":
        return Verdict("Rejected", "fail")
    return Verdict("Accepted" if decision.verdict == "accept" else "Points given", "pass" if passed else "below")


def short(digest: str) -> str:
    """The first 12 characters of a digest."""
    return one_line(digest, 200)[:12]


def distinct(values: Sequence[str]) -> tuple[str, ...]:
    """Each value once, empty ones left out, sorted."""
    return tuple(sorted({one_line(value, 120) for value in values} - {""}))


def day(graded_at: str) -> str:
    """The date of an ISO 8601 time."""
    return one_line(graded_at, 40)[:10]
