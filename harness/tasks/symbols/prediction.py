"""Symbol prediction: the next symbol of streams with Dirichlet statistics (UCL, Deep Learning, homework 4, part 2).

Streams of 100 symbols over {1, 2, 3, RESET}: p ~ Dirichlet(α), T − 1 letters from p, RESET, and again. The coursework
trains four models, M1 to M4: α = (10, 1, 1) with T = 5 and 20, then α = (1.3, 1.3, 1.3) with T = 5 and 20; and tests on
three streams: 1 drawn with (10, 1, 1), 2 with (1.3, 1.3, 1.3), 3 with the constant p = (1, 0, 0). As we read it:

- An entry is one of the four models. Which one, its architecture says (dirichlet-lstm-m1 …) or the end of its part's
  name (symbols-m1 …).
- Every model sees all three test streams with its own T, for another T would ask for what it was never shown.
- The score is the cross-entropy on the stream of its own α, as excess over the Bayes predictor, which knows α and T and
  counts: no predictor's excess is below 0 on average. On the two other streams that predictor is wrong about α in the
  same way as the model, and the excess over it, of either sign, only says how alike the two generalise.

Since a symbol to be predicted lies in the input, predictions must not depend on later symbols: streams with a changed
end are mixed among the others, and a score better than Bayes' by more than chance is no score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from harness.evidence.causality import Words, batch_dependence, causality
from harness.hints import of_no_probabilities
from harness.likeness import answers as likeness
from harness.metrics.categorical_cross_entropy import FLOOR, cross_entropy, divergence, floored
from harness.metrics.mean_interval import mean_intervals
from harness.tasks.base import Baseline, Context, TimedQuestion, Trial, gates
from harness.tasks.symbols.baselines import BASELINES
from harness.tasks.symbols.streams import (
    REPEATED,
    STEPS,
    SYMBOLS,
    best_predictions,
    draw,
    drawn_streams,
    own_streams,
    process_of,
    which_model,
)
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Figure, Marks, Metric, Question, refuse

WORDS = Words("stream", "symbol")
BATCH = 500
TRIED = 100
"""Streams by which options are chosen that neither weights nor manifest tell."""
ROUNDING = 1e-4
"""Largest distance from 1 of the sum of a prediction's probabilities; up to `TOLERATED` they are normalised, with a
note."""
TOLERATED = 0.01
TOO_GOOD = 1e-4
"""Nats a step below Bayes that are never told from rounding or from luck with rare symbols."""
DEVIATIONS = 6
"""Standard errors below Bayes that are no chance."""
DECIMALS = 7
"""Decimals of the metrics: what answers in single precision can tell apart."""
_TITLES = {
    "excess_cross_entropy": "excess cross-entropy",
    "cross_entropy": "cross-entropy",
    "bayes_cross_entropy": "Bayes cross-entropy",
    "divergence": "divergence",
}
_BESIDE = ("cross_entropy", "bayes_cross_entropy")


class SymbolPrediction:
    """`next_symbol_probabilities(one_hot (N, 100, 4)) -> (N, 99, 4)`, P(x_{t+1} | x_1 … x_t)."""

    name = "symbol-prediction"
    title = "Symbol prediction"
    summary = "predict the next symbol of streams with Dirichlet statistics; nats a step above the Bayes predictor"
    protocol = 1
    primary = "excess_cross_entropy"
    gates: tuple[str, ...] = ("batch-dependence",)
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = BASELINES
    time_reference = "dirichlet-lstm-m1"
    time_batch = BATCH

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """All streams in batches of 500, in mixed order; in a second sitting changed copies of the first scored ones,
        and these again, in smaller batches.
        """
        exam = draw(context, which_model(entry))
        return [
            Question(
                "next_symbol_probabilities",
                {"one_hot": one_hot},
                {"probabilities": ArraySpec((len(one_hot), STEPS, SYMBOLS))},
                batch,
                sitting=sitting,
            )
            for one_hot, batch, sitting in (
                (exam.one_hot, BATCH, 0),
                (exam.one_hot_changed, 33, 1),
                (exam.first, 20, 1),
            )
        ]

    def trial(self, context: Context, entry: Entry) -> Trial:
        """100 streams of the model's own kind; the mean cross-entropy in nats a step."""
        which = which_model(entry)
        symbols = own_streams(context, which, TRIED)
        one_hot = np.eye(SYMBOLS, dtype=np.float32)[symbols]
        spec = ArraySpec((TRIED, STEPS, SYMBOLS))
        asked = Question("next_symbol_probabilities", {"one_hot": one_hot}, {"probabilities": spec})

        def rate(answers: Sequence[Answer]) -> Metric:
            predicted = answers[0]["probabilities"].astype(np.float64).clip(0, 1)
            nats = cross_entropy(predicted, symbols[:, 1:])
            return Metric(float(nats.mean()), "nats/step", "lower", TRIED, title="cross-entropy")

        return Trial([asked], rate)

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Fresh streams of the model's own kind; the excess over the Bayes predictor of each."""
        which = which_model(entry)
        return [_timed(which, drawn_streams(which, size, generator)) for size in sizes]

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Cross-entropy on the three test streams and excess over Bayes; causality; dependence on the batch."""
        which = which_model(entry)
        exam = draw(context, which)
        notes: list[str] = []
        answered, changed, again = (_normalised(answer["probabilities"], notes) for answer in answers)
        by_stream = exam.split(answered)
        evidence = _evidence(by_stream[exam.own], again, changed)
        metrics: dict[str, Metric] = {}
        examples: dict[str, tuple[Array, Array]] = {}
        impossible = 0
        scores = None
        for stream, symbols in exam.symbols.items():
            said, targets = by_stream[stream], symbols[:, 1:]
            best = best_predictions(exam.process, symbols)
            nats, least = cross_entropy(said, targets), cross_entropy(best, targets)
            impossible += floored(said, targets)
            examples[stream] = said[0], best[0]  # (99, 4) each
            measured = {"excess_cross_entropy": nats - least, "cross_entropy": nats}
            if stream == exam.own:
                _refuse_clairvoyance(nats - least)
                scores = nats - least
                measured |= {"bayes_cross_entropy": least, "divergence": divergence(best, said)}
            found = _metrics(measured)
            metrics = (found if stream == exam.own else {}) | metrics
            for name, title, metric in (
                ("cross_entropy_stream", "cross-entropy, stream", found["cross_entropy"]),
                ("excess_stream", "excess, stream", found["excess_cross_entropy"]),
            ):
                metrics[f"{name}_{stream}"] = replace(metric, title=f"{title} {stream}", beside=False)
        if impossible:
            notes.append(
                f"{impossible} symbols came to which the model gave a probability below {FLOOR:g}; they were counted "
                f"as if it had given {FLOOR:g}."
            )
        return Marks(
            metrics=metrics,
            primary=self.primary,
            evidence=evidence,
            figures=(_over_time(examples),),
            gates=gates(evidence),
            scores=scores,
        ), notes

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The predictions of the scored streams less the Bayes predictor's, to which all good models come near."""
        exam = draw(context, which_model(entry))
        said = exam.split(_normalised(answers[0]["probabilities"], []))[exam.own]
        return likeness.predictions(said, best_predictions(exam.process, exam.symbols[exam.own]))


