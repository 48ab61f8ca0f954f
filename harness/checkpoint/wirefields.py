"""Reads protocol buffers in their wire format, field by field, without a schema.

Format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checkpoint.inert import ReadingError

MAX_FIELDS = 100
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def varint(data: memoryview, at: int, what: str) -> tuple[int, int]:
    """The unsigned integer at `at`, below 2⁶⁴, and the offset after it."""
    value = 0
    for count in range(10):
        if at >= len(data):
            raise ReadingError("malformed", f"{what} breaks off within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at
    raise ReadingError("malformed", f"{what} holds a number of more than 64 bits")


def fields(data: memoryview, what: str) -> Iterator[tuple[int, int | memoryview]]:
    """Yields (number, value) of each field: an unsigned integer, or the bytes of text, a message or a packed list.

    ReadingError("malformed") for fields that leave the data, and for groups, which are not used any more; "too-large"
    for more than `MAX_FIELDS`. `what` names the message in errors.
    """
    at = 0
    for _ in range(MAX_FIELDS):
        if at == len(data):
            return
        tag, at = varint(data, at, what)
        kind, value = tag & 7, 0
        if kind == _VARINT:
            value, at = varint(data, at, what)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = varint(data, at, what)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ReadingError("malformed", f"{what} holds a field of unknown kind {kind}")
        if size > len(data) - at:
            raise ReadingError("malformed", f"{what} holds a field that is longer than itself")
        content = data[at : at + size]
        at += size
        yield tag >> 3, content if kind == _BYTES else int.from_bytes(content, "little")
    raise ReadingError("too-large", f"{what} has more than {MAX_FIELDS:,} fields")


def signed(value: int) -> int:
    """An int32 or int64, whose negative values are written as unsigned 64-bit integers."""
    return value - (1 << 64) if value >= 1 << 63 else value
