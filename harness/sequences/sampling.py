"""Draws samples from a model that has `sample(noise)`, `sample(noise, labels_one_hot)` or `sample_images(n, seed)`.

Runs in the worker.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn.functional import one_hot

from harness.types import refuse

CLASSES = 10
USUAL = 100
"""Numbers of noise of a model that does not say how many it takes, as in the courseworks."""


def method(model: Any, name: str) -> Callable[..., Any] | None:
    """The function that answers a question for samples; None where the model has no method that it follows from.

    generate(noise, seeds) : images for noise (n, W) and seeds (n,). By `sample(noise)`, with as many columns, from the
        first on, as the model's `noise_dimension` says, else 100; a conditional one, `sample(noise, labels_one_hot)`,
        gets the last digits of the seeds as labels; without these by `sample_images(n, seed)`, with the first seed.
    generate_from_noise(noise) : the same, by `sample(noise)` alone.
    """
    if _is_conditional(getattr(model, "sample", None)):
        if name != "generate":
            return None
        return lambda noise, seeds: model.sample(
            noise[:, : _columns(model, noise.shape[1])], one_hot(seeds % CLASSES, CLASSES).to(noise.dtype)
        )
    if callable(getattr(model, "sample", None)):
        return lambda noise, seeds=None: model.sample(noise[:, : _columns(model, noise.shape[1])])
    if name == "generate" and callable(getattr(model, "sample_images", None)):
        return lambda noise, seeds: _drawn(model, noise, seeds)
    return None


def _is_conditional(sample: object) -> bool:
    """True for a function that needs a second argument."""
    if not callable(sample):
        return False
    try:
        parameters = inspect.signature(sample).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    return len(needed) == 2


def _columns(model: Any, most: int) -> int:
    said = getattr(model, "noise_dimension", USUAL)
    if isinstance(said, bool) or not isinstance(said, int) or not 0 < said <= most:
        raise refuse(
            "answers",
            "noise-dimension",
            f"noise_dimension must be a whole number from 1 to {most}; found {str(said)[:40]!r}. A model that takes "
            "other noise offers sample_images(n, seed).",
        )
    return said


def _drawn(model: Any, noise: Tensor, seeds: Tensor) -> Any:
    return model.sample_images(len(noise), int(seeds[0]))
