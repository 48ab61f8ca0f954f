"""Opens and lists regular files in a folder that may be hostile: no link followed, no pipe or device opened."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from harness.intake.archives import LIMITS
from harness.intake.leftovers import count_files, counted, is_environment, is_leftover, named
from harness.intake.names import folded, path_problem
from harness.text import shown
from harness.types import GradingError, Submission, broken, refuse

_CHUNK = 1 << 20
_MOST_COUNTED = 200_000
"""Names that are looked at to count files that are passed over."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(root: Path, relative: str, limit: int = LIMITS.file_bytes) -> Iterator[IO[bytes]]:
    """Open a regular file below `root`, component by component, without following a link.

    A file that grows later is the reader's to bound.

    Raises
    ------
    GradingError
        of kind missing-file, link, special-file, too-large (its size is more than `limit` bytes), changed, unreadable,
        or one of `harness.intake.names.path_problem`.
    """
    label = shown(relative)
    if problem := path_problem(relative):
        raise refuse("intake", problem[0], f"{label} {problem[1]}.")
    *folders, name = PurePosixPath(relative).parts
    held: list[int] = []
    try:
        held.append(os.open(root, _FOLDER))
        for folder in folders:
            held.append(os.open(folder, _FOLDER, dir_fd=held[-1]))
        # Looked at before it is opened: opening alone can set a device off.
        before = os.stat(name, dir_fd=held[-1], follow_symlinks=False)
        _refuse_special(before, label, limit)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        handle = os.open(name, flags, dir_fd=held[-1])
    except OSError as error:
        raise _unopened(error, label) from None
    finally:
        for one in held:
            os.close(one)
    with os.fdopen(handle, "rb") as file:
        after = os.fstat(handle)
        _refuse_special(after, label, limit)
        if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino):
            raise refuse("intake", "changed", f"{label} was replaced while it was being opened.")
        yield file


def open_file(submission: Submission, relative: str, limit: int = LIMITS.file_bytes) -> bytes:
    """Read a file of a submission, once.

    Bytes that were read are what was checked: hash and parse these, and no later change of the file matters.

    Raises
    ------
    GradingError
        as `opened` does, and of kind too-large if the file grows beyond `limit` bytes meanwhile.
    """
    with opened(submission.root, relative, limit) as file:
        return b"".join(chunks(file, relative, limit))


def chunks(file: IO[bytes], label: str, limit: int) -> Iterator[bytes]:
    """Read a file piece by piece; GradingError (too-large) as soon as that is more than `limit` bytes."""
    given = 0
    while chunk := file.read(min(_CHUNK, limit + 1 - given)):
        given += len(chunk)
        if given > limit:
            raise too_large(label, "more", limit)
        yield chunk


def file_digest(root: Path, relative: str) -> str | None:
    """Calculate the SHA-256 of a file below `root`; None if it can't be opened or is too large."""
    running = hashlib.sha256()
    try:
        with opened(root, relative) as file:
            for chunk in chunks(file, relative, LIMITS.file_bytes):
                running.update(chunk)
    except (GradingError, OSError):
        return None
    return running.hexdigest()


def too_large(path: str, found: str, limit: int) -> GradingError:
    """Return the error for a file of `found` bytes."""
    return refuse("intake", "too-large", f"{shown(path, 100)} is too large: {found} bytes; {limit:,} are allowed.")


@dataclass(frozen=True)
class Listing:
    """The regular files below a folder."""

    files: tuple[str, ...]
    """Regular files, relative to the folder, with forward slashes, sorted."""
    notes: tuple[str, ...]
    """Name what was passed over, in one note: leftovers of tools, links, special files, names that can't be shown."""


