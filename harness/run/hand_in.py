"""Reads the file that an entry names, or the several files that together are one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness import intake
from harness.checkpoint import together
from harness.run.plan import Planned
from harness.run.settings import CHECKPOINT_LIMIT
from harness.types import Entry, GradingError, Kind, Submission, refuse


@dataclass
class HandIn:
    """An entry as it is planned, and its file, which is read at most once."""

    planned: Planned
    digests: dict[str, str]
    """Digests of what decides the entry's results; that of the file is of the bytes that were read, once it was."""
    content: bytes | None = None
    """None until the file is read."""

    @classmethod
    def of(cls, planned: Planned) -> HandIn:
        """Return an entry with its file's digest as intake found it; where that isn't known, the file is read."""
        found = cls(planned, digests_of(planned.submission, planned.entry) if planned.failure is None else {})
        if not found.digests:
            found.read()
        return found

    def read(self) -> bool:
        """Read the entry's file; where it can't be read, the plan says so. False where there was nothing to read."""
        if self.content is not None or self.planned.failure is not None or self.planned.entry.file is None:
            return False
        try:
            self.content = content_of(self.planned.submission, self.planned.entry)
        except GradingError as error:
            self.planned, self.digests = replace(self.planned, failure=error.failure), {}
        else:
            self.digests |= named_digest(self.planned.entry, intake.digest(self.content))
        return True


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
