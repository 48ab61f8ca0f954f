"""Unpacks a zip or tar in a guarded loop: regular files only, counted while they inflate.

The archive's own word on sizes, counts and places of entries is not believed. A problem is reported with the top-level
name that it belongs to, so that one student's hostile file in the export of a class leaves the others alone.
"""

from __future__ import annotations

import errno
import gzip
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from harness.intake.names import folded, path_problem
from harness.intake.tarball import TarError, TarReader
from harness.text import shown
from harness.types import Failure, GradingError, broken, refuse

CHUNK = 1 << 16
_DIRECTORY_BYTES = 16 << 20
"""Bytes of the largest zip directory that is read: room for about 100,000 entries."""
_JUNK_FOLDERS = frozenset({"__MACOSX", ".git", ".svn", ".venv", "venv", "__pycache__", ".ipynb_checkpoints", ".idea"})
_JUNK_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


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


LIMITS = Limits()


@dataclass(frozen=True)
class Unpacked:
    """Problems and notes of an archive that was unpacked."""

    problems: dict[str, Failure] = field(default_factory=dict)
    """The first problem of each owner, by the owner's path in the archive; "" if there is one owner."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Sentences on what was ignored, by owner."""


class _Source(Protocol):
    def read(self, count: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Member:
    """One entry of an archive, as the archive describes it; none of it is believed yet."""

    name: str
    is_folder: bool
    packed: int | None
    """Bytes that it takes in the archive; None if it isn't compressed by itself."""
    problem: tuple[str, str] | None
    """The reason why it can't be a file here: a kebab-case word and the end of a sentence."""
    open: Callable[[], _Source]


def is_archive(name: str) -> bool:
    """Return True if a file's name is that of a zip or tar."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def stem(name: str) -> str:
    """Return a file's name without the suffix of an archive."""
    for suffix in sorted(ARCHIVE_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def is_junk(parts: Sequence[str]) -> bool:
    """Return True for a path that operating systems and tools leave behind, and that is no part of a submission."""
    return (
        any(part in _JUNK_FOLDERS for part in parts)
        or parts[-1] in _JUNK_FILES
        or (parts[-1].startswith("._") and len(parts[-1]) > 2)
    )


def unpack(
    file: IO[bytes],
    name: str,
    into: Path,
    limits: Limits = LIMITS,
    owner_depth: Callable[[Sequence[str]], int] = lambda names: 0,
) -> Unpacked:
    """Unpack a zip, tar or tar.gz, told apart by their first bytes, into the empty folder `into`.

    Parameters
    ----------
    file : opened for reading, seekable
    name : name of the archive in errors
    owner_depth : given the names in a zip, the number of leading names of a path that tell whose it is: 0 if all is
        one submission's, 1 if each top-level name is another's. Limits hold for each owner. A tar always has one.

    Raises
    ------
    GradingError
        if the archive as a whole can't be unpacked, or if it is one submission's and a file in it may not be.
    """
    shown_name = shown(name)
    head = file.read(512)
    file.seek(0)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        unpacked = _unpack_zip(file, shown_name, into, limits, owner_depth)
    elif head[:2] == b"\x1f\x8b" or head[257:262] == b"ustar":
        unpacked = _unpack_tar(file, shown_name, into, limits, head[:2] == b"\x1f\x8b")
    else:
        known = {
            b"Rar!": "a RAR file",
            b"7z\xbc\xaf": "a 7-Zip file",
            b"\xfd7zX": "an xz file",
            b"BZh9": "a bzip2 file",
        }
        what = "empty" if not head else known.get(head[:4], "neither a zip nor a tar")
        message = f"{shown_name} is {what}. Hand in a folder, .zip, .tar or .tar.gz."
        raise refuse("intake", "not-an-archive", message)
    if "" in unpacked.problems:
        raise GradingError(unpacked.problems[""])
    return unpacked


class _Guarded:
    """Bounds each read of a file, so that a forged directory size can't fill the memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        chunk = self._file.read(_DIRECTORY_BYTES + 1 if count < 0 else min(count, _DIRECTORY_BYTES + 1))
        if len(chunk) > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory holds more than {_DIRECTORY_BYTES:,} bytes")
        return chunk

    def close(self) -> None: ...


def _opened(file: IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_Guarded(file))
    except Exception as error:  # zipfile lets errors of many kinds through for a forged directory
        reason = shown(error) or type(error).__name__
        message = f"{name} is not a zip that can be read (cut off, or damaged): {reason}. Zip it anew."
        raise refuse("intake", "damaged-archive", message) from None


def _unpack_zip(
    file: IO[bytes], name: str, into: Path, limits: Limits, owner_depth: Callable[[Sequence[str]], int]
) -> Unpacked:
    with _opened(file, name) as archive:
        entries = archive.infolist()
        depth = owner_depth([entry.orig_filename for entry in entries])
        if depth == 0 and len(entries) > limits.files:
            message = (
                f"{name} holds {len(entries):,} entries; {limits.files:,} are allowed. Leave out what isn't needed."
            )
            raise refuse("intake", "too-many-files", message)
        _refuse_overlaps(entries, archive.start_dir, name)
        members = (_zip_member(archive, entry) for entry in entries)
        return _extract(members, name, into, limits, depth)


def _refuse_overlaps(entries: list[zipfile.ZipInfo], end: int, name: str) -> None:
    """Refuse entries that share bytes, by which a small zip inflates without limit.

    Fifield 2019, "A better zip bomb".
    """
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    starts = [entry.header_offset for entry in ordered[1:]] + [end]
    for entry, following in zip(ordered, starts, strict=False):
        # A local header takes 30 bytes and repeats the name.
        least = 30 + len(entry.orig_filename) + entry.compress_size
        if entry.header_offset < 0 or entry.header_offset + least > following:
            message = f"{name}: entries overlap or are cut off, at {shown(entry.orig_filename, 80)}. Zip it anew."
            raise refuse("intake", "overlapping-entries", message)


def _zip_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    problem = None
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        problem = _special(kind)
    elif entry.flag_bits & 0x2041:  # encrypted; strongly encrypted; its header masked
        problem = "encrypted", "is encrypted; hand it in without a password"
    elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        problem = "compression", f"is packed by method {entry.compress_type}; only stored and deflated are read"
    return _Member(entry.orig_filename, entry.is_dir(), entry.compress_size, problem, lambda: archive.open(entry))


def _special(kind: int) -> tuple[str, str]:
    if kind == stat.S_IFLNK:
        return "link", "is a link; put the file itself in its place"
    names = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return "special-file", f"is {names.get(kind, 'a device')}; only regular files are allowed"


class _Inflated:
    """Stops a stream that has given more than a submission may hold, or far more than was packed."""

    def __init__(self, stream: _Source, name: str, packed: int, limits: Limits) -> None:
        self._stream, self._name, self._given = stream, name, 0
        # Headers and padding come beside the files' own bytes.
        overhead = 4096 * limits.files
        self._most = min(limits.total_bytes + overhead, max(limits.ratio_from, limits.ratio * packed))

    def read(self, count: int) -> bytes:
        chunk = self._stream.read(count)
        self._given += len(chunk)
        if self._given > self._most:
            message = f"{self._name} inflates to more than {self._most:,} bytes, the most allowed for its size."
            raise refuse("intake", "inflates-too-far", message)
        return chunk


def _unpack_tar(file: IO[bytes], name: str, into: Path, limits: Limits, gzipped: bool) -> Unpacked:
    packed = file.seek(0, os.SEEK_END)
    file.seek(0)
    stream = _Inflated(gzip.GzipFile(fileobj=file) if gzipped else file, name, packed, limits)
    try:
        unpacked = _extract(_tar_members(stream), name, into, limits, 0)
        # To the end, where gzip's checksum is: only then is nothing cut off.
        while not unpacked.problems and stream.read(CHUNK):
            pass
        return unpacked
    except (TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = shown(error) or type(error).__name__
        raise refuse(
            "intake", "damaged-archive", f"{name} is not a tar that can be read: {reason}. Pack it anew."
        ) from None


def _tar_members(stream: _Source) -> Iterator[_Member]:
    kinds = {"1": "link", "2": "link", "3": "device", "4": "device", "6": "pipe"}
    for header in (reader := TarReader(stream)):
        problem = None
        if header.type not in "0\0" + "75":
            kind = kinds.get(header.type)
            special = {"link": stat.S_IFLNK, "device": stat.S_IFCHR, "pipe": stat.S_IFIFO}
            problem = (
                _special(special[kind])
                if kind
                else ("special-file", f"is of tar type {shown(header.type)!r}; only regular files are allowed")
            )
        yield _Member(header.name, header.type == "5" or header.name.endswith("/"), None, problem, lambda: reader)


@dataclass
class _Tree:
    """Counts and checks one owner's part of an archive, and writes it."""

    limits: Limits
    entries: int = 0
    total: int = 0
    spelled: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Spelling, and True for a folder, by folded path."""
    notes: list[str] = field(default_factory=list)

    def place(self, member: _Member, into: Path, archive: str, skip: int) -> None:
        """Write a member below `into`. The first `skip` names of its path don't count for twins."""
        label = f"{archive}: {shown(member.name, 100)}"
        problem = path_problem(member.name)
        if problem is not None and problem[0] == "control-character":
            # macOS's "Icon\r" is one of these, so they are no reason to refuse.
            self.notes.append(f"{label} was ignored: it {problem[1]}. Rename it if it is needed.")
            return
        if problem is None and PurePosixPath(member.name).parts and is_junk(PurePosixPath(member.name).parts):
            return
        problem = problem or member.problem
        if problem is not None:
            raise refuse("intake", problem[0], f"{label} {problem[1]}.")
        self.entries += 1
        if self.entries > self.limits.files:
            message = f"{archive} holds more than {self.limits.files:,} entries, which is the most allowed."
            raise refuse("intake", "too-many-files", message)
        parts = PurePosixPath(member.name).parts
        self._refuse_twins(parts, member.is_folder, skip, label)
        target = into.joinpath(*parts)
        if member.is_folder:
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(member, target, label)

    def _refuse_twins(self, parts: Sequence[str], is_folder: bool, skip: int, label: str) -> None:
        for length in range(1, len(parts) + 1):
            path, last = "/".join(parts[:length]), length == len(parts)
            folder = is_folder or not last
            key = path if length <= skip else folded(path)
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
                raise refuse("intake", "duplicate-name", f"{label} is in there twice. Zip it anew.")
            self.spelled[f"\0{key}"] = (key, False)

    def _write(self, member: _Member, target: Path, label: str) -> None:
        written = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(target, flags, 0o600), "wb") as out:
            source = member.open()
            while chunk := source.read(CHUNK):
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


def _extract(members: Iterator[_Member], archive: str, into: Path, limits: Limits, depth: int) -> Unpacked:
    trees: dict[str, _Tree] = {}
    problems: dict[str, Failure] = {}
    for member in members:
        owner = "/".join(member.name.split("/")[:depth])
        if owner in problems:
            continue
        tree = trees.setdefault(owner, _Tree(limits))
        try:
            tree.place(member, into, archive, depth)
        except GradingError as error:
            problems[owner] = error.failure
            if depth == 0:
                break
        except TarError:
            raise
        except OSError as error:
            problems[owner] = _unwritten(error, archive, member.name)
            if problems[owner].fault == "harness":
                raise GradingError(problems[owner]) from error
        except Exception as error:  # zipfile and zlib let errors of many kinds through for damaged data
            reason = shown(error) or type(error).__name__
            message = f"{archive}: {shown(member.name, 100)} is damaged: {reason}."
            problems[owner] = refuse("intake", "damaged-archive", message).failure
    return Unpacked(problems, {owner: tree.notes for owner, tree in trees.items() if tree.notes})


def _unwritten(error: OSError, archive: str, name: str) -> Failure:
    label = f"{archive}: {shown(name, 100)}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO, errno.EMFILE):
        return broken("intake", "cannot-unpack", f"{label} could not be written: {os.strerror(error.errno)}.").failure
    reason = os.strerror(error.errno) if error.errno else shown(error)
    return refuse("intake", "damaged-archive", f"{label} can't be unpacked: {reason}.").failure
