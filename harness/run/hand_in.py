"""Reads the file that an entry names, or the several files that together are one checkpoint; copies those of code.

Of weights and answers the bytes that were read are hashed and sent on. Where code may run, all listed files of the
submission are copied, and the copy is what is hashed, read and shown (`harness.intake.copies`).
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from harness import intake, scratch
from harness.checkpoint import together
from harness.run.plan import Planned
from harness.run.settings import CHECKPOINT_LIMIT
from harness.sandbox.outside.closing import Closing
from harness.types import Entry, GradingError, Kind, Submission, refuse


class Copies(Closing):
    """The private copies of hand-ins, each made when it is first needed; a context manager, which deletes them."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._made: dict[Path, intake.Copy] = {}

    def known(self, submission: Submission) -> intake.Copy | None:
        """Return the copy of a submission, if there is one."""
        return self._made.get(submission.root)

    def of(self, submission: Submission) -> intake.Copy:
        """Return the copy of a submission. Raises GradingError where its files can't be copied as they are."""
        if submission.root not in self._made:
            if self._folder is None:
                self._folder = self._stack.enter_context(scratch.folder("copy"))
            into = Path(tempfile.mkdtemp(dir=self._folder))
            self._made[submission.root] = intake.copied(submission, into)
        return self._made[submission.root]

    def close(self) -> None:
        """Deletes the copies. May be called twice."""
        self._stack.close()
        self._folder = None
        self._made.clear()


@dataclass
class HandIn:
    """An entry as it is planned, and its file, which is read at most once."""

    planned: Planned
    digests: dict[str, str]
    """Digests of what decides the entry's results; that of the file is of the bytes that were read, once it was."""
    copies: Copies
    content: bytes | None = None
    """None until the file is read."""

    @classmethod
    def of(cls, planned: Planned, copies: Copies | None = None) -> HandIn:
        """Return an entry with its file's digest as intake found it; where that isn't known, the file is read.

        `copies` are those of the entries of one submission. Nothing is copied, unless another entry needed a copy
        before: then it is of that copy.
        """
        copies = copies or Copies()
        if planned.failure is not None:
            return cls(planned, {}, copies)
        found = cls(planned, digests_of(planned.submission, planned.entry), copies)
        if planned.entry.code is None:
            if not found.digests:
                found.read()
        elif copies.known(planned.submission) is not None:
            found.read()
        elif not found.digests and planned.entry.file is not None:
            try:
                told = intake.digest(content_of(planned.submission, planned.entry))
                found.digests = named_digest(planned.entry, told)
            except GradingError as error:
                found.planned = replace(planned, failure=error.failure)
        return found

    def read(self) -> bool:
        """Read the entry's file, and copy all that may run; where that can't be, the plan says so.

        False where there was nothing to read, or all was read before.
        """
        entry = self.planned.entry
        if self.content is not None or self.planned.failure is not None or (entry.file is None and entry.code is None):
            return False
        try:
            copy = None if entry.code is None else self.copies.of(self.planned.submission)
            if copy is not None:
                own = replace(self.planned.submission, root=copy.submission.root)
                self.planned = replace(self.planned, submission=own, copied=copy.digest)
            self.content = self._read(copy)
        except GradingError as error:
            self.planned, self.digests = replace(self.planned, failure=error.failure), {}
        return True

    def _read(self, copy: intake.Copy | None) -> bytes:
        """The file's bytes; none of a file that code reads itself. Its digest is of what is sent on or shown."""
        submission, entry = self.planned.submission, self.planned.entry
        if copy is not None and entry.kind is Kind.CODE:
            if entry.file is not None:
                with intake.opened(submission.root, entry.file, CHECKPOINT_LIMIT):
                    self.digests |= named_digest(entry, copy.digests[entry.file])
            return b""
        content = content_of(submission, entry)
        self.digests |= named_digest(entry, intake.digest(content))
        return content


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
