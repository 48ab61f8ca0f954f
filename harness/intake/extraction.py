"""Writes the entries of an archive in a guarded loop: regular files only, counted while they inflate.

The archive's own word on sizes, counts and places of entries is not believed. A problem is reported with the top-level
name that it belongs to, so that one student's hostile file in the export of a class leaves the others alone.
"""

from __future__ import annotations

import errno
import os
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.intake.names import folded, path_problem
from harness.intake.streams import StreamError
from harness.intake.tarball import Source, TarError
from harness.text import shown
from harness.types import Failure, GradingError, broken, refuse

CHUNK = 1 << 16
_JUNK_FOLDERS = frozenset({"__MACOSX", ".git", ".svn", ".venv", "venv", "__pycache__", ".ipynb_checkpoints", ".idea"})
_JUNK_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_MOST_NOTES = 20
"""Entries of one owner that are named because they were ignored; more are counted."""
_NOWHERE = "/dev/null/a-link-that-was-not-unpacked"
"""Target of every link that stands for one of an archive: below something that can't be a folder."""


@dataclass(frozen=True)
class Limits:
    """Limits on the files of one submission."""

    files: int = 20_000
    """Files and folders."""
    file_bytes: int = 1 << 30
    total_bytes: int = 4 << 30
    ratio: int = 200
    """Inflated to packed bytes of one file, checked from `ratio_from` inflated bytes on."""
    ratio_from: int = 50_000_000
    seconds: float = 300
    """Processor time of unpacking. bzip2, the slowest, gives about 10 MB of weights a second, so 3 GB in this time."""


LIMITS = Limits()


@dataclass(frozen=True)
class Unpacked:
    """Problems and notes of an archive that was unpacked."""

    problems: dict[str, Failure] = field(default_factory=dict)
    """The first problem of each owner, by the owner's path in the archive; "" if there is one owner."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Sentences on what was ignored, by owner."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive, as the archive describes it; none of it is believed yet."""

    name: str
    is_folder: bool
    packed: int | None
    """Bytes that it takes in the archive; None if it isn't compressed by itself."""
    problem: tuple[str, str] | None
    """The reason why it can't be a file here: a kebab-case word and the end of a sentence."""
    open: Callable[[], Source]
    notes: tuple[str, ...] = ()
    """Sentences on how its name was read; equal ones of an owner are said once."""


def special(kind: int) -> tuple[str, str]:
    """Return the problem of an entry that is no regular file. Kinds are those of `stat`."""
    if kind == stat.S_IFLNK:
        return "link", "is a link; put the file itself in its place"
    names = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return "special-file", f"is {names.get(kind, 'a device')}; only regular files are allowed. Leave it out"


def is_junk(parts: Sequence[str]) -> bool:
    """Return True for a path that operating systems and tools leave behind, and that is no part of a submission."""
    return (
        any(part in _JUNK_FOLDERS for part in parts)
        or parts[-1] in _JUNK_FILES
        or (parts[-1].startswith("._") and len(parts[-1]) > 2)
    )


class Clock:
    """Bounds the processor time of an archive."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name, self._seconds = name, seconds
        self._left = seconds
        self._until = float("inf")

    def start(self) -> None:
        """Go on counting."""
        self._until = time.thread_time() + self._left

    def stop(self) -> None:
        """Stop counting, for work that is somebody else's."""
        self._left = self._until - time.thread_time()

    def check(self) -> None:
        """Raise GradingError (too-slow) if the time is over."""
        if time.thread_time() > self._until:
            message = (
                f"{self._name} takes more than {self._seconds:.0f} seconds of processor time to unpack, the most "
                "allowed. Leave out what isn't needed, and pack the rest as a .zip."
            )
            raise refuse("intake", "too-slow", message)


