"""Describes the content of a checkpoint, for `gradebench inspect`."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.checkpoint.inert import Opaque, printable
from harness.checkpoint.reading import Checkpoint
from harness.types import Array

MAX_LISTED = 1000


def _range(array: Array) -> dict[str, object]:
    """The smallest and largest finite value, None where there is none, and the number of values that are not finite."""
    if not array.size:
        return {"min": None, "max": None, "finite": True, "not_finite": 0}
    if array.dtype.kind != "f":
        low, high, bad = array.min().item(), array.max().item(), 0
    else:
        finite = np.isfinite(array)
        bad = int(array.size - np.count_nonzero(finite))
        if bad == array.size:
            return {"min": None, "max": None, "finite": False, "not_finite": bad}
        low = float(np.min(array, where=finite, initial=np.inf))
        high = float(np.max(array, where=finite, initial=-np.inf))
    return {"min": low, "max": high, "finite": bad == 0, "not_finite": bad}


def _short(value: Any) -> str:
    if isinstance(value, Opaque):
        return f"object {printable(value.qualified_name)}" if value.made else f"name {printable(value.qualified_name)}"
    if isinstance(value, np.ndarray):
        return f"tensor {value.shape}"
    if isinstance(value, (dict, list, tuple)):
        return f"{type(value).__name__} of {len(value):,}"
    if isinstance(value, (str, bytes)):
        return printable(value if isinstance(value, str) else value[:80])
    return printable(value) if value is None or isinstance(value, (bool, float)) else _integer(value)


def _integer(value: Any) -> str:
    # Python refuses to write integers of more than 4,300 digits.
    if isinstance(value, int):
        return str(value) if value.bit_length() < 256 else f"an integer of {value.bit_length():,} bits"
    return type(value).__name__


def describe(checkpoint: Checkpoint) -> dict[str, object]:
    """Summarises a checkpoint in plain JSON values, without NaN and control characters; lists `MAX_LISTED` tensors.

    Keys: "file", "format", "tensors" (each with name, shape, dtype, bytes, min, max, finite, not_finite), "count",
    "parameters" (elements of all floating-point tensors, a shared one counted once), "bytes" (as stored), "keys" (what
    the file's top level holds, by key), "notes", "omitted" (the number of tensors not listed).
    """
    listed = []
    for name, array in list(checkpoint.tensors.items())[:MAX_LISTED]:
        entry: dict[str, object] = {
            "name": printable(name, 200),
            "shape": list(array.shape),
            "dtype": checkpoint.dtypes[name],
            "bytes": checkpoint.sizes[name],
        }
        listed.append(entry | _range(array))
    distinct = {id(array): array for array in checkpoint.tensors.values() if array.dtype.kind == "f"}
    tree = checkpoint.tree
    top = tree.state if isinstance(tree, Opaque) else tree
    keys = list(top.items())[:100] if isinstance(top, dict) else []
    return {
        "file": printable(checkpoint.name, 200),
        "format": checkpoint.format,
        "tensors": listed,
        "count": len(checkpoint.tensors),
        "parameters": sum(array.size for array in distinct.values()),
        "bytes": sum(checkpoint.sizes.values()),
        "keys": {printable(key): _short(value) for key, value in keys},
        "notes": [printable(note, 500) for note in checkpoint.notes],
        "omitted": max(0, len(checkpoint.tensors) - MAX_LISTED),
    }
