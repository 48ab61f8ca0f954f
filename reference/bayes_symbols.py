"""Streams of symbols whose distribution changes at every RESET, and their Bayes-optimal predictor.

The second part of the UCL coursework: over the letters 1, 2, 3 and RESET, probabilities p ~ Dirichlet(α) are drawn,
T − 1 letters are drawn from p, RESET follows, and the cycle starts again. The best prediction from α and T, without
p, is the posterior mean: (αₖ + count of k since the RESET) / (Σα + letters since the RESET); and RESET itself is
certain at the end of a period (Gelman et al., "Bayesian Data Analysis", 3rd edition, 3.4). A recurrent network trained
on such streams has to count.

Letters 1, 2, 3 are stored as 0, 1, 2, RESET as 3. A stream begins with the first letter after a RESET.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, lgamma, log
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LETTERS = 3
RESET = 3
SYMBOLS = 4
LENGTH = 100


@dataclass(frozen=True)
class Process:
    """Parameters of the distribution of a stream."""

    concentration: tuple[float, ...]
    """α of the Dirichlet distribution, one for each letter."""
    period: int
    """T: number of symbols from one RESET to the next, including RESET."""


PROCESSES: Mapping[str, Process] = MappingProxyType(
    {
        "M1": Process((10.0, 1.0, 1.0), 5),
        "M2": Process((10.0, 1.0, 1.0), 20),
        "M3": Process((1.3, 1.3, 1.3), 5),
        "M4": Process((1.3, 1.3, 1.3), 20),
    }
)
"""The processes on which the coursework's four models are trained."""


def streams(process: Process, n: int, generator: torch.Generator, length: int = LENGTH) -> Tensor:
    """Draw n streams: symbols int64 (n, length).

    The letters are drawn one by one from their distribution given those before, with p integrated out (Pólya's urn:
    Blackwell and MacQueen 1973), which is equivalent to drawing p first. All randomness is uniform numbers of one
    explicit generator.
    """
    import torch
    from torch.nn import functional

    cycles = -(-length // process.period)
    drawn = torch.full((n, cycles, process.period), RESET)
    uniform = torch.rand(n, cycles, process.period - 1, generator=generator, dtype=torch.float64)
    urn = torch.tensor(process.concentration, dtype=torch.float64).repeat(n, cycles, 1)  # α + counts
    for t in range(process.period - 1):
        share = urn.cumsum(2) / urn.sum(2, keepdim=True)
        letter = (uniform[:, :, t, None] >= share[:, :, :-1]).sum(2)  # (n, cycles)
        drawn[:, :, t] = letter
        urn += functional.one_hot(letter, LETTERS)
    return drawn.view(n, -1)[:, :length]


def predict(process: Process, symbols: Tensor) -> Tensor:
    """Compute P(x_{t+1} | x_1 … x_t), t = 1 … L − 1, float64 (N, L − 1, 4), for symbols (N, L).

    The time of a RESET follows from the position alone; the letters since then are counted.
    """
    import torch
    from torch.nn import functional

    n, length = symbols.shape
    cycles = -(-length // process.period)
    padded = functional.pad(symbols, (0, cycles * process.period - length), value=RESET)
    came = functional.one_hot(padded, SYMBOLS)[:, :, :LETTERS].double().view(n, cycles, process.period, LETTERS)
    before = came.cumsum(2) - came
    weights = before + torch.tensor(process.concentration, dtype=torch.float64)  # (N, cycles, T, 3)
    probabilities = torch.zeros(n, cycles, process.period, SYMBOLS, dtype=torch.float64)
    probabilities[..., :LETTERS] = weights / weights.sum(3, keepdim=True)
    probabilities[:, :, -1] = functional.one_hot(torch.tensor(RESET), SYMBOLS).double()
    return probabilities.view(n, -1, SYMBOLS)[:, 1:length]


def expected_cross_entropy(process: Process, length: int = LENGTH) -> float:
    """Compute the expected cross-entropy of `predict`, the least of any predictor: nats a step, length − 1 predictions.

    Sums over all possible counts of letters since the last RESET, by the Dirichlet-multinomial distribution.
    """
    after = [_expected_entropy(process.concentration, letters) for letters in range(process.period - 1)] + [0.0]
    return sum(after[t % process.period] for t in range(1, length)) / (length - 1)


def _expected_entropy(concentration: tuple[float, ...], letters: int) -> float:
    """Compute the mean entropy, in nats, of the prediction after the given number of letters."""
    total = sum(concentration)
    mean = 0.0
    for first in range(letters + 1):
        for second in range(letters - first + 1):
            counts = (first, second, letters - first - second)
            log_chance = lgamma(letters + 1) + lgamma(total) - lgamma(total + letters)
            entropy = 0.0
            for count, alpha in zip(counts, concentration, strict=True):
                log_chance += lgamma(alpha + count) - lgamma(alpha) - lgamma(count + 1)
                probability = (alpha + count) / (total + letters)
                entropy -= probability * log(probability)
            mean += exp(log_chance) * entropy
    return mean


class BayesPredictor:
    """The optimal predictor with the interface of a trained model."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def next_symbol_probabilities(self, one_hot: Tensor) -> Tensor:
        """P(x_{t+1} | x_1 … x_t), (N, 99, 4), for one-hot streams (N, 100, 4)."""
        return predict(self.process, one_hot.argmax(2)).float()
