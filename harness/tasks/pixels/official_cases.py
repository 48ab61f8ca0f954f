"""The UCL coursework's own in-painting sets, for those who have the files: 1,000 images each with pixels missing.

Each is a numpy file of shape (2, 1000, 784): [0] with −1 where a pixel is missing, [1] the truth. The images are MNIST
test images of which pixels above .3 are lit, not .1 as elsewhere in the coursework.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.types import broken

CASES = 1000
_LARGEST = 64 << 20


@dataclass(frozen=True)
class Holes:
    """Binary images of which a square is missing."""

    cropped: NDArray[np.float32]
    """(N, 784), −1 where a pixel is missing."""
    truth: NDArray[np.float32]
    """(N, 784), 0 and 1."""
    digest: str = ""
    """SHA-256 of the file they come from; empty where there is none."""
    file: Path | None = None
    """That file."""


def read_file(path: Path, side: int) -> Holes:
    """Read one set, whose holes are squares of `side` pixels.

    Raises
    ------
    GradingError
        of stage "data" and the environment's fault, if the file is not what it should be
    """
    if path.stat().st_size > _LARGEST:
        raise broken("data", "official-file", f"{path} has {path.stat().st_size:,} bytes; allowed are {_LARGEST:,}.")
    content = path.read_bytes()
    try:
        both = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise broken("data", "official-file", f"{path} is no numpy file of numbers: {error}.") from None
    if not isinstance(both, np.ndarray):
        raise broken("data", "official-file", f"{path} is an archive of arrays; one array is expected.")
    wanted = (2, CASES, 784)
    if both.shape != wanted or both.dtype.kind not in "iuf":
        found = f"{both.dtype} of shape {both.shape}"
        raise broken("data", "official-file", f"{path} holds {found}; expected are numbers of shape {wanted}.")
    cropped, truth = both.astype(np.float32)
    if problem := _problem(cropped, truth, side):
        raise broken("data", "official-file", f"{path}: {problem}")
    return Holes(cropped, truth, hashlib.sha256(content).hexdigest(), path)


def _problem(cropped: NDArray[np.float32], truth: NDArray[np.float32], side: int) -> str:
    """A sentence that says what is wrong with a set; empty if nothing is."""
    if not np.isin(truth, (0, 1)).all():
        odd = truth[~np.isin(truth, (0, 1))][0]
        return f"the second half, the truth, holds {odd:g}; allowed are 0 and 1."
    missing = cropped == -1
    if (cropped != np.where(missing, -1, truth)).any():
        case, pixel = np.argwhere(cropped != np.where(missing, -1, truth))[0]
        return f"pixel {pixel} of case {case} is {cropped[case, pixel]:g}, but {truth[case, pixel]:g} in the truth."
    counts = missing.sum(axis=1)
    if (counts != side * side).any():
        case = int((counts != side * side).argmax())
        swapped = " Were the two files swapped?" if set(counts) <= {1, 4} else ""
        return f"case {case} lacks {counts[case]} pixels; expected are {side * side}.{swapped}"
    first = missing.argmax(axis=1)
    expected = (first[:, None] + np.array([28 * row + column for row in range(side) for column in range(side)])) % 784
    square = missing[np.arange(len(missing))[:, None], expected].all(axis=1) & (first % 28 + side <= 28)
    if not square.all():
        return f"the missing pixels of case {int((~square).argmax())} are no {side} × {side} square."
    return ""
