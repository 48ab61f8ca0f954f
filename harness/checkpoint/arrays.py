"""Reads numpy's .npy and .npz without numpy's loader: unpickles nothing, evaluates no header, bounds every allocation.

Format: numpy/lib/format.py. The header is a Python literal that numpy always writes in the same form, so that a regular
expression can read it.
"""

from __future__ import annotations

import re

import numpy as np

from harness.checkpoint.container import Member, extract
from harness.checkpoint.inert import Budget, ReadingError, Unreadable, printable
from harness.checkpoint.storages import NUMPY_TYPES, Buffer, named_shape, numel
from harness.types import Array

NPY_START = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?)([a-zA-Z])(\d{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}, ?)*\d{0,18})\), ?\} *\n"
)
_MAX_HEADER = 10_000
"""Bytes."""


def read_npy(raw: Buffer, what: str, budget: Budget) -> Array:
    """Reads the array of one .npy file, in the machine's byte order and C order; `what` names it in messages.

    ReadingError of kind "unsupported" for object, text, complex and structured types, which can't be weights,
    "truncated", "malformed", or "too-large" where the budget is exceeded.
    """
    head = bytes(raw[: 12 + _MAX_HEADER])
    if head[:6] != NPY_START:
        starts_alike = NPY_START.startswith(head)
        raise ReadingError("truncated" if starts_alike else "malformed", f"{what} is not a .npy array")
    wide = len(head) > 6 and head[6] >= 2
    start = 12 if wide else 10
    if len(head) < start:
        raise ReadingError("truncated", f"{what} breaks off in its header")
    length = int.from_bytes(head[8:start], "little")
    if length > _MAX_HEADER:
        raise ReadingError(
            "unsupported", f"{what} has a header of {length:,} bytes; at most {_MAX_HEADER:,} are allowed"
        )
    header = head[start : start + length]
    if len(header) < length:
        raise ReadingError("truncated", f"{what} breaks off in its header")
    if b"|O" in header:
        raise ReadingError(
            "unsupported",
            f"{what} holds Python objects, which are not read; save arrays of numbers, "
            "each under its own name: np.savez(file, **{name: array, …})",
        )
    match = _HEADER.fullmatch(header)
    if match is None:
        raise ReadingError("malformed", f"{what} has a header that does not describe a plain array of numbers")
    order, letter, size, fortran, inside = match.groups()
    described = (letter + size).decode()
    if described not in NUMPY_TYPES:
        allowed = ", ".join(sorted(NUMPY_TYPES))
        raise ReadingError("unsupported", f"{what} is of numpy's type {described}; the types allowed are {allowed}")
    shape = tuple(int(n) for n in inside.split(b",") if n.strip())
    named_shape(shape, what)
    dtype = np.dtype((b">" if order == b">" else b"<").decode() + ("u1" if described == "b1" else described))
    body = memoryview(raw)[start + length :]
    expected = numel(shape) * dtype.itemsize
    if len(body) != expected:
        kind = "truncated" if len(body) < expected else "malformed"
        raise ReadingError(kind, f"{what} of shape {shape} has {len(body):,} bytes of data instead of {expected:,}")
    budget.charge(expected, what)
    flat = np.frombuffer(body, dtype)
    native = (flat != 0) if described == "b1" else flat.astype(dtype.newbyteorder("="))
    return np.array(native.reshape(shape, order="F" if fortran == b"True" else "C"), order="C")


def read_npz(data: memoryview, entries: dict[str, Member], budget: Budget) -> dict[str, Array | Unreadable]:
    """Reads the arrays of an .npz by name, in the file's order.

    Those of types that can't be weights are `Unreadable`s; ReadingError for other flaws, as for `read_npy`.
    """
    arrays: dict[str, Array | Unreadable] = {}
    for name, member in entries.items():
        key = name.removesuffix(".npy")
        what = f"array {printable(key)}"
        try:
            arrays[key] = read_npy(extract(data, member, budget), what, budget)
        except ReadingError as flaw:
            if flaw.kind != "unsupported":
                raise
            arrays[key] = Unreadable("array", flaw.kind, flaw.reason.removeprefix(f"{what} "))
    return arrays
