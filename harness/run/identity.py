"""The identity of an entry: what tells its record from all others of a results folder."""

from __future__ import annotations

from harness.types import Record, Role

Identity = tuple[Role, str, str]
"""Role, submission and part of a record."""


def identity(record: Record) -> Identity:
    """Return what tells a record from all others of a results folder."""
    return record.role, record.submission, record.part
