"""Reads a tar forwards, header by header, with bounded memory: POSIX ustar, pax paths and sizes, GNU long names.

Format: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header". Links, devices and sparse files are
reported by their type and never followed. Python's tarfile allocates what a header asks for and has looped for ever on
forged ones (CVE-2019-20907, CVE-2025-8194), hence a reader of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 512
_LONGEST_HEADER = 64 << 10
"""Bytes of the longest pax header, or GNU long name, that is read."""
_MOST_RECORDS = 1000
"""Records of one pax header; tars have about ten."""


class TarError(Exception):
    """The stream is not a tar, or a damaged one."""


class Source(Protocol):
    """The file that bytes are read from."""

    def read(self, count: int, /) -> bytes: ...


@dataclass(frozen=True)
class TarHeader:
    """One entry: its path, type and size in bytes."""

    name: str
    type: str
    """POSIX's type flag: "0" or NUL for a regular file, "5" for a folder, "2" for a symbolic link …"""
    size: int


class TarReader:
    """Iterates over headers; between two of them, `read` gives the bytes of the entry.

    Raises TarError for a header whose checksum or numbers are wrong, and for an end in the middle of an entry.
    """

    def __init__(self, stream: Source) -> None:
        self._stream = stream
        self._left = 0
        self._padding = 0

    def read(self, count: int, /) -> bytes:
        """Read at most `count` more bytes of the entry; none at its end."""
        chunk = self._stream.read(min(count, self._left)) if self._left else b""
        if self._left and not chunk:
            raise TarError("it ends in the middle of a file")
        self._left -= len(chunk)
        return chunk

    def __iter__(self) -> Iterator[TarHeader]:
        name, size = "", -1
        while True:
            self._skip()
            block = self._exactly(BLOCK)
            if not block:
                raise TarError("it is cut off, or empty: it has no end mark")
            if not block.strip(b"\0"):
                return
            header = _parsed(block)
            if header.type in "xLK":
                said = self._extended(header)
                if header.type == "x":
                    records = _pax_records(said)
                    name = records.get("path", name)
                    size = int(records["size"]) if re.fullmatch("[0-9]{1,19}", records.get("size", "")) else size
                    if any(key.startswith("GNU.sparse") for key in records):
                        raise TarError("it holds a sparse file")
                elif header.type == "L":
                    name = said.rstrip(b"\0").decode("utf-8", "surrogateescape")
                continue
            if header.type == "g":
                self._extended(header)
                continue
            header = TarHeader(name or header.name, header.type, header.size if size < 0 else size)
            name, size = "", -1
            # Only regular files are followed by data; other types' sizes mean nothing.
            self._begin(header.size if header.type not in "123456" else 0)
            yield header

    def _begin(self, size: int) -> None:
        self._left = size
        self._padding = -size % BLOCK

    def _skip(self) -> None:
        while self._left:
            self.read(1 << 16)
        self._left, self._padding = self._padding, 0
        while self._left:
            self.read(BLOCK)

    def _exactly(self, count: int) -> bytes:
        """Read `count` bytes, or none at all at the end of the stream."""
        gathered = b""
        while len(gathered) < count:
            chunk = self._stream.read(count - len(gathered))
            if not chunk:
                if gathered:
                    raise TarError("it ends in the middle of a header")
                return b""
            gathered += chunk
        return gathered

    def _extended(self, header: TarHeader) -> bytes:
        if header.size > _LONGEST_HEADER:
            raise TarError(f"it has a header of {header.size} bytes")
        said = self._exactly(header.size)
        if len(said) != header.size:
            raise TarError("it ends in the middle of a header")
        self._begin(0)
        self._padding = -header.size % BLOCK
        return said


def _parsed(block: bytes) -> TarHeader:
    stored = _number(block[148:156])
    if sum(block[:148]) + 8 * ord(" ") + sum(block[156:]) != stored:
        raise TarError("a header's checksum is wrong")
    name = _text(block[:100])
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return TarHeader(f"{prefix}/{name}" if prefix else name, chr(block[156]), _number(block[124:136]))


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    """Parse an octal number, or GNU's big-endian one that begins with a byte of 0x80."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    try:
        value = int(digits or b"0", 8)
    except ValueError:
        raise TarError("a number in a header is no number") from None
    if value < 0:
        raise TarError("a number in a header is negative")
    return value


def _pax_records(content: bytes) -> dict[str, str]:
    """Parse records of the form "length key=value", each with a line feed at its end; the length counts all of it."""
    records: dict[str, str] = {}
    content = content.rstrip(b"\0")
    at = count = 0
    while at < len(content):
        count += 1
        if count > _MOST_RECORDS:
            raise TarError(f"an extended header has more than {_MOST_RECORDS:,} records")
        digits, space, _ = content[at : at + 7].partition(b" ")
        if not space or not digits.isdigit() or not len(digits) + 3 <= int(digits) <= len(content) - at:
            raise TarError("an extended header is malformed")
        record = content[at + len(digits) + 1 : at + int(digits)]
        at += int(digits)
        key, equals, value = record.rstrip(b"\n").partition(b"=")
        if equals:
            records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
    return records
