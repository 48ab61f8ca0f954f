"""The streams that symbol prediction asks about: drawn from a seed, each for one of the four models M1 to M4.

The process and its Bayes predictor are defined once, in `reference.bayes_symbols`, for the models that are trained on
such streams and for the exam that they take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.tasks.base import Context
from harness.types import Entry, refuse
from reference.bayes_symbols import LENGTH, PROCESSES, RESET, SYMBOLS, Process, predict, streams

if TYPE_CHECKING:
    import torch

__all__ = [
    "LENGTH",
    "MODELS",
    "RESET",
    "SYMBOLS",
    "Exam",
    "Process",
    "best_predictions",
    "draw",
    "drawn_streams",
    "own_streams",
    "process_of",
    "which_model",
]

MODELS = tuple(PROCESSES)
SCORED = 2000
"""Streams of the model's own process."""
OTHERS = 500
"""Streams of the other α."""
STEPS = LENGTH - 1
REPEATED = STEPS
"""Streams, of the scored ones from the first on, that are asked again with a changed end, and in smaller batches."""

_NAME = "symbol-prediction"
_ALPHAS = {"1": PROCESSES["M1"].concentration, "2": PROCESSES["M3"].concentration}
"""α by the number of the test stream."""
_CONSTANT = "3"
_WHICH = re.compile(r"(?:^|[-_.])(m[1-4])$", re.IGNORECASE)


@dataclass(frozen=True)
class Exam:
    """The streams for one of the four models, symbols 0 … 3 (RESET), and where each lies in the question."""

    process: Process
    own: str
    """The number of the test stream that the model was trained for."""
    symbols: Mapping[str, NDArray[np.int64]]
    """Streams (n, 100) by the number of the test stream."""
    changed: NDArray[np.int64]
    """The first scored streams (99, 100), the letters of the i-th replaced after its symbol i, counted from 0."""
    order: NDArray[np.int64]
    """The rows of all streams, one below the other, in the order in which they are asked."""

    @property
    def one_hot(self) -> NDArray[np.float32]:
        """All streams but the changed ones as they are asked, (N, 100, 4)."""
        return _one_hot(np.concatenate([*self.symbols.values()])[self.order])

    @property
    def one_hot_changed(self) -> NDArray[np.float32]:
        """The changed streams, (99, 100, 4)."""
        return _one_hot(self.changed)

    @property
    def first(self) -> NDArray[np.float32]:
        """The first scored streams as they are asked again, (99, 100, 4)."""
        return _one_hot(self.symbols[self.own][:REPEATED])

    def split(self, answer: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The answer's rows by test stream."""
        rows = np.empty_like(answer)
        rows[self.order] = answer
        parts = np.split(rows, np.cumsum([len(symbols) for symbols in self.symbols.values()])[:-1])
        return dict(zip(self.symbols, parts, strict=True))


def draw(context: Context, which: str) -> Exam:
    """The exam of the model `which`, "M1" … "M4"."""
    import torch

    process = PROCESSES[which]
    own = next(number for number, alpha in _ALPHAS.items() if alpha == process.concentration)
    symbols = {}
    for number, alpha in _ALPHAS.items():
        generator = context.generator(_NAME, which, "stream", number)
        drawn = streams(Process(alpha, process.period), SCORED if number == own else OTHERS, generator)
        symbols[number] = drawn.numpy()
    constant = np.zeros((1, LENGTH), dtype=np.int64)
    constant[:, process.period - 1 :: process.period] = RESET
    symbols[_CONSTANT] = constant
    changed = _changed(symbols[own][:REPEATED], context.hidden(_NAME, which, "changed"))
    rows = sum(map(len, symbols.values()))
    order = torch.randperm(rows, generator=context.generator(_NAME, which, "order")).numpy()
    return Exam(process, own, MappingProxyType(symbols), changed, order)


def own_streams(context: Context, which: str, count: int) -> NDArray[np.int64]:
    """Streams (count, 100) of the kind of the model `which`, none of them in its exam."""
    return drawn_streams(which, count, context.generator(_NAME, which, "trial"))


def drawn_streams(which: str, count: int, generator: torch.Generator) -> NDArray[np.int64]:
    """Streams (count, 100) of the kind of the model `which`, drawn from a generator."""
    drawn: NDArray[np.int64] = streams(process_of(which), count, generator).numpy()
    return drawn


def process_of(which: str) -> Process:
    """The process that the model `which`, "M1" … "M4", was trained on."""
    return PROCESSES[which]


def best_predictions(process: Process, symbols: NDArray[np.int64]) -> NDArray[np.float64]:
    """The Bayes predictor's probabilities (N, L − 1, 4) for streams (N, L)."""
    import torch

    probabilities: NDArray[np.float64] = predict(process, torch.from_numpy(symbols)).numpy()
    return probabilities


def which_model(entry: Entry) -> str:
    """Name the one of "M1" … "M4" that an entry is, by its architecture or the end of its part's name.

    Raises
    ------
    GradingError
        of stage "manifest", where neither says it or they differ.
    """
    found = [_WHICH.search(name or "") for name in (entry.part, entry.model)]
    said = {match.group(1).upper() for match in found if match}
    if len(said) == 1:
        return said.pop()
    if said:
        message = f"The part {entry.part!r} asks for another of the four models than {entry.model!r} is."
        raise refuse("manifest", "model", message)
    message = (
        f"The part {entry.part!r} doesn't say which of the four models this is: end its name in m1, m2, m3 or m4 "
        '(part = "symbols-m1").'
    )
    raise refuse("manifest", "model", message)


def _changed(first: NDArray[np.int64], generator: torch.Generator) -> NDArray[np.int64]:
    """Streams of which the i-th keeps its symbols 0 … i and every RESET; each other letter is another one."""
    import torch

    other = (first + torch.randint(1, RESET, first.shape, generator=generator).numpy()) % RESET
    later = np.arange(LENGTH) > np.arange(len(first))[:, None]
    return np.where(later & (first != RESET), other, first)


def _one_hot(symbols: NDArray[np.int64]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.eye(SYMBOLS, dtype=np.float32)[symbols]
    return rows
