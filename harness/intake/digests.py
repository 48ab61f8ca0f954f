"""SHA-256 digests of a submission: of one file's bytes, of the files that its entries name, of all its files."""

from __future__ import annotations

import hashlib

from harness.intake.regular_files import file_digest, listed
from harness.types import Entry, GradingError, Kind, Submission


def digest(content: bytes) -> str:
    """Calculate the SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def tree_digest(submission: Submission) -> str:
    """Calculate one SHA-256 over the paths and digests of all regular files of a submission.

    It changes when any of its code does. Never raises: a file that can't be read enters by its path alone.
    """
    whole = hashlib.sha256()
    try:
        files = listed(submission.root).files
    except (GradingError, OSError):
        files = ()
    for file in files:
        whole.update(line_of(file, file_digest(submission.root, file)))
    return whole.hexdigest()


def line_of(path: str, content: str | None) -> bytes:
    """Return the line of a file in a digest over many; `content` is its SHA-256, None if it can't be read."""
    return f"{path}\0{content or 'unreadable'}\n".encode("utf-8", "surrogateescape")


def entry_digests(submission: Submission) -> dict[str, str]:
    """Calculate the SHA-256 of each file that an entry names, by path; files that can't be read are left out."""
    named: set[str] = set()
    for entry in submission.entries:
        named.update(path for path in (entry.file, _code_file(entry)) if path is not None)
    found = {path: file_digest(submission.root, path) for path in sorted(named)}
    return {path: value for path, value in found.items() if value is not None}


def _code_file(entry: Entry) -> str | None:
    return entry.code.rpartition(":")[0] if entry.kind is Kind.CODE and entry.code is not None else None
