"""Copies the listed files of a hand-in into a private folder: what is digested is what runs.

A folder that somebody else can write to may change between two looks at it, and what tools leave in it (`__pycache__`,
`.git`, `venv`) is not listed, hence not digested; an unchecked .pyc there would run in place of its source. So each
listed file is read once, hashed while it is copied, and the copy alone is opened, sent to hosts and shown to sandboxes.
A reflink or hard link would be cheaper and not safe: it shares the file that can be written to.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.intake import manifest
from harness.intake.archives import LIMITS
from harness.intake.digests import line_of
from harness.intake.regular_files import chunks, listed, opened
from harness.types import GradingError, Submission, refuse

MODIFIED = 315_532_800
"""Time of modification of every copy, 1980-01-01, in seconds: answers must not depend on when they were made."""
ACCESSED = 2_145_830_400
"""Time of access of every copy, 2037-12-31: where it lies in the future, reading a file does not renew it.

Workers of one entry could else tell each other by it which files they have read.
"""


@dataclass(frozen=True)
class Copy:
    """A hand-in's listed files in a private folder."""

    submission: Submission
    """The submission with the copy in place of its folder."""
    digest: str
    """One SHA-256 over paths and contents, as `tree_digest` gives it of equal files."""
    digests: Mapping[str, str]
    """SHA-256 of each file, by its path."""


def copied(submission: Submission, into: Path) -> Copy:
    """Copy the listed files of a submission into an empty folder, each read once and hashed while it is copied.

    A file that can't be read is left out, and enters the digest by its path alone.

    Raises
    ------
    GradingError
        of kind changed if the manifest is no longer the one that was read, and as `regular_files.listed` does.
    OSError
        if the copy can't be written.
    """
    whole = hashlib.sha256()
    digests: dict[str, str] = {}
    total = 0
    for path in listed(submission.root).files:
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            size, digests[path] = _copied(submission.root, path, target)
        except GradingError:
            target.unlink()
        else:
            total += size
        whole.update(line_of(path, digests.get(path)))
        if total > LIMITS.total_bytes:
            message = f"The files hold more than {LIMITS.total_bytes:,} bytes, which is the most allowed."
            raise refuse("intake", "too-large", message)
    read = manifest.manifest_in([path for path in submission.digests if "/" not in path])
    if read is not None and digests.get(read.name) != submission.digests[read.name]:
        raise refuse("intake", "changed", f"{read.name} was changed while the submission was graded; grade it again.")
    stamp(into)
    return Copy(replace(submission, root=into), whole.hexdigest(), digests)


def stamp(folder: Path) -> None:
    """Give all files and folders of a private copy the same times."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            os.utime(Path(parent) / name, (ACCESSED, MODIFIED))
        os.utime(parent, (ACCESSED, MODIFIED))


def _copied(root: Path, path: str, target: Path) -> tuple[int, str]:
    """Copy one file; its size and SHA-256. Raises GradingError for one that can't be read or grows too large."""
    running, size = hashlib.sha256(), 0
    with target.open("xb") as out, opened(root, path) as file:
        for piece in chunks(file, path, LIMITS.file_bytes):
            running.update(piece)
            size += len(piece)
            out.write(piece)
    return size, running.hexdigest()
