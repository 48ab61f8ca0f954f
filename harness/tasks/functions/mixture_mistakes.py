"""Usual mistakes in the derivatives of a mixture's error, functions of α (N, m), μ (N, m, c), σ (N, m), t (N, c)."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi
from typing import Literal

import numpy as np
from scipy.special import softmax

from harness.tasks.functions.cases import Inputs, Mistake, Values

Density = Literal["right", "no volume", "volume of one dimension", "no half", "deviation for variance"]
_DENSITIES: dict[Density, str] = {
    "no volume": "of densities without their factor 1/σᶜ",
    "volume of one dimension": "of densities with 1/σ in place of 1/σᶜ",
    "no half": "of densities without the ½ in the exponent",
    "deviation for variance": "of densities with σ in place of σ² in the exponent",
}


def log_density(inputs: Inputs, kind: Density = "right") -> Values:
    """Calculate log φᵢ(t) (N, m), right or with a mistake."""
    size, sigma = inputs["t"].shape[1], inputs["sigma"]
    squared = ((inputs["t"][:, None] - inputs["mu"]) ** 2).sum(axis=2)
    width = sigma if kind == "deviation for variance" else sigma**2
    dimensions = {"no volume": 0, "volume of one dimension": 1}.get(kind, size)
    exponent = squared / width * (1 if kind == "no half" else 0.5)
    result: Values = -size / 2 * log(2 * pi) - dimensions * np.log(sigma) - exponent
    return result


def posterior(inputs: Inputs, kind: Density = "right") -> Values:
    """Calculate πᵢ (N, m) = αᵢφᵢ / Σⱼ αⱼφⱼ with densities of a kind."""
    result: Values = softmax(np.log(inputs["alpha"]) + log_density(inputs, kind), axis=1)
    return result


def _joint(inputs: Inputs) -> Values:
    """αᵢφᵢ, the posterior before it is normalised."""
    return np.asarray(inputs["alpha"] * np.exp(log_density(inputs)))


def _flat(inputs: Inputs) -> Values:
    """φᵢ / Σⱼ φⱼ, a posterior that forgets α."""
    return np.asarray(softmax(log_density(inputs), axis=1))


def _alpha(of: Callable[[Inputs], Values]) -> Callable[[Inputs], Values]:
    return lambda inputs: -of(inputs) / inputs["alpha"]


def _means(of: Callable[[Inputs], Values], power: int = 2) -> Callable[[Inputs], Values]:
    """Weighted (μ − t) / σ^power."""

    def values(inputs: Inputs) -> Values:
        weight = of(inputs) / inputs["sigma"] ** power
        return np.asarray(weight[:, :, None] * (inputs["mu"] - inputs["t"][:, None]))

    return values


def _outputs(of: Callable[[Inputs], Values]) -> Callable[[Inputs], Values]:
    return lambda inputs: inputs["alpha"] - of(inputs)


def _ones(inputs: Inputs) -> Values:
    return np.ones_like(inputs["alpha"])


def _of_density(kind: Density) -> Callable[[Inputs], Values]:
    return lambda inputs: posterior(inputs, kind)


_JOINT = "of a posterior that is not normalised: αᵢφᵢ is not divided by its sum (E has a logarithm)"
_FLAT = "of a posterior without α: φᵢ / Σφⱼ in place of αᵢφᵢ / Σαⱼφⱼ"
_TURNED = "of the right formula with the wrong sign"

OF_ALPHA = (
    Mistake(_TURNED, lambda inputs: posterior(inputs) / inputs["alpha"]),
    Mistake("of the derivative with respect to log α: 1/αᵢ is missing", lambda inputs: -posterior(inputs)),
    Mistake(
        "of the derivative with respect to the softmax's outputs z, not α",
        lambda inputs: inputs["alpha"] - posterior(inputs),
    ),
    Mistake(_JOINT, _alpha(_joint)),
    Mistake(_FLAT, _alpha(_flat)),
    Mistake("of α itself in place of the posterior π", lambda inputs: -_ones(inputs)),
    *(Mistake(sentence, _alpha(_of_density(kind))) for kind, sentence in _DENSITIES.items()),
)
OF_MEANS = (
    Mistake("of t − μ in place of μ − t: the wrong sign", lambda inputs: -_means(posterior)(inputs)),
    Mistake("of the formula without 1/σ²", _means(posterior, 0)),
    Mistake("of the formula with 1/σ in place of 1/σ²", _means(posterior, 1)),
    Mistake("of the formula with 1/σ³ in place of 1/σ²", _means(posterior, 3)),
    Mistake("of α in place of the posterior π", _means(lambda inputs: inputs["alpha"])),
    Mistake("of the formula without the posterior π", _means(_ones)),
    Mistake(_JOINT, _means(_joint)),
    Mistake(_FLAT, _means(_flat)),
    *(Mistake(sentence, _means(_of_density(kind))) for kind, sentence in _DENSITIES.items()),
)
OF_OUTPUTS = (
    Mistake("of π − α in place of α − π: the wrong sign", lambda inputs: posterior(inputs) - inputs["alpha"]),
    Mistake(
        "of the chain rule with j = i alone: αⱼ depends on zᵢ for j ≠ i, too",
        lambda inputs: -posterior(inputs) * (1 - inputs["alpha"]),
    ),
    Mistake(
        "of the derivative with respect to α: the derivative of the softmax is missing",
        lambda inputs: -posterior(inputs) / inputs["alpha"],
    ),
    Mistake("of the derivative with respect to log α, as if log αᵢ were zᵢ", lambda inputs: -posterior(inputs)),
    Mistake("of 1 in place of α", lambda inputs: 1 - posterior(inputs)),
    Mistake(_JOINT, _outputs(_joint)),
    Mistake(_FLAT, _outputs(_flat)),
    *(Mistake(sentence, _outputs(_of_density(kind))) for kind, sentence in _DENSITIES.items()),
)
