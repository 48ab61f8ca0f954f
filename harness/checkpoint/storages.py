"""Turns raw little-endian numbers into numpy arrays: the allowed types, and strided tensors over a file's storages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.checkpoint.inert import Budget, ReadingError, Unreadable, printable
from harness.types import Array

Buffer = bytes | memoryview

STORED = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "<i1",
    "uint8": "<u1",
    "bool": "<u1",
}
"""The numpy type that reads the stored bytes of each allowed type, by torch's name of it."""
NUMPY_TYPES = {
    **{"f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32", "i2": "int16"},
    **{"i1": "int8", "u1": "uint8", "b1": "bool"},
}
"""The allowed types by numpy's codes for them."""

MAX_DIMENSIONS = 32
MAX_TENSORS = 100_000


def width(dtype: str) -> int:
    """The number of bytes of one stored element."""
    return np.dtype(STORED[dtype]).itemsize


def result_dtype(dtype: str) -> np.dtype[Any]:
    """The numpy type of a tensor once read: as stored, but float32 for bfloat16, which numpy lacks."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


def decode(raw: Buffer, dtype: str) -> Array:
    """Decodes the numbers of `raw`, flat; a view of it where the machine stores them in the same way."""
    stored = np.frombuffer(raw, dtype=STORED[dtype])
    if dtype == "bfloat16":
        widened: Array = (stored.astype(np.uint32) << 16).view(np.float32)
        return widened
    if dtype == "bool":
        # A numpy bool made of a byte that is neither 0 nor 1 does not equal itself.
        return stored.astype(np.bool_)
    return stored.astype(result_dtype(dtype), copy=False)


def checked_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple of plain, non-negative integers; ReadingError("malformed") where it is anything else."""
    if not isinstance(shape, (tuple, list)) or len(shape) > MAX_DIMENSIONS:
        raise ReadingError("malformed", f"a shape must be a tuple of at most {MAX_DIMENSIONS} integers")
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise ReadingError("malformed", "a shape holds something other than non-negative integers")
    # numpy multiplies the other dimensions of an empty array too, and overflows.
    if 0 in shape and numel(tuple(max(n, 1) for n in shape)) >= 1 << 48:
        raise ReadingError("malformed", "an empty shape has dimensions that are too large")
    return tuple(shape)


def named_shape(shape: Any, what: str) -> tuple[int, ...]:
    """`checked_shape` with a message that names the tensor, `what`."""
    try:
        return checked_shape(shape)
    except ReadingError as flaw:
        raise ReadingError(flaw.kind, f"{what} has no valid shape ({flaw.reason})") from None


def numel(shape: tuple[int, ...]) -> int:
    """The number of elements of a tensor of this shape, exact for any size."""
    count = 1
    for n in shape:
        count *= n
    return count


@dataclass(frozen=True)
class StorageRef:
    """A storage that a pickle refers to by a persistent id: `count` elements of type `dtype` under `key`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class Pending:
    """A tensor whose numbers have not been copied from its storage yet."""

    array: Array
    storage: StorageRef
    offset: int
    """Elements."""
    strides: tuple[int, ...]
    """Elements; never negative."""


@dataclass
class StorageTable:
    """The storages and tensors that one pickle refers to.

    A tensor is allocated, and charged to the budget, when the pickle describes it. `fill` copies the numbers once the
    pickle has been read to its end, because in the legacy format the storages follow it.
    """

    budget: Budget
    limit: int
    """Maximum number of bytes that a single storage can have in this file."""
    beyond: str = "malformed"
    """Kind of the error for a larger storage: "truncated" in the legacy format, where the storages come last."""
    declared: dict[str, StorageRef] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    stored: dict[int, str] = field(default_factory=dict)
    """Stored type of each array of `pending`, by the array's id."""

    def declare(self, key: str, dtype: str, count: int) -> StorageRef:
        """The storage `key`; ReadingError where it is larger than the file, or was declared differently before."""
        ref = self.declared.get(key)
        if ref is None:
            if count < 0 or count * width(dtype) > self.limit:
                raise ReadingError(
                    self.beyond if count >= 0 else "malformed",
                    f"storage {printable(key)} claims {count:,} elements of {dtype}, more than the file holds",
                )
            ref = self.declared[key] = StorageRef(key, dtype, count)
        elif (ref.dtype, ref.count) != (dtype, count):
            raise ReadingError("malformed", f"storage {printable(key)} is declared twice with different types or sizes")
        return ref

    def tensor(self, storage: StorageRef, offset: Any, shape: Any, strides: Any) -> Array | Unreadable:
        """Allocates the array of a strided view of `storage`, checked against its bounds and charged to the budget."""
        try:
            shape, strides = checked_shape(shape), checked_shape(strides)
        except ReadingError as flaw:
            return Unreadable("tensor", flaw.kind, f"has no valid shape or strides ({flaw.reason})")
        if len(shape) != len(strides):
            return Unreadable("tensor", "malformed", f"has {len(shape)} dimensions but {len(strides)} strides")
        if type(offset) is not int or offset < 0:
            return Unreadable(
                "tensor", "malformed", "has an offset into its storage that is not a non-negative integer"
            )
        count = numel(shape)
        if count:
            last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
            if last >= storage.count:
                return Unreadable(
                    "tensor", "malformed", f"reads element {last:,} of a storage that has {storage.count:,}"
                )
        if len(self.pending) >= MAX_TENSORS:
            raise ReadingError("too-large", f"it holds more than {MAX_TENSORS:,} tensors")
        dtype = result_dtype(storage.dtype)
        self.budget.charge(count * dtype.itemsize, f"a tensor of shape {shape}")
        array = np.empty(shape, dtype)
        self.pending.append(Pending(array, storage, offset, strides))
        self.stored[id(array)] = storage.dtype
        return array

    def fill(self, fetch: Callable[[StorageRef], Buffer], names: dict[int, str]) -> None:
        """Copies the numbers of every tensor; `fetch` gives a storage's bytes, `names` an array's name, by its id."""
        by_storage: dict[str, list[Pending]] = {}
        for pending in self.pending:
            by_storage.setdefault(pending.storage.key, []).append(pending)
        for group in by_storage.values():
            storage = group[0].storage
            needed = storage.count * width(storage.dtype)
            raw = fetch(storage)
            if len(raw) != needed:
                name = names.get(id(group[0].array), f"(storage {printable(storage.key)})")
                raise ReadingError("malformed", f"tensor {name} needs {needed:,} stored bytes, not {len(raw):,}")
            flat = decode(raw, storage.dtype)
            for pending in group:
                if pending.array.size:
                    strides = tuple(step * flat.itemsize for step in pending.strides)
                    pending.array[...] = np.lib.stride_tricks.as_strided(
                        flat[pending.offset :], pending.array.shape, strides, writeable=False
                    )
