"""Reads safetensors with numpy alone: the library's numpy reader lacks bfloat16 and does not notice duplicate keys.

Format: https://huggingface.co/docs/safetensors. A file is eight bytes with the header's length, a JSON header, then the
tensors one after the other without gaps or overlaps.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from harness.checkpoint.inert import Budget, ReadingError, Unreadable, printable
from harness.checkpoint.storages import MAX_TENSORS, STORED, decode, named_shape, numel, result_dtype, width
from harness.types import Array

MAX_HEADER = 16 << 20
_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of the pairs; ReadingError where a key is repeated."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ReadingError("malformed", f"its header holds the key {printable(key)} twice")
        found[key] = value
    return found


def _header(data: memoryview) -> tuple[dict[str, Any], int]:
    """The header, and the offset at which the tensors begin."""
    if len(data) < 8:
        raise ReadingError("truncated", "it is too short for a safetensors file")
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise ReadingError("too-large", f"its header takes {length:,} bytes; at most {MAX_HEADER:,} are allowed")
    if 8 + length > len(data):
        raise ReadingError("truncated", f"its header takes {length:,} bytes but only {len(data) - 8:,} follow")
    try:
        header = json.loads(bytes(data[8 : 8 + length]).decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise ReadingError("malformed", "its header is not valid JSON") from None
    if not isinstance(header, dict):
        raise ReadingError("malformed", "its header is not a JSON object")
    return header, 8 + length


def read_safetensors(data: memoryview, budget: Budget) -> tuple[dict[str, Array | Unreadable], dict[int, str]]:
    """Reads the tensors by name, and the stored type of each by array id.

    Tensors of types that torch's plain layers don't use are `Unreadable`s. ReadingError of kind "malformed" for
    duplicate keys, overlaps, gaps and sizes that contradict shapes, "truncated" where tensors are missing at the end,
    "too-large".
    """
    header, base = _header(data)
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise ReadingError("too-large", f"it holds {len(header):,} tensors; at most {MAX_TENSORS:,} are allowed")
    arrays: dict[str, Array | Unreadable] = {}
    stored: dict[int, str] = {}
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        shown = f"tensor {printable(name)}"
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ReadingError("malformed", f"{shown} must have exactly the fields dtype, shape and data_offsets")
        offsets = entry["data_offsets"]
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int for n in offsets):
            raise ReadingError("malformed", f"{shown} must have two integers as its data_offsets")
        begin, end = offsets
        shape = named_shape(entry["shape"], shown)
        count = numel(shape)
        dtype = _TYPES.get(str(entry["dtype"]))
        if not 0 <= begin <= end or (dtype is not None and end - begin != count * width(dtype)):
            raise ReadingError(
                "malformed",
                f"{shown} of shape {shape} and type {printable(entry['dtype'], 20)} does not fit its data_offsets "
                f"{printable(offsets)}",
            )
        if base + end > len(data):
            raise ReadingError("truncated", f"{shown} ends {base + end - len(data):,} bytes after the file does")
        spans.append((begin, end, shown))
        if dtype is None:
            found = printable(entry["dtype"], 20)
            arrays[name] = Unreadable(
                "tensor", "unsupported", f"is of type {found}; the types allowed are {', '.join(STORED)}"
            )
            continue
        budget.charge(count * result_dtype(dtype).itemsize, shown)
        array = arrays[name] = np.array(decode(data[base + begin : base + end], dtype).reshape(shape))
        stored[id(array)] = dtype
    reached = 0
    for begin, end, shown in sorted(spans):
        if begin != reached:
            raise ReadingError(
                "malformed", f"{shown} {'overlaps the one' if begin < reached else 'leaves a gap'} before it"
            )
        reached = end
    if base + reached != len(data):
        raise ReadingError("malformed", f"it has {len(data) - base - reached:,} bytes that belong to no tensor")
    return arrays, stored
