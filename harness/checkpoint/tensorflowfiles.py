"""Reads TensorFlow's checkpoints inertly: the table PREFIX.index, and the bytes in PREFIX.data-00000-of-00001.

Format: tensorflow/core/util/tensor_bundle and tensor_bundle.proto of TensorFlow 1.15. The key "" of the table holds a
BundleHeaderProto, each other key, a tensor's name, a BundleEntryProto: type, shape, file, offset and size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.checkpoint.inert import Budget, ReadingError, Unreadable, printable
from harness.checkpoint.storages import MAX_TENSORS, STORED, decode, named_shape, numel, result_dtype, width
from harness.checkpoint.tables import entries
from harness.checkpoint.wirefields import fields, signed
from harness.types import Array

TYPES = {
    **{1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool"},
    **{14: "bfloat16", 19: "float16"},
}
"""The allowed types by TensorFlow's number of each (types.proto)."""
OTHERS = {
    **{7: "string", 8: "complex64", 11: "qint8", 12: "quint8", 13: "qint32", 15: "qint16", 16: "quint16"},
    **{17: "uint16", 18: "complex128", 20: "resource", 21: "variant", 22: "uint32", 23: "uint64"},
}
INSTEAD = (
    "r = tf.train.load_checkpoint(PREFIX); "
    "np.savez('model.npz', **{n: r.get_tensor(n) for n in r.get_variable_to_shape_map()})"
)
OF_OBJECTS = "/.ATTRIBUTES/VARIABLE_VALUE"
"""Suffix that TensorFlow 2 adds to the name of each variable."""
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Name of the text with which TensorFlow 2 describes what holds the variables."""
_DATA = re.compile(r"\.data-(\d{5})-of-(\d{5})$")


@dataclass(frozen=True)
class _Place:
    """An entry of the index: a tensor's type, shape, and bytes in a data file."""

    shown: str
    number: int
    """TensorFlow's number of the type."""
    dtype: str | None
    """The type, where it is allowed."""
    shape: tuple[int, ...]
    shard: int
    """Number of the data file."""
    offset: int
    size: int


def read_tensorflow(
    files: Mapping[str, memoryview], budget: Budget
) -> tuple[dict[str, Array | Unreadable], dict[int, str]]:
    """Reads the tensors by name, and the stored type of each by array id, from the index and data files by name.

    Tensors that are no numbers are `Unreadable`s. ReadingError of kind "mismatch" where a file is missing,
    "unsupported" for partitioned tensors, big-endian files and TensorFlow's first format, "malformed" for tensors
    that overlap, leave their file or contradict their shapes, "truncated", or "too-large".
    """
    index = next((name for name in files if name.endswith(".index")), None)
    shards = {int(found[1]): (name, int(found[2])) for name in files if (found := _DATA.search(name))}
    if index is None:
        prefix = printable(_DATA.sub("", next(iter(files))).rpartition("/")[2], 200)
        raise ReadingError(
            "mismatch", f"it is the data of a TensorFlow checkpoint without its index; submit {prefix}.index beside it"
        )
    prefix = printable(index.removesuffix(".index").rpartition("/")[2], 200)
    try:
        return _tensors(files[index], prefix, {n: (files[name], total) for n, (name, total) in shards.items()}, budget)
    except ReadingError as flaw:
        raise ReadingError(flaw.kind, flaw.reason.replace("PREFIX", f"'{prefix}'")) from None


def _tensors(
    index: memoryview, prefix: str, shards: Mapping[int, tuple[memoryview, int]], budget: Budget
) -> tuple[dict[str, Array | Unreadable], dict[int, str]]:
    arrays: dict[str, Array | Unreadable] = {}
    found: dict[str, _Place] = {}
    total = 0
    for position, (key, value) in enumerate(_entries(index)):
        if position == 0:
            total = _header(key, value)
            continue
        if key.startswith(b"\0") or key == OBJECT_GRAPH.encode():
            continue  # the former is a slice of a partitioned tensor, whose own entry is refused
        name = key.decode("utf-8", "replace").removesuffix(OF_OBJECTS)
        if name in arrays or name in found:
            raise ReadingError("malformed", f"it holds two tensors called {printable(name)}")
        if len(arrays) + len(found) >= MAX_TENSORS:
            raise ReadingError("too-large", f"it holds more than {MAX_TENSORS:,} tensors")
        place = _entry(value, f"tensor {printable(name)}")
        if place.dtype is None:
            kind = OTHERS.get(place.number, str(place.number))
            allowed = ", ".join(STORED)
            arrays[name] = Unreadable("tensor", "unsupported", f"is of type {kind}; the types allowed are {allowed}")
        else:
            found[name] = place
    if not total:
        raise ReadingError("malformed", "its index is empty")
    for place in found.values():
        _check(place, shards, total, prefix)
    _check_apart(list(found.values()))
    stored: dict[int, str] = {}
    for name, place in found.items():
        assert place.dtype is not None
        budget.charge(numel(place.shape) * result_dtype(place.dtype).itemsize, place.shown)
        raw = shards[place.shard][0][place.offset : place.offset + place.size]
        array = arrays[name] = np.array(decode(raw, place.dtype).reshape(place.shape))
        stored[id(array)] = place.dtype
    return arrays, stored


