"""Unpacks what people hand in as one file: zip, tar, and tar compressed by gzip, bzip2 or xz.

Formats are told apart by their first bytes, whatever the file's name. 7-Zip and RAR files, and what else is not read,
are named as what they are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from harness.intake.extraction import CHUNK, Clock, Member, extract, special
from harness.intake.extraction import LIMITS as LIMITS
from harness.intake.extraction import Limits as Limits
from harness.intake.extraction import Unpacked as Unpacked
from harness.intake.extraction import is_junk as is_junk
from harness.intake.streams import Decompressed, StreamError, compression
from harness.intake.tarball import Source, TarError, TarReader
from harness.intake.zips import unpack_zip
from harness.text import shown
from harness.types import GradingError, refuse

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
"""Names of archives that are read."""
_OTHER_SUFFIXES = (
    ".7z",
    ".rar",
    ".tbz",
    ".zipx",
    ".tar.zst",
    ".tzst",
    ".tar.lz",
    ".tar.lzma",
    ".tlz",
    ".tar.z",
    ".taz",
)
"""Names of archives that are refused as such, ".tbz" aside, which is read."""
_REFUSED = {
    b"Rar!\x1a\x07": "a RAR file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip file",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard",
    b"LZIP": "packed by lzip",
    b"\x5d\x00\x00": "packed by LZMA alone",
    b"\x1f\x9d": "packed by compress",
    b"PK\x07\x08": "one part of a zip that was split",
    b"MZ": "a Windows program, perhaps an archive that unpacks itself",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\x80\x02": "a checkpoint (a pickle), not an archive",
}
"""Kinds of files that are handed in and not read, by their first bytes."""


def is_archive(name: str) -> bool:
    """Return True if a file's name is that of an archive, of a kind that `unpack` reads or refuses by name."""
    return name.lower().endswith(ARCHIVE_SUFFIXES + _OTHER_SUFFIXES)


def stem(name: str) -> str:
    """Return a file's name without the suffix of an archive."""
    for suffix in sorted(ARCHIVE_SUFFIXES + _OTHER_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def unpack(
    file: IO[bytes],
    name: str,
    into: Path,
    limits: Limits = LIMITS,
    owner_depth: Callable[[Sequence[str]], int] = lambda names: 0,
) -> Unpacked:
    """Unpack an archive into the empty folder `into`.

    Links are replaced by links to nowhere, which `harness.intake.regular_files` passes over with a note, and refuses
    where an entry needs the file.

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
    kind = compression(head)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        unpacked = unpack_zip(file, shown_name, into, limits, owner_depth)
    elif kind is not None or head[257:262] == b"ustar":
        unpacked = _unpack_tar(file, shown_name, into, limits, kind)
    else:
        raise _not_read(shown_name, head)
    if "" in unpacked.problems:
        raise GradingError(unpacked.problems[""])
    return unpacked


def _not_read(name: str, head: bytes) -> GradingError:
    what = next((said for magic, said in _REFUSED.items() if head.startswith(magic)), "neither a zip nor a tar")
    if not head:
        what = "empty"
    elif head.lstrip()[:1] == b"<":
        what = "a web page, perhaps what a link led to instead of the file"
    message = (
        f"{name} is {what}. Allowed are a folder and {' '.join(ARCHIVE_SUFFIXES)}. Pack the folder as a "
        'zip: on Windows by "Send to, Compressed (zipped) folder", in 7-Zip by "Archive format: zip", in WinRAR by '
        '"Archive format: ZIP", on macOS by "Compress", on Linux by `zip -r hand-in.zip FOLDER`.'
    )
    return refuse("intake", "not-an-archive", message)


class _Inflated:
    """Stops a stream that has given more than a submission may hold, or far more than was packed."""

    def __init__(self, stream: Source, name: str, packed: int, limits: Limits) -> None:
        self._stream, self._name, self._given = stream, name, 0
        # Headers and padding come beside the files' own bytes.
        overhead = 4096 * limits.files
        self._most = min(limits.total_bytes + overhead, max(limits.ratio_from, limits.ratio * packed))

    def read(self, count: int, /) -> bytes:
        chunk = self._stream.read(count)
        self._given += len(chunk)
        if self._given > self._most:
            message = f"{self._name} inflates to more than {self._most:,} bytes, the most allowed for its size."
            raise refuse("intake", "inflates-too-far", message)
        return chunk


def _unpack_tar(file: IO[bytes], name: str, into: Path, limits: Limits, kind: str | None) -> Unpacked:
    packed = file.seek(0, os.SEEK_END)
    file.seek(0)
    clock = Clock(name, limits.seconds)
    clock.start()
    stream = _Inflated(file if kind is None else Decompressed(file, kind, clock.check), name, packed, limits)
    try:
        unpacked = extract(_tar_members(stream), name, into, limits, 0, clock)
        # To the end, where the checksum is: only then is nothing cut off.
        while not unpacked.problems and stream.read(CHUNK):
            clock.check()
        return unpacked
    except StreamError as error:
        message = f"{name} is not a tar that can be read: {shown(error)}. Pack it anew."
        raise refuse("intake", "damaged-archive", message) from None
    except TarError as error:
        hint = "" if kind is None else f" It is packed by {kind}; what is packed has to be a tar."
        message = (
            f"{name} is not a tar that can be read: {shown(error)}.{hint} Pack it anew: tar -czf hand-in.tar.gz FOLDER."
        )
        raise refuse("intake", "damaged-archive", message) from None


def _tar_members(stream: Source) -> Iterator[Member]:
    kinds = {"1": "link", "2": "link", "3": "device", "4": "device", "6": "pipe"}
    for header in (reader := TarReader(stream)):
        problem = None
        if header.type not in "0\0" + "75":
            kind = kinds.get(header.type)
            modes = {"link": stat.S_IFLNK, "device": stat.S_IFCHR, "pipe": stat.S_IFIFO}
            problem = (
                special(modes[kind])
                if kind
                else ("special-file", f"is of tar type {shown(header.type)!r}; only regular files are allowed")
            )
        yield Member(header.name, header.type == "5" or header.name.endswith("/"), None, problem, lambda: reader)
