"""Reads zip archives with checks of its own: refuses duplicate, overlapping, encrypted and inconsistent entries.

The layout is PKWARE's APPNOTE 6.3: local headers with data, then a central directory, with zip64 records where torch
writes them. Python's `zipfile` trusts the directory's sizes and inflates without limit, so it is not used.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from harness.checkpoint.inert import Budget, ReadingError, printable
from harness.checkpoint.storages import Buffer

MAX_ENTRIES = 100_000
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True)
class Member:
    """One entry: `packed` bytes at `start` in the file, which become `size` bytes."""

    name: str
    start: int
    packed: int
    size: int
    deflated: bool
    crc: int


def _directory(data: memoryview) -> tuple[int, int, int]:
    """Finds the central directory: its offset, its end, and its number of entries."""
    tail = bytes(data[-(_END.size + 0xFFFF) :])
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if len(tail) - at >= _END.size and _END.unpack_from(tail, at)[7] == len(tail) - at - _END.size:
            break
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        raise ReadingError("truncated", "it begins as a zip archive but the archive's end is missing; upload it again")
    position = len(data) - len(tail) + at
    _, disk, first_disk, _, entries, size, offset, _ = _END.unpack_from(data, position)
    end = position
    locator = position - _LOCATOR64.size
    if locator >= _END64.size and bytes(data[locator : locator + 4]) == b"PK\x06\x07":
        where = _LOCATOR64.unpack_from(data, locator)[2]
        if where + _END64.size != locator or bytes(data[where : where + 4]) != b"PK\x06\x06":
            raise ReadingError("malformed", "its zip64 end record is not where it should be")
        wide = _END64.unpack_from(data, where)
        for narrow, full, unknown in zip((entries, size, offset), wide[7:10], (0xFFFF, *[0xFFFFFFFF] * 2), strict=True):
            if narrow not in (full, unknown):
                raise ReadingError("malformed", "its two zip directories disagree")
        entries, size, offset, end = wide[7], wide[8], wide[9], where
    if disk or first_disk:
        raise ReadingError("malformed", "it is one part of a split zip archive")
    if entries > MAX_ENTRIES:
        raise ReadingError("too-large", f"it has {entries:,} zip entries; at most {MAX_ENTRIES:,} are allowed")
    if offset + size != end:
        raise ReadingError("malformed", "its zip directory does not end where the archive says that it ends")
    return offset, end, entries


def _zip64(extra: memoryview, values: list[int]) -> list[int]:
    """Size, packed size and offset; those that are 0xFFFFFFFF are read from the zip64 extra field."""
    while len(extra) >= 4:
        tag, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if tag == 1:
            for index, value in enumerate(values):
                if value == 0xFFFFFFFF:
                    if len(field) < 8:
                        raise ReadingError("malformed", "a zip64 field is too short")
                    values[index] = struct.unpack_from("<Q", field)[0]
                    field = field[8:]
    return values


def _entries(data: memoryview) -> Iterator[tuple[Member, int]]:
    """Yields each member with the offset of its local header."""
    at, end, count = _directory(data)
    top = at
    for _ in range(count):
        if at + _CENTRAL.size > end or bytes(data[at : at + 4]) != b"PK\x01\x02":
            raise ReadingError("malformed", "its zip directory is damaged")
        central = _CENTRAL.unpack_from(data, at)
        flags, method, crc = central[3], central[4], central[7]
        name_length, extra_length, comment_length = central[10:13]
        name_at = at + _CENTRAL.size
        raw_name = bytes(data[name_at : name_at + name_length])
        name = raw_name.decode("utf-8", "replace")
        extra = data[name_at + name_length : name_at + name_length + extra_length]
        at = name_at + name_length + extra_length + comment_length
        size, packed, local = _zip64(extra, [central[9], central[8], central[16]])
        shown = printable(name)
        if flags & 0x41:
            raise ReadingError("unsupported", f"its zip entry {shown} is encrypted")
        if method not in (0, 8) or (method == 0 and size != packed):
            raise ReadingError("malformed", f"its zip entry {shown} is neither stored nor deflated")
        if local + _LOCAL.size > top or bytes(data[local : local + 4]) != b"PK\x03\x04":
            raise ReadingError("malformed", f"its zip entry {shown} is not where the directory says that it is")
        header = _LOCAL.unpack_from(data, local)
        start = local + _LOCAL.size + header[9] + header[10]
        if bytes(data[local + _LOCAL.size : local + _LOCAL.size + header[9]]) != raw_name or header[3] != method:
            raise ReadingError(
                "malformed",
                f"its zip entry {shown} has another name or compression in its own header than in the directory",
            )
        if start + packed > top:
            raise ReadingError("malformed", f"its zip entry {shown} extends past the archive's data")
        yield Member(name, start, packed, size, method == 8, crc), local
    if at != end:
        raise ReadingError("malformed", "its zip directory is longer than its entries")


def members(data: memoryview) -> dict[str, Member]:
    """Lists the archive's entries by name.

    ReadingError of kind "truncated" where the end is missing, "malformed" for entries that are duplicate, overlapping,
    outside the archive or split, "unsupported" for encrypted ones, "too-large" for more than `MAX_ENTRIES`.
    """
    found: dict[str, Member] = {}
    spans: list[tuple[int, int]] = []
    for member, local in _entries(data):
        if member.name in found:
            raise ReadingError("malformed", f"it has two zip entries called {printable(member.name)}")
        found[member.name] = member
        spans.append((local, member.start + member.packed))
    spans.sort()
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise ReadingError("malformed", "its zip entries overlap")
    return found


def extract(data: memoryview, member: Member, budget: Budget) -> Buffer:
    """The bytes of a member: a view where it is stored, else inflated to at most its declared size.

    Inflated bytes are charged to the budget. ReadingError of kind "malformed" where the size or the checksum is wrong,
    "too-large" where the budget is exceeded.
    """
    packed = data[member.start : member.start + member.packed]
    shown = printable(member.name)
    content: Buffer = packed
    if member.deflated:
        budget.charge(member.size, f"the zip entry {shown}")
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, member.size + 1)
        except zlib.error:
            raise ReadingError("malformed", f"its zip entry {shown} can't be decompressed") from None
        if len(content) != member.size:
            raise ReadingError(
                "malformed", f"its zip entry {shown} does not have the {member.size:,} bytes that it declares"
            )
    # torch writes 0 under set_crc32_options(False).
    if member.crc and zlib.crc32(content) != member.crc:
        raise ReadingError(
            "malformed", f"its zip entry {shown} does not match its checksum: the file is damaged; upload it again"
        )
    return content