def _timed(which: str, symbols: NDArray[np.int64]) -> TimedQuestion:
    spec = ArraySpec((len(symbols), STEPS, SYMBOLS))
    inputs = {"one_hot": np.eye(SYMBOLS, dtype=np.float32)[symbols]}

    def rate(answer: Answer) -> NDArray[np.float64]:
        targets, best = symbols[:, 1:], best_predictions(process_of(which), symbols)
        said = _normalised(answer["probabilities"], [])
        excess: NDArray[np.float64] = cross_entropy(said, targets) - cross_entropy(best, targets)
        return excess

    return TimedQuestion(Question("next_symbol_probabilities", inputs, {"probabilities": spec}), rate)


def _over_time(examples: Mapping[str, tuple[Array, Array]]) -> Figure:
    """The probabilities of a model and of the Bayes predictor for one example of each stream, (99, 4) each."""
    return Figure(
        "probabilities-over-time",
        "bands",
        "Probabilities over time",
        {"panels": np.stack([panel for pair in examples.values() for panel in pair])},  # (2 · streams, 99, 4)
        "For the first of each test stream’s examples, what the next symbol will be: from left to right "
        f"{STEPS} steps, from bottom to top the probabilities of the symbols, which add up to one.",
        columns=tuple(f"Stream {stream}, {whose}" for stream in examples for whose in ("model", "Bayes predictor")),
        series=("1", "2", "3", "RESET"),
        x="step",
        y="probability",
        unit="share",
    )


