"""Usual mistakes in the functions of the conditional RBM, of x (N, d), y (N, c), h (N, K), W (N, d, K), U (N, c, K)."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax

from harness.tasks.functions.cases import Inputs, Mistake, Values
from harness.tasks.functions.rbm_truth import free_energy, joint, states


def _from_inputs(inputs: Inputs) -> Values:
    return np.asarray(np.einsum("nd,ndk->nk", inputs["x"], inputs["W"]))


def _from_outputs(inputs: Inputs) -> Values:
    return np.asarray(np.einsum("nc,nck->nk", inputs["y"], inputs["U"]))


def _field(inputs: Inputs) -> Values:
    """The argument (N, K) of the hidden units' sigmoid."""
    return _from_inputs(inputs) + _from_outputs(inputs)


def _output_field(inputs: Inputs) -> Values:
    """The argument (N, c) of the outputs' sigmoid."""
    return np.asarray(np.einsum("nk,nck->nc", inputs["h"], inputs["U"]))


def _softplus(values: Values) -> Values:
    return np.asarray(np.logaddexp(0, values))


def _spread(values: Values, count: int) -> Values:
    return np.repeat(values[:, None], count, axis=1)


def _unnormalised(inputs: Inputs) -> Values:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(_softplus(_field(inputs)).sum(axis=1)))


def _given_inputs(inputs: Inputs) -> Values:
    """p(y | x): the sum over y alone as Z."""
    every = states(inputs["y"].shape[1])
    fields = _from_inputs(inputs)[:, None] + every @ inputs["U"]  # (N, 2^c, K)
    totals = np.logaddexp.reduce(_softplus(fields).sum(axis=2), axis=1)
    return np.asarray(np.exp(_softplus(_field(inputs)).sum(axis=1) - totals))


def _log_joint(inputs: Inputs) -> Values:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(joint(inputs, False).values))


OF_HIDDEN = (
    Mistake("of p(h = 0 | x, y): the sign in the sigmoid", lambda inputs: expit(-_field(inputs))),
    Mistake("of the sigmoid of xᵀW alone: yᵀU is missing", lambda inputs: expit(_from_inputs(inputs))),
    Mistake("of the sigmoid of yᵀU alone: xᵀW is missing", lambda inputs: expit(_from_outputs(inputs))),
    Mistake(
        "of the sigmoid of the wrong sum: it runs over the hidden units, too",
        lambda inputs: _spread(expit(_field(inputs).sum(axis=1)), inputs["W"].shape[2]),
    ),
    Mistake(
        "of a softmax over the hidden units, which are independent", lambda inputs: softmax(_field(inputs), axis=1)
    ),
    Mistake("of the sigmoid's argument: the sigmoid is missing", _field),
    Mistake("of exp(xᵀW + yᵀU), not normalised over h = 0 and 1", lambda inputs: np.exp(_field(inputs))),
    Mistake("of tanh in place of the sigmoid", lambda inputs: np.tanh(_field(inputs))),
    Mistake("of twice the sigmoid's argument", lambda inputs: expit(2 * _field(inputs))),
    Mistake("of xᵀW − yᵀU in the sigmoid", lambda inputs: expit(_from_inputs(inputs) - _from_outputs(inputs))),
)
OF_OUTPUTS = (
    Mistake("of p(y = 0 | h, x): the sign in the sigmoid", lambda inputs: expit(-_output_field(inputs))),
    Mistake(
        "of the sigmoid of the wrong sum: it runs over the outputs, too",
        lambda inputs: _spread(expit(_output_field(inputs).sum(axis=1)), inputs["U"].shape[1]),
    ),
    Mistake(
        "of the sigmoid of xᵀWh + Uh: what does not depend on y cancels",
        lambda inputs: expit(_output_field(inputs) + (_from_inputs(inputs) * inputs["h"]).sum(axis=1)[:, None]),
    ),
    Mistake("of the sigmoid of all weights: h is missing", lambda inputs: expit(inputs["U"].sum(axis=2))),
    Mistake(
        "of a softmax over the outputs, which are independent here, not one-hot",
        lambda inputs: softmax(_output_field(inputs), axis=1),
    ),
    Mistake("of the sigmoid's argument: the sigmoid is missing", _output_field),
    Mistake("of exp(Uh), not normalised over y = 0 and 1", lambda inputs: np.exp(_output_field(inputs))),
    Mistake("of tanh in place of the sigmoid", lambda inputs: np.tanh(_output_field(inputs))),
)
OF_FREE_ENERGY = (
    Mistake("of −F: the wrong sign", lambda inputs: _softplus(_field(inputs)).sum(axis=1)),
    Mistake(
        "of the wrong order: log(1 + exp(Σ …)) in place of Σ log(1 + exp …)",
        lambda inputs: -_softplus(_field(inputs).sum(axis=1)),
    ),
    Mistake("of −Σ log exp(…): 1 + is missing", lambda inputs: -_field(inputs).sum(axis=1)),
    Mistake("of the sum of xᵀW alone: yᵀU is missing", lambda inputs: -_softplus(_from_inputs(inputs)).sum(axis=1)),
    Mistake("of the sum of yᵀU alone: xᵀW is missing", lambda inputs: -_softplus(_from_outputs(inputs)).sum(axis=1)),
    Mistake("of −Σ (1 + exp …): the logarithm is missing", lambda inputs: -(1 + np.exp(_field(inputs))).sum(axis=1)),
    Mistake(
        "of the energy at the hidden units' probabilities",
        lambda inputs: -(expit(_field(inputs)) * _field(inputs)).sum(axis=1),
    ),
    Mistake("of −log p(x, y): log Z is added", lambda inputs: -_log_joint(inputs)),
    Mistake("of exp(−F): the logarithm is missing", _unnormalised),
    Mistake("of −Σ log sigm(…): it is the sigmoid's logarithm", lambda inputs: _softplus(-_field(inputs)).sum(axis=1)),
)
OF_JOINT = (
    Mistake("of exp(−F): Z is forgotten", _unnormalised),
    Mistake("of exp(F): the wrong sign, and Z is forgotten", lambda inputs: 1 / _unnormalised(inputs)),
    Mistake("of p(y | x): Z sums over y alone, not over x and y", _given_inputs),
    Mistake("of log p(x, y): the exponential is missing", _log_joint),
    Mistake("of the free energy", lambda inputs: free_energy(inputs, False).values),
    Mistake(
        "of a Z over x, y and h that counts every h as its own state with energy F",
        lambda inputs: joint(inputs, False).values / (1 << inputs["W"].shape[2]),
    ),
)
