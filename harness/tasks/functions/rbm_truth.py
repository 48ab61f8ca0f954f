"""Probabilities of small Boltzmann machines by enumeration of all states: sums of exp(−E), no formula of the sheet.

In double precision, shifted by the largest term, and with 60 digits for extreme machines.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
from scipy.special import logsumexp

from harness.tasks.functions.cases import Inputs, Truth, Values

DIGITS = 60


def states(size: int) -> Values:
    """All binary vectors of a size, (2^size, size)."""
    numbers = np.arange(1 << size)
    return (numbers[:, None] >> np.arange(size) & 1).astype(np.float64)


def minus_energy(x: Values, y: Values, h: Values, weights: Values, labels: Values) -> Values:
    """−E (…, X, H) = (xᵀW + yᵀU)h for x (…, X, d), y (…, X, c), h (H, K), W (…, d, K), U (…, c, K)."""
    result: Values = (x @ weights + y @ labels) @ h.T
    return result


def hidden(inputs: Inputs, exact: bool) -> Truth:
    """p(hₖ = 1 | x, y) (N, K): the share of exp(−E) of the states h with hₖ = 1."""
    all_h = states(inputs["W"].shape[2])
    log_terms = minus_energy(inputs["x"][:, None], inputs["y"][:, None], all_h, inputs["W"], inputs["U"])[:, 0]
    return _of_unit(_shares(log_terms, all_h, exact, inputs, _hidden_terms))


def outputs(inputs: Inputs, exact: bool) -> Truth:
    """p(yⱼ = 1 | h, x) (N, c): the share of exp(−E) of the outputs y with yⱼ = 1."""
    n, c = inputs["y"].shape
    all_y = states(c)
    x = np.broadcast_to(inputs["x"][:, None], (n, len(all_y), inputs["x"].shape[1]))
    fields = x @ inputs["W"] + all_y @ inputs["U"]  # (N, 2^c, K)
    log_terms = (fields * inputs["h"][:, None]).sum(axis=2)
    return _of_unit(_shares(log_terms, all_y, exact, inputs, _output_terms))


def free_energy(inputs: Inputs, exact: bool) -> Truth:
    """F(x, y) = −log Σ_h exp(−E) (N,); the largest term is the largest log(1 + exp aₖ), and at least 1."""
    field = np.einsum("nd,ndk->nk", inputs["x"], inputs["W"]) + np.einsum("nc,nck->nk", inputs["y"], inputs["U"])
    scale = np.maximum(1.0, np.logaddexp(0, field).max(axis=1))
    if exact:
        values = np.array([float(-mpmath.log(sum(terms))) for terms in _each(inputs, _hidden_terms)])
    else:
        log_terms = minus_energy(
            inputs["x"][:, None], inputs["y"][:, None], states(field.shape[1]), inputs["W"], inputs["U"]
        )
        values = -logsumexp(log_terms[:, 0], axis=1)
    return Truth(values, scale)


def joint(inputs: Inputs, exact: bool) -> Truth:
    """p(x, y) (N,), Σ exp(−E) over h, divided by that over x, y and h; the largest term is the largest p(x, y)."""
    d, c, k = inputs["x"].shape[1], inputs["y"].shape[1], inputs["W"].shape[2]
    every = states(d + c)
    rows = np.arange(len(inputs["x"]))
    both = np.concatenate([inputs["x"], inputs["y"]], axis=1)
    own = (both * (1 << np.arange(d + c))).sum(axis=1).astype(np.int64)
    if exact:
        table = np.array([_probabilities(terms, k) for terms in _each(inputs, _all_terms)])
    else:
        log_terms = minus_energy(every[:, :d], every[:, d:], states(k), inputs["W"], inputs["U"])  # (N, 2^(d+c), 2^K)
        summed = logsumexp(log_terms, axis=2)
        table = np.exp(summed - logsumexp(summed, axis=1, keepdims=True))
    return Truth(table[rows, own], table.max(axis=1))


def _of_unit(values: Values) -> Truth:
    # Of p and 1 − p, the larger is at least ½: in saturated units an error is one of 1.
    return Truth(values, np.ones((len(values), 1)))


Terms = Callable[[Inputs, int], list[mpmath.mpf]]


def _shares(log_terms: Values, bits: Values, exact: bool, inputs: Inputs, terms: Terms) -> Values:
    """The share of the terms whose state has a bit set, for each bit, (N, bits)."""
    if not exact:
        weights = np.exp(log_terms - logsumexp(log_terms, axis=1, keepdims=True))
        shares: Values = weights @ bits
        return shares
    rows = []
    with mpmath.workdps(DIGITS):
        for each in _each(inputs, terms):
            total = sum(each)
            rows.append(
                [float(sum(t for t, bit in zip(each, column, strict=True) if bit) / total) for column in bits.T]
            )
    return np.array(rows)


def _each(inputs: Inputs, terms: Terms) -> list[list[mpmath.mpf]]:
    with mpmath.workdps(DIGITS):
        return [terms(inputs, row) for row in range(len(inputs["x"]))]


def _weight(inputs: Inputs, row: int, x: Values, y: Values, h: Values) -> mpmath.mpf:
    """exp(−E) of one state."""
    total = mpmath.mpf(0)
    for units, weights in ((x, inputs["W"][row]), (y, inputs["U"][row])):
        total += mpmath.fsum(weights[i, k] for i in np.flatnonzero(units) for k in np.flatnonzero(h))
    return mpmath.exp(total)


def _hidden_terms(inputs: Inputs, row: int) -> list[mpmath.mpf]:
    x, y = inputs["x"][row], inputs["y"][row]
    return [_weight(inputs, row, x, y, h) for h in states(inputs["W"].shape[2])]


def _output_terms(inputs: Inputs, row: int) -> list[mpmath.mpf]:
    x, h = inputs["x"][row], inputs["h"][row]
    return [_weight(inputs, row, x, y, h) for y in states(inputs["y"].shape[1])]


def _all_terms(inputs: Inputs, row: int) -> list[mpmath.mpf]:
    d, c = inputs["x"].shape[1], inputs["y"].shape[1]
    hidden_states = states(inputs["W"].shape[2])
    return [_weight(inputs, row, both[:d], both[d:], h) for both in states(d + c) for h in hidden_states]


def _probabilities(terms: list[mpmath.mpf], hidden_units: int) -> list[float]:
    with mpmath.workdps(DIGITS):
        total, each = mpmath.fsum(terms), 1 << hidden_units
        return [float(mpmath.fsum(terms[i : i + each]) / total) for i in range(0, len(terms), each)]