def _check(place: _Place, shards: Mapping[int, tuple[memoryview, int]], total: int, prefix: str) -> None:
    """Raises ReadingError where a tensor contradicts its shape, or lies outside its data file."""
    shown, dtype = place.shown, place.dtype
    if dtype is None or place.size != numel(place.shape) * width(dtype):
        raise ReadingError("malformed", f"{shown} of shape {place.shape} and type {dtype} has {place.size:,} bytes")
    if not 0 <= place.shard < total:
        raise ReadingError("malformed", f"{shown} lies in data file {place.shard:,} of {total:,}")
    if place.shard not in shards or shards[place.shard][1] != total:
        wanted = f"{prefix}.data-{place.shard:05d}-of-{total:05d}"
        raise ReadingError(
            "mismatch", f"it is the index of a TensorFlow checkpoint without its data; submit {wanted} beside it"
        )
    length, end = len(shards[place.shard][0]), place.offset + place.size
    if place.offset < 0 or end > length:
        kind = "truncated" if place.offset >= 0 else "malformed"
        raise ReadingError(kind, f"{shown} takes bytes {place.offset:,} to {end:,} of a data file of {length:,}")


def _check_apart(places: list[_Place]) -> None:
    """Raises ReadingError where two tensors overlap, before anything is copied: many could share the same bytes."""
    spans = sorted(
        (place.shard, place.offset, place.offset + place.size, place.shown) for place in places if place.size
    )
    for (shard, _, end, before), (other, start, _, shown) in pairwise(spans):
        if shard == other and start < end:
            raise ReadingError("malformed", f"{shown} overlaps {before}")


def _entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    try:
        yield from entries(data)
    except ReadingError as flaw:
        if flaw.kind == "unsupported":
            raise ReadingError(flaw.kind, f"{flaw.reason}: {INSTEAD}") from None
        raise


def _header(key: bytes, value: memoryview) -> int:
    """The number of data files that the index's first entry gives."""
    if key:
        raise ReadingError("malformed", "its index has no header")
    total, endianness = 0, 0
    for number, content in fields(value, "the index's header"):
        if number == 1 and not isinstance(content, int):
            raise ReadingError(
                "unsupported",
                f"it is of TensorFlow's first format of checkpoints (write_version=V1); save its weights: {INSTEAD}",
            )
        if isinstance(content, int):
            total = signed(content) if number == 1 else total
            endianness = content if number == 2 else endianness
    if endianness:
        raise ReadingError("unsupported", f"it was saved on a big-endian machine; save its weights there: {INSTEAD}")
    if not 0 < total < 100_000:
        raise ReadingError("malformed", f"its index says that it has {total:,} data files")
    return total


def _entry(value: memoryview, shown: str) -> _Place:
    """The type and place of a tensor that a BundleEntryProto gives, not checked yet."""
    numbers = {1: 0, 3: 0, 4: 0, 5: 0}
    shape: tuple[int, ...] = ()
    for number, content in fields(value, shown):
        if number == 7:
            raise ReadingError("unsupported", f"{shown} is partitioned into slices; save it whole: {INSTEAD}")
        if number == 2 and not isinstance(content, int):
            shape = _shape(content, shown)
        elif number in numbers and isinstance(content, int):
            numbers[number] = signed(content)
    return _Place(shown, numbers[1], TYPES.get(numbers[1]), shape, numbers[3], numbers[4], numbers[5])


def _shape(value: memoryview, shown: str) -> tuple[int, ...]:
    """The shape of a TensorShapeProto: a `dim` for each axis, with its size, which is left out if 0."""
    sizes = []
    for number, content in fields(value, shown):
        if number == 3 and content:
            raise ReadingError("malformed", f"{shown} has a shape of unknown rank")
        if number == 2 and not isinstance(content, int):
            size = 0
            for inner, length in fields(content, shown):
                size = signed(length) if inner == 1 and isinstance(length, int) else size
            sizes.append(size)
    return named_shape(tuple(sizes), shown)
