"""Reads sorted tables of LevelDB's format, in which TensorFlow keeps the index of a checkpoint.

Format: https://github.com/google/leveldb/blob/main/doc/table_format.md. Data blocks of (key, value) entries, each key
without the beginning that it shares with the one before; an index block with each data block's place; a footer with
the index block's place and a magic number. Checksums are not verified.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from harness.checkpoint.inert import ReadingError
from harness.checkpoint.wirefields import varint

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER = 48
MAX_TABLE = 16 << 20
MAX_KEY = 2_000
MAX_ENTRIES = 200_000
_TRAILER = 5
"""Bytes after each block: its kind of compression and a checksum."""


def is_table(data: memoryview) -> bool:
    """Tells whether the data end as a table does."""
    return len(data) >= FOOTER and bytes(data[-8:]) == MAGIC


def entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yields (key, value) in the order of the keys.

    ReadingError of kind "malformed" for blocks outside the file, overlapping, or out of order, and for keys that don't
    ascend, "unsupported" for compressed blocks, "truncated", or "too-large".
    """
    if not is_table(data):
        raise ReadingError("truncated", "its index does not end as TensorFlow's tables do; upload it again")
    if len(data) > MAX_TABLE:
        raise ReadingError("too-large", f"its index has {len(data):,} bytes; at most {MAX_TABLE:,} are allowed")
    footer = data[-FOOTER:-8]
    at = 0
    for _ in range(2):  # of the table's own metadata, which TensorFlow leaves empty
        _, at = varint(footer, at, "the index's footer")
    place, at = varint(footer, at, "the index's footer")
    size, _ = varint(footer, at, "the index's footer")
    reached, last, count = 0, b"", 0
    for _, handle in _block(data, place, size):
        start, at = varint(handle, 0, "the index")
        length, _ = varint(handle, at, "the index")
        if start < reached:
            raise ReadingError("malformed", "the blocks of its index overlap")
        for key, value in _block(data, start, length):
            if count and key <= last:
                raise ReadingError("malformed", "the names in its index are not in order")
            last, count = key, count + 1
            if count > MAX_ENTRIES:
                raise ReadingError("too-large", f"its index has more than {MAX_ENTRIES:,} entries")
            yield key, value
        reached = start + length + _TRAILER


def _block(data: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """Yields the entries of the block at `start`, whose keys it puts together."""
    end = start + size
    if end + _TRAILER > len(data) - FOOTER or size < 4:
        raise ReadingError("malformed", "a block of its index lies outside the file")
    if data[end] != 0:
        raise ReadingError(
            "unsupported", "its table is compressed, as in TensorFlow's first format of checkpoints; save its weights"
        )
    (restarts,) = struct.unpack_from("<L", data, end - 4)
    block = data[start : end - 4]
    if 4 * restarts > len(block):
        raise ReadingError("malformed", "a block of its index is damaged")
    block = block[: len(block) - 4 * restarts]
    at, key = 0, b""
    while at < len(block):
        shared, at = varint(block, at, "the index")
        own, at = varint(block, at, "the index")
        length, at = varint(block, at, "the index")
        if shared > len(key) or own + length > len(block) - at:
            raise ReadingError("malformed", "an entry of its index is damaged")
        if shared + own > MAX_KEY:
            raise ReadingError("malformed", f"its index holds a name of over {MAX_KEY:,} bytes")
        key = key[:shared] + bytes(block[at : at + own])
        at += own
        yield key, block[at : at + length]
        at += length
