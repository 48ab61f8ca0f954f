"""Writes TensorFlow's checkpoints from the formats' documentation, so that tests can bend each part of them.

Independent of the reader: LevelDB's table_format.md, the wire format of protocol buffers, tensor_bundle.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from harness.checkpoint import pack

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
TYPES = {"f4": 1, "f8": 2, "i4": 3, "u1": 4, "i2": 5, "i1": 6, "i8": 9, "b1": 10, "f2": 19}
Entries = Sequence[tuple[bytes, bytes]]


def varint(value: int) -> bytes:
    """Seven bits a byte, the least first; negative numbers as in 64 bits."""
    value %= 1 << 64
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(place: int, value: int) -> bytes:
    """An integer field, which is left out if 0, as in proto3."""
    return varint(place << 3) + varint(value) if value else b""


def nested(place: int, value: bytes) -> bytes:
    """A field with a message or text."""
    return varint(place << 3 | 2) + varint(len(value)) + value


def entry(kind: int, shape: Sequence[int], offset: int, size: int, shard: int = 0, more: bytes = b"") -> bytes:
    """A BundleEntryProto; `more` are fields after it."""
    axes = b"".join(nested(2, number(1, length)) for length in shape)
    rest = number(3, shard) + number(4, offset) + number(5, size) + varint(6 << 3 | 5) + bytes(4)
    return number(1, kind) + nested(2, axes) + rest + more


def header(shards: int = 1, big: bool = False) -> bytes:
    """A BundleHeaderProto."""
    return number(1, shards) + number(2, int(big)) + nested(3, number(1, 1))


def block(entries: Entries, every: int = 16) -> bytes:
    """A block whose keys are stored whole at each restart, and without their common beginning between."""
    out, restarts, last = bytearray(), [], b""
    for index, (key, value) in enumerate(entries):
        shared = 0
        if index % every == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(last), len(key)) and last[shared] == key[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}L", *restarts, len(restarts))


def assembled(
    blocks: Sequence[tuple[bytes, bytes]], handles: Sequence[tuple[int, int]] | None = None, kind: int = 0
) -> bytes:
    """A table of finished blocks, each with its last key.

    `handles` (offset, size) replaces where the index says that they are, `kind` their kind of compression.
    """
    out, places = bytearray(), []
    for _, content in blocks:
        places.append((len(out), len(content)))
        out += content + bytes([kind]) + bytes(4)
    metaindex = (len(out), 8)
    out += block([])[:8] + bytes(5)
    listed = [
        (key, varint(start) + varint(size)) for (key, _), (start, size) in zip(blocks, handles or places, strict=True)
    ]
    index = block(listed, 1)
    footer = varint(metaindex[0]) + varint(metaindex[1]) + varint(len(out)) + varint(len(index))
    return bytes(out) + index + bytes(5) + footer.ljust(40, b"\0") + MAGIC


def table(entries: Entries, size: int = 8) -> bytes:
    """A table with `size` entries a block."""
    parts = [entries[start : start + size] for start in range(0, len(entries), size)]
    return assembled([(part[-1][0], block(part, 4)) for part in parts])


def index(entries: Mapping[str, bytes], shards: int = 1, big: bool = False) -> bytes:
    """The index of a checkpoint, of BundleEntryProtos by name."""
    ordered = sorted((name.encode(), value) for name, value in entries.items())
    return table([(b"", header(shards, big)), *ordered])


def packed(index_file: bytes, *data: bytes, prefix: str = "m/model.ckpt") -> bytes:
    """The index and data files as they travel to the reader."""
    files = {f"{prefix}.data-{shard:05d}-of-{len(data):05d}": content for shard, content in enumerate(data)}
    return pack({f"{prefix}.index": index_file, **files})


def bundle(arrays: Mapping[str, np.ndarray], shards: int = 1) -> bytes:
    """A checkpoint of these arrays, dealt out to the data files in turn."""
    data = [bytearray() for _ in range(shards)]
    entries = {}
    for position, name in enumerate(sorted(arrays)):
        array, shard = arrays[name], position % shards
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        entries[name] = entry(TYPES[array.dtype.str[1:]], array.shape, len(data[shard]), len(raw), shard)
        data[shard] += raw
    return packed(index(entries, shards), *map(bytes, data))