@dataclass
class _Tree:
    """Counts and checks one owner's part of an archive, and writes it."""

    limits: Limits
    clock: Clock
    entries: int = 0
    passed: int = 0
    total: int = 0
    ignored: int = 0
    spelled: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Spelling, and True for a folder, by folded path."""
    notes: list[str] = field(default_factory=list)

    def place(self, member: Member, into: Path, archive: str, skip: int) -> None:
        """Write a member below `into`. The first `skip` names of its path don't count for twins."""
        label = f"{archive}: {shown(member.name, 100)}"
        name = unicodedata.normalize("NFC", member.name)
        problem = path_problem(name)
        parts = PurePosixPath(name).parts
        junk = problem is None and bool(parts) and is_junk(parts)
        self._count(archive, junk)
        if problem is not None and problem[0] == "control-character":
            # macOS's "Icon\r" is one of these, so they are no reason to refuse.
            self._ignore(f"{label} was ignored: it {problem[1]}. Rename it if it is needed.")
            return
        if junk:
            return
        is_link = member.problem is not None and member.problem[0] == "link"
        problem = problem or (None if is_link else member.problem)
        if problem is not None:
            raise refuse("intake", problem[0], f"{label} {problem[1]}.")
        self.notes += [note for note in member.notes if note not in self.notes]
        self._refuse_twins(PurePosixPath(member.name).parts, member.is_folder and not is_link, skip, label)
        # Composed, as people type names in a manifest; macOS packs them decomposed.
        target = into.joinpath(*parts)
        if member.is_folder and not is_link:
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_link:
            # As in a folder that was handed in: passed over with a note, and refused where an entry needs it.
            target.symlink_to(_NOWHERE)
        else:
            self._write(member, target, label)

    def _count(self, archive: str, junk: bool) -> None:
        """Count an entry. Of those that tools leave behind, which a folder may be full of, ten times as many may be."""
        self.passed += 1
        self.entries += not junk
        if self.entries > self.limits.files or self.passed > 10 * self.limits.files:
            message = (
                f"{archive} holds more than {self.limits.files:,} entries, which is the most allowed. "
                "Leave out what isn't needed."
            )
            raise refuse("intake", "too-many-files", message)

    def _ignore(self, note: str) -> None:
        self.ignored += 1
        if self.ignored <= _MOST_NOTES:
            self.notes.append(note)

    def said(self) -> list[str]:
        """Return the notes, with the number of those that were left out."""
        more = self.ignored - _MOST_NOTES
        return [*self.notes, f"{more:,} more entries were ignored for such reasons."] if more > 0 else self.notes

    def _refuse_twins(self, parts: Sequence[str], is_folder: bool, skip: int, label: str) -> None:
        for length in range(1, len(parts) + 1):
            path, last = "/".join(parts[:length]), length == len(parts)
            folder = is_folder or not last
            key = unicodedata.normalize("NFC", path) if length <= skip else folded(path)
            other, other_folder = self.spelled.setdefault(key, (path, folder))
            if other != path:
                message = (
                    f"{label} differs from {shown(other, 100)} only in case or accents; on some machines they are one. "
                    "Rename one."
                )
                raise refuse("intake", "twin-names", message)
            if folder != other_folder:
                raise refuse("intake", "duplicate-name", f"{label} is both a file and a folder. Rename one.")
        key = "/".join(parts)
        if not is_folder:
            # A second file of the same name finds the mark of the first.
            if self.spelled.get(f"\0{key}"):
                raise refuse("intake", "duplicate-name", f"{label} is in there twice. Pack it anew, with one of them.")
            self.spelled[f"\0{key}"] = (key, False)

    def _write(self, member: Member, target: Path, label: str) -> None:
        written = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(target, flags, 0o600), "wb") as out:
            source = member.open()
            while chunk := source.read(CHUNK):
                self.clock.check()
                written += len(chunk)
                self.total += len(chunk)
                if written > self.limits.file_bytes:
                    message = f"{label} holds more than {self.limits.file_bytes:,} bytes, which is the most allowed."
                    raise refuse("intake", "too-large", message)
                if self.total > self.limits.total_bytes:
                    most = self.limits.total_bytes
                    raise refuse("intake", "too-large", f"{label}: with it, the files hold more than {most:,} bytes.")
                if member.packed is not None and written > max(
                    self.limits.ratio_from, self.limits.ratio * member.packed
                ):
                    message = (
                        f"{label} inflates to more than {self.limits.ratio} times its packed size, the most allowed."
                    )
                    raise refuse("intake", "inflates-too-far", message)
                out.write(chunk)


def extract(
    members: Iterator[Member], archive: str, into: Path, limits: Limits, depth: int, clock: Clock | None = None
) -> Unpacked:
    """Write members below `into`; limits hold for each owner, who is told by the first `depth` names of a path.

    `clock` is one that runs already, for an archive of one owner; without it, each owner has one.
    """
    trees: dict[str, _Tree] = {}
    problems: dict[str, Failure] = {}
    for member in members:
        owner = unicodedata.normalize("NFC", "/".join(member.name.split("/")[:depth]))
        if owner in problems:
            continue
        tree = trees.get(owner)
        if tree is None:
            tree = trees[owner] = _Tree(limits, clock or Clock(archive, limits.seconds))
        if clock is None:
            tree.clock.start()
        try:
            tree.place(member, into, archive, depth)
        except GradingError as error:
            problems[owner] = error.failure
            if depth == 0:
                break
        except (TarError, StreamError):
            raise
        except OSError as error:
            problems[owner] = _unwritten(error, archive, member.name)
            if problems[owner].fault == "harness":
                raise GradingError(problems[owner]) from error
        except Exception as error:  # zipfile and zlib let errors of many kinds through for damaged data
            reason = shown(error) or type(error).__name__
            message = f"{archive}: {shown(member.name, 100)} is damaged: {reason}. Pack it anew."
            problems[owner] = refuse("intake", "damaged-archive", message).failure
        if clock is None:
            tree.clock.stop()
    return Unpacked(problems, {owner: tree.said() for owner, tree in trees.items() if tree.notes})


def _unwritten(error: OSError, archive: str, name: str) -> Failure:
    label = f"{archive}: {shown(name, 100)}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO, errno.EMFILE):
        return broken("intake", "cannot-unpack", f"{label} could not be written: {os.strerror(error.errno)}.").failure
    reason = os.strerror(error.errno) if error.errno else shown(error)
    return refuse("intake", "damaged-archive", f"{label} can't be unpacked: {reason}. Pack it anew.").failure