def _evidence(
    first: NDArray[np.float64], again: NDArray[np.float64], changed: NDArray[np.float64]
) -> tuple[Evidence, ...]:
    """Evidence that predictions move neither with the batch nor with later symbols; GradingError for the latter."""
    same = first[:REPEATED]
    batch = batch_dependence(same, again, WORDS)
    known = np.arange(STEPS) <= np.arange(REPEATED)[:, None]  # predictions from symbols that were not changed
    moved = np.abs(same - changed).max(axis=2) * known
    return batch, causality(moved, np.arange(1, REPEATED + 1), batch, WORDS)


def _normalised(probabilities: NDArray[np.float32], notes: list[str]) -> NDArray[np.float64]:
    """Probabilities that sum to 1 exactly; GradingError where they are none."""
    values = probabilities.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    sums = values.sum(axis=2)
    if low < -1e-6:
        hint = of_no_probabilities(low, high, "softmax over the last axis")
        message = f"The probabilities lie in [{low:.4g}, {high:.4g}]; allowed is [0, 1]. {hint}"
        raise refuse("answers", "out-of-range", message)
    worst = float(sums.flat[np.abs(sums - 1).argmax()])
    if abs(worst - 1) > TOLERATED:
        message = (
            f"The four probabilities of a prediction sum to {worst:.4g}; allowed is 1, within {TOLERATED:g}. "
            "Return a softmax over the last axis."
        )
        raise refuse("answers", "not-normalised", message)
    if abs(worst - 1) > ROUNDING:
        note = "The four probabilities of a prediction don't sum to 1 exactly; they were divided by their sum."
        notes += [] if note in notes else [note]
    normalised: NDArray[np.float64] = values.clip(0) / values.clip(0).sum(axis=2, keepdims=True)
    return normalised


def _refuse_clairvoyance(excess: NDArray[np.float64]) -> None:
    mean, error = float(excess.mean()), float(excess.std(ddof=1) / len(excess) ** 0.5)
    if mean < -max(TOO_GOOD, DEVIATIONS * error):
        message = (
            f"The predictions are better than the best possible ones, by {-mean:.4g} nats a step where chance allows "
            f"{max(TOO_GOOD, DEVIATIONS * error):.2g}: they must have been made from the symbols that they predict."
        )
        raise refuse("answers", "better-than-bayes", message)


def _metrics(measured: Mapping[str, NDArray[np.float64]]) -> dict[str, Metric]:
    """Means of per-stream values (n,), with intervals where there is more than one stream."""
    values = np.stack(list(measured.values()), axis=1)  # (n, quantities)
    n = len(values)
    means = _rounded(values.mean(axis=0))
    if n == 1:
        return {name: _metric(name, mean, 1) for name, mean in zip(measured, means, strict=True)}
    ends = [_rounded(interval) for interval in mean_intervals(values)]
    return {
        name: _metric(name, mean, n, low, high) for name, mean, (low, high) in zip(measured, means, ends, strict=True)
    }


def _metric(name: str, mean: float, n: int, low: float | None = None, high: float | None = None) -> Metric:
    return Metric(mean, "nats/step", "lower", n, low, high, title=_TITLES[name], beside=name in _BESIDE)


def _rounded(numbers: NDArray[np.float64]) -> list[float]:
    return [round(float(number), DECIMALS) + 0.0 for number in numbers]  # + 0.0 makes 0 of −0