@dataclass
class _PassedOver:
    """Names of what is no file of a submission."""

    leftovers: dict[str, int] = field(default_factory=dict)
    """Files in each folder that a tool left behind."""
    links: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """Say all of it in one note; none if nothing was passed over."""
        told = []
        if self.leftovers:
            files = sum(self.leftovers.values())
            some = "more than " if files >= _MOST_COUNTED else ""
            told.append(f"{some}{counted(files, 'file')} in {named(sorted(self.leftovers))}")
        for found, noun, plural in (
            (self.links, "link", "links"),
            (self.special, "pipe, socket or device", "pipes, sockets or devices"),
            (self.names, "name with a control character or backslash", "names with control characters or backslashes"),
        ):
            if found:
                told.append(f"{counted(len(found), noun, plural)} ({named(sorted(found))})")
        if not told:
            return ()
        fault = self.links or self.special or self.names
        remedy = " If one of them is needed, put the file itself in its place, under a plain name." if fault else ""
        return (f"Passed over: {'; '.join(told)}.{remedy}",)


def listed(root: Path) -> Listing:
    """List all regular files below a folder. What systems and tools leave behind is left out, and counts for nothing.

    Raises
    ------
    GradingError
        if the folder holds more than `archives.LIMITS` allow, a path that is too long or too deep, or two names that
        differ only in case or composition.
    """
    files: list[str] = []
    passed = _PassedOver()
    spelled: dict[str, str] = {}
    total = 0
    for path, item in _below(root, passed):
        if problem := path_problem(path):
            if problem[0] not in ("control-character", "backslash"):
                raise refuse("intake", problem[0], f"{shown(path, 100)} {problem[1]}.")
            passed.names.append(shown(path, 100))
            continue
        found = item.stat(follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            (passed.links if stat.S_ISLNK(found.st_mode) else passed.special).append(shown(path, 100))
            continue
        if (twin := spelled.setdefault(folded(path), path)) != path:
            both = f"{shown(twin, 100)} and {shown(path, 100)}"
            raise refuse(
                "intake",
                "twin-names",
                f"{both} differ only in case or accents; on some machines they are one. Rename one.",
            )
        if len(spelled) > LIMITS.files:
            message = f"There are more than {LIMITS.files:,} files and folders, which is the most allowed."
            raise refuse("intake", "too-many-files", message)
        if stat.S_ISREG(found.st_mode):
            if found.st_size > LIMITS.file_bytes:
                raise too_large(path, f"{found.st_size:,}", LIMITS.file_bytes)
            total += found.st_size
            if total > LIMITS.total_bytes:
                message = f"The files hold more than {LIMITS.total_bytes:,} bytes, which is the most allowed."
                raise refuse("intake", "too-large", message)
            files.append(path)
    return Listing(tuple(sorted(files)), passed.notes())


def _below(root: Path, passed: _PassedOver) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk through everything below a folder but leftovers, with relative paths; each folder before its contents."""
    stack = [""]
    while stack:
        folder = stack.pop()
        with os.scandir(root / folder) as listing:
            for item in listing:
                path = f"{folder}/{item.name}" if folder else item.name
                is_dir = item.is_dir(follow_symlinks=False)
                if is_leftover(item.name) or (is_dir and is_environment(root / path)):
                    if is_dir:
                        left = _MOST_COUNTED - sum(passed.leftovers.values())
                        passed.leftovers[shown(path, 100)] = count_files(root / path, left)
                    continue
                yield path, item
                if is_dir and not path_problem(path):
                    stack.append(path)


def _refuse_special(found: os.stat_result, label: str, limit: int) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise refuse("intake", "link", f"{label} is a link; put the file itself in its place.")
    if stat.S_ISDIR(found.st_mode):
        raise refuse("intake", "special-file", f"{label} is a folder; a file is expected.")
    if not stat.S_ISREG(found.st_mode):
        raise refuse("intake", "special-file", f"{label} is a pipe, socket or device; a regular file is expected.")
    if found.st_size > limit:
        raise too_large(label, f"{found.st_size:,}", limit)


def _unopened(error: OSError, label: str) -> GradingError:
    if error.errno == errno.ENOENT:
        return refuse("intake", "missing-file", f"{label} is not in the submission.")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return refuse("intake", "link", f"{label} lies behind a link or a file; only folders are gone through.")
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return broken("intake", "unreadable", f"{label} could not be opened: {reason}.")
