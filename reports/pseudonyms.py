"""Pseudonyms of submissions: stable in one results folder, and of no use to who only has a list of the class.

A pseudonym is an HMAC-SHA-256 of the seat, keyed by the secret seed of the results folder: without the key, nobody can
try the names or numbers of a class and compare.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.types import Record, Role

KEY_FILE = "pseudonyms.csv"
"""File in a results folder that tells whose the pseudonyms are; only its owner can read it."""
_SEAT = re.compile(r"[a-z0-9_-]+:.")
"""A platform's seat, "moodle:12345"; the place of a folder has the digest of its class and a slash in front."""
_SHORTEST = 8
"""Base-32 digits of a pseudonym, 40 bits, unless two of a class would be the same."""


def from_platform(record: Record) -> bool:
    """True for a student's record whose id and name are those of a learning platform."""
    return record.role is Role.STUDENT and _SEAT.match(record.place) is not None


def pseudonyms(records: Sequence[Record], key: bytes) -> dict[str, str]:
    """Pseudonyms of the submissions of these records, by id: "entry-" and base-32 digits, no two the same.

    A platform's seat decides the pseudonym, so that it stays when the id changes; elsewhere the id does.
    """
    seats: dict[str, str] = {}
    for record in records:
        seat = record.place if from_platform(record) else record.submission
        seats[record.submission] = min(seat, seats.get(record.submission, seat))
    digests = {own: _digest(seat, key) for own, seat in seats.items()}
    length = _SHORTEST
    while len({digest[:length] for digest in digests.values()}) < len(set(seats.values())):
        length += 1
    return {own: f"entry-{digest[:length]}" for own, digest in digests.items()}


def _digest(seat: str, key: bytes) -> str:
    found = hmac.new(key, b"pseudonym\0" + seat.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return base64.b32encode(found).decode("ascii").lower().rstrip("=")


def keep(results: Path, owners: Mapping[str, str]) -> None:
    """Write whose the pseudonyms are to a file that only its owner can read. Raises `OSError` where it can't be."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["pseudonym", "submission"])
    for pseudonym, own in sorted(owners.items()):
        # An apostrophe keeps a spreadsheet from calculating.
        writer.writerow([pseudonym, f"'{own}" if own[:1] in "=+-@\t\r" else own])
    temporary = results / f".{KEY_FILE}.{secrets.token_hex(6)}.tmp"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(buffer.getvalue().encode("utf-8", "replace"))
        temporary.replace(results / KEY_FILE)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
