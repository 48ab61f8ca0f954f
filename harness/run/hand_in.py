"""Reads the file that an entry names, or the several files that together are one checkpoint."""

from __future__ import annotations

from harness import intake
from harness.checkpoint import together
from harness.run.settings import CHECKPOINT_LIMIT
from harness.types import Entry, Kind, Submission, refuse


def content_of(submission: Submission, entry: Entry) -> bytes:
    """Return the bytes of an entry's file; files that belong together are packed into one (`together.pack`).

    Empty where the entry names no file. Raises GradingError where a file can't be read.
    """
    if entry.file is None:
        return b""
    parts = _parts(submission, entry)
    if not parts:
        return intake.open_file(submission, entry.file, CHECKPOINT_LIMIT)
    files: dict[str, bytes] = {}
    left = CHECKPOINT_LIMIT
    for part in parts:
        files[part] = intake.open_file(submission, part, left)
        left -= len(files[part])
    try:
        return together.pack(files)
    except ValueError as error:
        raise refuse("checkpoint", "too-large", f"{entry.file}: {error}.") from None


def digests_of(submission: Submission, entry: Entry) -> dict[str, str]:
    """Return the digest of an entry's file as intake found it, by what it is; empty where that isn't known."""
    if entry.file is None or entry.file not in submission.digests or _may_have_parts(entry):
        return {}
    return named_digest(entry, submission.digests[entry.file])


def named_digest(entry: Entry, digest: str) -> dict[str, str]:
    """Return the digest of an entry's file, by what the file is."""
    return {"outputs" if entry.kind is Kind.OUTPUTS else "checkpoint": digest}


def _parts(submission: Submission, entry: Entry) -> tuple[str, ...]:
    if not _may_have_parts(entry) and entry.file in submission.digests:
        return ()
    return together.companions(entry.file or "", intake.listed(submission.root).files)


def _may_have_parts(entry: Entry) -> bool:
    file = entry.file or ""
    return entry.kind is Kind.WEIGHTS and (file.endswith((".index", ".json", ".meta")) or "-of-" in file)
