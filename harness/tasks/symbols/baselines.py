"""Baselines for symbols: predictions that ignore the letters, and the Bayes predictor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.tasks.base import Baseline, Context
from harness.tasks.symbols.streams import LENGTH, MODELS, RESET, SYMBOLS, Process, best_predictions, draw
from harness.types import Answer, Question

Predicted = Callable[[Process, NDArray[np.int64]], NDArray[np.float64]]
"""Probabilities (N, 99, 4) for the process that a model was trained on and streams (N, 100)."""


def _baseline(title: str, predicted: Predicted) -> Baseline:
    def answer(context: Context, questions: Sequence[Question]) -> Sequence[Answer]:
        asked = questions[0].inputs["one_hot"]
        # Which of the four models is asked is nowhere said in a question, but no two are asked the same.
        process = next(e.process for e in (draw(context, w) for w in MODELS) if np.array_equal(e.one_hot, asked))
        return [
            {"probabilities": predicted(process, question.inputs["one_hot"].argmax(axis=2)).astype(np.float32)}
            for question in questions
        ]

    return Baseline(title, answer)


def _marginal(process: Process, symbols: NDArray[np.int64]) -> NDArray[np.float64]:
    shares = np.append(_prior(process) * (process.period - 1), 1.0) / process.period
    return np.broadcast_to(shares, (len(symbols), LENGTH - 1, SYMBOLS))


def _prior_mean(process: Process, symbols: NDArray[np.int64]) -> NDArray[np.float64]:
    due = np.arange(1, LENGTH) % process.period == process.period - 1  # (99,)
    table = np.where(due[:, None], np.eye(SYMBOLS)[RESET], np.append(_prior(process), 0.0))  # (99, 4)
    return np.broadcast_to(table, (len(symbols), LENGTH - 1, SYMBOLS))


def _prior(process: Process) -> NDArray[np.float64]:
    """The letters' mean probabilities, (3,)."""
    return np.array(process.concentration) / sum(process.concentration)


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "marginal": _baseline("Each symbol's share of all", _marginal),
        "prior-mean": _baseline("The letters' prior mean; knows when RESET is due", _prior_mean),
        "bayes": _baseline("The Bayes predictor: the optimum", best_predictions),
    }
)
