"""The form in which entries and results travel between processes and hosts: JSON and raw arrays; nothing is unpickled.

A parcel is a length (u64, little-endian), JSON of that length, and the bytes that the JSON refers to. Besides JSON's
own values it may hold tuples, numpy arrays and numbers of plain types, bytes, and the values of a closed list of the
harness's own classes, by their names and fields. To read one calls nothing but the constructors of these.

A value comes back as it went: numbers to the last bit, tuples as tuples, so that what is recorded of an entry does not
depend on where it was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from harness.run.ask import Asked
from harness.run.mark import Marked
from harness.sandbox.outside import Limits
from harness.types import (
    ArraySpec,
    Entry,
    Evidence,
    Failure,
    Figure,
    Gate,
    Kind,
    Marks,
    Metric,
    Question,
    Role,
)

_CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (ArraySpec, Asked, Entry, Evidence, Failure, Figure, Gate, Limits, Marked, Marks, Metric, Question)
}
_WORDS: dict[str, type[Any]] = {cls.__name__: cls for cls in (Kind, Role)}
_DTYPES = frozenset("biufc")
"""Kinds of numpy's types that travel: truth values, integers and floating-point numbers."""
_ALIGNED = 16
"""Bytes that the place of an array is a multiple of; no type's numbers are longer."""
_MARK = "$"
"""Key of an object that stands for something else than a dictionary."""


class ParcelError(ValueError):
    """Something can't travel, or what has come is no parcel."""


def pack(value: Any) -> bytes:
    """Pack a value. Raises ParcelError for what does not travel."""
    buffers: list[memoryview] = []
    text = json.dumps(_plain(value, buffers)).encode()
    return b"".join([len(text).to_bytes(8, "little"), text, *buffers])


def unpack(parcel: bytes) -> Any:
    """Unpack a value; arrays are writable, and share the memory of one buffer. Raises ParcelError for no parcel."""
    length = int.from_bytes(parcel[:8], "little")
    # A copy, since arrays of a worker's are writable, and tasks may rely on it.
    body = memoryview(bytearray(memoryview(parcel)[8 + length :]))
    try:
        plain = json.loads(parcel[8 : 8 + length])
        value, end = _Reader(body).value(plain), _end(plain)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParcelError(f"This is no parcel: {type(error).__name__}: {error}") from error
    if end != len(body):
        raise ParcelError(f"This is no parcel: {len(body)} bytes follow its text, and {end} are listed.")
    return value


def _plain(value: Any, buffers: list[memoryview]) -> Any:
    """The value in JSON's types; bytes and arrays are added to `buffers`."""
    if type(value).__name__ in _WORDS and isinstance(value, _WORDS[type(value).__name__]):
        return {_MARK: type(value).__name__, "value": str(value)}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        if value.dtype.kind not in _DTYPES:
            raise ParcelError(f"An array of type {value.dtype} does not travel.")
        array = np.ascontiguousarray(value)
        start = _added(array.reshape(-1).view(np.uint8).data, buffers)
        kind = "number" if isinstance(value, np.generic) else "array"
        return {_MARK: kind, "dtype": value.dtype.str, "shape": list(value.shape), "bytes": [start, array.nbytes]}
    if isinstance(value, bytes):
        return {_MARK: "bytes", "bytes": [_added(memoryview(value), buffers), len(value)]}
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, tuple):
        return {_MARK: "tuple", "value": [_plain(one, buffers) for one in value]}
    if isinstance(value, list):
        return [_plain(one, buffers) for one in value]
    if isinstance(value, Mapping):
        if _MARK in value or not all(isinstance(key, str) for key in value):
            raise ParcelError(f"A dictionary travels by keys that are text, and not {_MARK!r}.")
        return {key: _plain(one, buffers) for key, one in value.items()}
    if type(value) is _CLASSES.get(type(value).__name__):
        own = {field.name: _plain(getattr(value, field.name), buffers) for field in fields(value)}
        return {_MARK: type(value).__name__, "fields": own}
    raise ParcelError(f"A value of type {type(value).__name__} does not travel.")


def _added(buffer: memoryview, buffers: list[memoryview]) -> int:
    """Add a buffer; the place at which it starts, a multiple of `_ALIGNED`."""
    end = sum(one.nbytes for one in buffers)
    start = -(-end // _ALIGNED) * _ALIGNED
    buffers += [memoryview(bytes(start - end)), buffer]
    return start


class _Reader:
    """Makes values of JSON's types and a body of bytes."""

    def __init__(self, body: memoryview) -> None:
        self._body = body

    def value(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return [self.value(one) for one in plain]
        if not isinstance(plain, dict):
            return plain
        kind = plain.get(_MARK)
        if kind is None:
            return {key: self.value(one) for key, one in plain.items()}
        if kind == "tuple":
            return tuple(self.value(one) for one in plain["value"])
        if kind == "bytes":
            return bytes(self._bytes(plain))
        if kind in ("array", "number"):
            dtype = np.dtype(str(plain["dtype"]))
            if dtype.kind not in _DTYPES:
                raise ValueError(f"type {dtype}")
            array = np.frombuffer(self._bytes(plain), dtype).reshape([int(size) for size in plain["shape"]])
            return array[()] if kind == "number" else array
        if kind in _WORDS:
            return _WORDS[kind](plain["value"])
        return _CLASSES[kind](**{name: self.value(one) for name, one in plain["fields"].items()})

    def _bytes(self, plain: dict[str, Any]) -> memoryview:
        start, size = (int(number) for number in plain["bytes"])
        found = self._body[start : start + size]
        if start < 0 or len(found) != size:
            raise ValueError("bytes that are not there")
        return found


def _end(plain: Any) -> int:
    """The number of bytes that the JSON refers to."""
    if isinstance(plain, list):
        return max(map(_end, plain), default=0)
    if not isinstance(plain, dict):
        return 0
    if plain.get(_MARK) in ("array", "number", "bytes"):
        return sum(int(number) for number in plain["bytes"])
    return max(map(_end, plain.values()), default=0)
