"""Divides a question into the batches that its answers are asked in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.types import Array, ArraySpec


def batches_of(inputs: Mapping[str, Array], batch: int | None) -> list[slice]:
    """Return the rows of each batch; all of them in one where they are not to be divided."""
    rows = [len(array) for array in inputs.values() if array.ndim]
    if batch is None or not rows:
        return [slice(None)]
    return [slice(start, min(start + batch, rows[0])) for start in range(0, rows[0], batch)]


def of_batch(spec: ArraySpec, rows: slice) -> ArraySpec:
    """Return the part of an answer that a batch gives; an answer without rows is given whole by each batch."""
    if rows.stop is None or not spec.shape:
        return spec
    return replace(spec, shape=(rows.stop - rows.start, *spec.shape[1:]))
