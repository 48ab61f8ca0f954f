"""Unpacks zips: directory of bounded size, no overlapping, encrypted or special entries, names in any code page."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from harness.intake.extraction import Limits, Member, Unpacked, extract, is_junk, special
from harness.intake.zip_names import Names, names_of
from harness.text import shown
from harness.types import refuse

_DIRECTORY_BYTES = 16 << 20
"""Bytes of the largest zip directory that is read: room for about 100,000 entries."""
_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd"}
"""Methods of compression that are not read (APPNOTE 6.3.10, 4.4.5)."""


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


def unpack_zip(
    file: IO[bytes], name: str, into: Path, limits: Limits, owner_depth: Callable[[Sequence[str]], int]
) -> Unpacked:
    """Unpack a zip into the empty folder `into`; see `archives.unpack`."""
    with _opened(file, name) as archive:
        entries = archive.infolist()
        names = names_of(entries)
        depth = owner_depth(names.names)
        held = sum(not is_junk(name.rstrip("/").split("/")) for name in names.names)
        if depth == 0 and held > limits.files:
            message = f"{name} holds {held:,} entries; {limits.files:,} are allowed. Leave out what isn't needed."
            raise refuse("intake", "too-many-files", message)
        _refuse_overlaps(entries, archive.start_dir, name)
        members = (_member(archive, entry, place, names, name) for place, entry in enumerate(entries))
        return extract(members, name, into, limits, depth)


def _opened(file: IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_Guarded(file))
    except Exception as error:  # zipfile lets errors of many kinds through for a forged directory
        reason = shown(error) or type(error).__name__
        message = f"{name} is not a zip that can be read (cut off, or damaged): {reason}. Zip it anew."
        raise refuse("intake", "damaged-archive", message) from None


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


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: int, names: Names, label: str) -> Member:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    problem = None
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        problem = special(kind)
    elif entry.flag_bits & 0x2041:  # encrypted; strongly encrypted; its header masked
        problem = "encrypted", "is encrypted; hand it in without a password"
    elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = entry.compress_type
        packed = f"method {method}" + (f" ({_METHODS[method]})" if method in _METHODS else "")
        problem = (
            "compression",
            f"is packed by {packed}; only stored and deflated are read. Zip the folder anew, with Deflate as method",
        )
    notes = []
    if place in names.slashed:
        notes.append(f"{label}: names in it are written with backslashes; these were read as forward slashes.")
    if place in names.guessed:
        notes.append(
            f"{label} doesn't say in which encoding its names are; they were read as {names.page.title}, such as "
            f'"{shown(names.names[place], 60)}". If that is wrong, rename the files in A-Z a-z 0-9.'
        )
    name = names.names[place]
    return Member(name, name.endswith("/"), entry.compress_size, problem, lambda: archive.open(entry), tuple(notes))
