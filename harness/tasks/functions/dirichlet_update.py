"""Predictions of symbols whose probabilities have a Dirichlet prior (UCL COMPGI22, homework 4, part 2), as a function.

p ~ Dirichlet(α) is drawn anew after every RESET, T − 1 letters are drawn from p, and RESET follows. Given α, T and a
stream, asked is P(xₜ₊₁ | x₁ … xₜ): the posterior mean of p, and RESET when it is due. The truth comes of ratios of
evidences, Γ functions of the Dirichlet-multinomial distribution. Gelman et al., "Bayesian Data Analysis", 3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath
import numpy as np
from scipy.special import gammaln

from harness.tasks.base import Context
from harness.tasks.functions.base import FunctionTask
from harness.tasks.functions.cases import Function, Group, Inputs, Mistake, Truth, Values
from harness.tasks.symbols.streams import MODELS, RESET, draw
from harness.types import Array

_ROWS = 20
DIGITS = 60


def counts(inputs: Inputs, since_reset: bool = True, lag: int = 0) -> Values:
    """Letters seen before symbol t + 1, t = 1 … L − 1, (N, L − 1, 3): since the last RESET, or all; lag leaves off the
    last ones.
    """
    one_hot = inputs["one_hot"]
    found = np.zeros((len(one_hot), one_hot.shape[1], 3))
    for t in range(one_hot.shape[1]):
        before = found[:, t - 1] if t else np.zeros((len(one_hot), 3))
        kept = before * (1 - one_hot[:, t, RESET:]) if since_reset else before
        found[:, t] = kept + one_hot[:, t, :RESET]
    shifted = np.concatenate([np.zeros((len(one_hot), lag, 3)), found], axis=1)
    return shifted[:, : one_hot.shape[1] - 1]


def _due(inputs: Inputs) -> Values:
    """True (N, L − 1, 1) where the next symbol is RESET, from the position alone: streams begin after one."""
    following = np.arange(1, inputs["one_hot"].shape[1])
    return np.asarray((following + 1) % inputs["period"][:, None] == 0)[:, :, None]


def _with_reset(letters: Values, due: Values) -> Values:
    """Probabilities (N, L − 1, 4) of letters where no RESET is due, and RESET where it is."""
    reset = np.broadcast_to(due, (*letters.shape[:2], 1)).astype(float)
    return np.concatenate([np.where(due, 0.0, letters), reset], axis=2)


def predictions(inputs: Inputs, exact: bool) -> Truth:
    """P(xₜ₊₁ | x₁ … xₜ) (N, L − 1, 4); the largest term is 1."""
    seen = counts(inputs)
    alpha = inputs["alpha"][:, None]
    if exact:
        with mpmath.workdps(DIGITS):
            letters = np.array([[_exact_row(a, c) for c in row] for a, row in zip(inputs["alpha"], seen, strict=True)])
    else:
        evidence = gammaln(alpha + seen).sum(axis=2) - gammaln((alpha + seen).sum(axis=2))
        following = (alpha + seen)[:, :, None] + np.eye(3)  # (N, L − 1, 3, 3)
        letters = np.exp(gammaln(following).sum(axis=3) - gammaln(following.sum(axis=3)) - evidence[:, :, None])
    values = _with_reset(letters, _due(inputs))
    return Truth(values, np.ones((len(values), 1, 1)))


def _exact_row(alpha: Values, seen: Values) -> list[float]:
    after = [mpmath.mpf(a) + c for a, c in zip(alpha.tolist(), seen.tolist(), strict=True)]

    def evidence(parameters: list[mpmath.mpf]) -> mpmath.mpf:
        return mpmath.fsum(mpmath.loggamma(p) for p in parameters) - mpmath.loggamma(mpmath.fsum(parameters))

    plus = [[p + (i == k) for i, p in enumerate(after)] for k in range(3)]
    return [float(mpmath.exp(evidence(one) - evidence(after))) for one in plus]


def _mean(of: Callable[[Inputs], Values]) -> Callable[[Inputs], Values]:
    """Weights (N, L − 1, 3) of the letters, normalised, with RESET where it is due."""

    def values(inputs: Inputs) -> Values:
        weights = of(inputs)
        total = weights.sum(axis=2, keepdims=True)
        letters = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / 3)
        return _with_reset(letters, _due(inputs))

    return values


def _urn(inputs: Inputs) -> Values:
    return np.asarray(inputs["alpha"][:, None] + counts(inputs))


def _never_reset(inputs: Inputs) -> Values:
    letters = _urn(inputs) / _urn(inputs).sum(axis=2, keepdims=True)
    return _with_reset(letters, np.zeros_like(_due(inputs)))


def _often_reset(inputs: Inputs) -> Values:
    letters = _urn(inputs) / _urn(inputs).sum(axis=2, keepdims=True)
    chance = np.broadcast_to(1 / inputs["period"][:, None, None], (*letters.shape[:2], 1))
    return np.concatenate([letters * (1 - chance), chance], axis=2)


MISTAKES = (
    Mistake(
        "of counts that are not cleared at RESET",
        _mean(lambda inputs: inputs["alpha"][:, None] + counts(inputs, False)),
    ),
    Mistake("of the counts alone, without α: the maximum-likelihood estimate", _mean(counts)),
    Mistake("of α = 1 for every letter, add-one smoothing", _mean(lambda inputs: 1 + counts(inputs))),
    Mistake(
        "of the prior mean: nothing is counted", _mean(lambda inputs: inputs["alpha"][:, None] + 0 * counts(inputs))
    ),
    Mistake(
        "of the posterior's mode, α + count − 1, in place of its mean",
        _mean(lambda inputs: np.maximum(_urn(inputs) - 1, 0)),
    ),
    Mistake(
        "of counts that leave off the last symbol",
        _mean(lambda inputs: inputs["alpha"][:, None] + counts(inputs, lag=1)),
    ),
    Mistake("of letters alone: RESET has no probability when it is due", _never_reset),
    Mistake("of a RESET with probability 1/T at every step: T is known, so is its time", _often_reset),
    Mistake("of α + count: it is not divided by its sum", lambda inputs: _with_reset(_urn(inputs), _due(inputs))),
)


class DirichletUpdate(FunctionTask):
    """The Bayes-optimal predictions of the test streams 1 to 3, for both periods."""

    name = "dirichlet-update"
    title = "Dirichlet posterior of symbols"
    summary = "predictions of symbols from a Dirichlet posterior on test streams 1 to 3; largest error"
    functions = (
        Function(
            "dirichlet_predictions",
            "P(xₜ₊₁ | x₁ … xₜ)",
            "a",
            ("one_hot", "alpha", "period"),
            lambda inputs: (*inputs["one_hot"][:, 1:].shape,),
            predictions,
            MISTAKES,
            aliases=("dirichlet_update", "bayes_predictions", "next_symbol_probabilities", "dirichlet_posterior"),
            signature="dirichlet_predictions(one_hot, alpha, period)",
            hint="With a tiny or a huge α, take the posterior mean directly; Γ functions lose digits.",
        ),
    )

    def drawn(self, context: Context) -> Sequence[Group]:
        """The first streams of each model's test, for α of the stream, and two priors that are nearly certain."""
        groups = []
        for which in MODELS:
            exam = draw(context, which)
            process = exam.process
            for number, symbols in exam.symbols.items():
                kind = f"test stream {number}, α = {process.concentration}, T = {process.period}"
                groups.append(_group(kind, symbols[:_ROWS], process.concentration, process.period, False))
        for alpha in ((1e-6, 1e-6, 1e-6), (1e6, 2e6, 3e5)):
            rows = draw(context, "M4").symbols["2"][-2:]
            groups.append(_group(f"α = {alpha}", rows, alpha, 20, True))
        return groups


def _group(kind: str, symbols: Array, alpha: tuple[float, ...], period: int, extreme: bool) -> Group:
    n = len(symbols)
    inputs = {
        "one_hot": np.eye(RESET + 1)[symbols],
        "alpha": np.tile(np.array(alpha), (n, 1)),
        "period": np.full(n, period),
    }
    return Group(kind, inputs, extreme)
