"""Compares the entries of a results folder with each other, by their sketches and per-question scores.

Nothing is compared yet. This is the stage's place: it runs after the class is marked, sees all records and the arrays
beside them (`harness.run.kept.load_arrays`), asks nobody, and runs anew when an entry comes or goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.types import Evidence, Record, Role

Identity = tuple[Role, str, str]
"""Role, submission and part of a record."""


def identity(record: Record) -> Identity:
    """Return what tells a record from all others of a results folder."""
    return record.role, record.submission, record.part


def compare(results: Path) -> Mapping[Identity, tuple[Evidence, ...]]:
    """Return the evidence that comparing a folder's records brings for each entry; those without any are left out."""
    return {}
