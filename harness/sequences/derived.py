"""Chooses the method that answers a question: the model's own, or one that follows from others that it has.

An autoencoder's `reconstruct` follows from `encode` and `decode`. A model of pixel sequences offers
`next_pixel_probabilities`, or `start` and `step`, or both (see `harness.tasks.interfaces`); completions and posteriors
of missing pixels follow from these. Runs in the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from harness.sequences import branches, sampling
from harness.sequences.stepwise import Stepwise
from harness.sequences.whole import Whole

Method = Callable[..., Tensor]


def method(model: Any, name: str) -> Method | None:
    """The model's own method of this name, else the derived one; None where the model offers nothing to derive it from.

    One method can be derived for autoencoders:

    reconstruct(images) : the images decoded from the codes of images; of several values that `encode` returns, a mean
        and a log-variance for example, the first is the code. Labels, where there are any, go to both.

    Three can be derived for images and sequences of T pixels in raster order:

    next_pixel_probabilities(binary) : P(x_{t+1} = 1 | x_1 … x_t), (N, T − 1), for sequences (N, T).
    missing_posterior(images) : log p(missing pixels | the others), (N, 2ᵏ), for images (N, T) with −1 at k pixels each.
        The first missing pixel is the most significant bit of a completion's number. Exact.
    complete(images, uniforms) : P(pixel = 1) of each pixel of S completions, given those before it, (N, S, L), for
        images (N, T) whose last L pixels are unknown. A pixel is 1 where its uniform (N, S, L), in [0, 1), is below its
        probability. Always derived, so that the given uniforms alone decide the pixels.

    Samples are always derived, too: see `harness.sequences.sampling`. A model that does not tell its hidden units, to a
    question that only weights are asked, has none: hidden_units(directions (784, d), count (1,)) is then 0, (count, d).
    """
    if name in ("generate", "generate_from_noise"):
        return sampling.method(model, name)
    own: Method | None = getattr(model, name, None)
    if callable(own) and name != "complete":
        return own
    if name == "reconstruct" and all(callable(getattr(model, each, None)) for each in ("encode", "decode")):
        return lambda images, *others: model.decode(_code(model.encode(images, *others)), *others)
    if name == "hidden_units":
        return lambda directions, count: directions.new_zeros(int(count), directions.shape[1])
    if all(callable(getattr(model, each, None)) for each in ("start", "step")):
        return _from_steps(model, name)
    if callable(getattr(model, "next_pixel_probabilities", None)):
        whole = Whole(model)
        derived: dict[str, Method] = {"missing_posterior": whole.missing_posterior, "complete": whole.complete}
        return derived.get(name)
    return None


def _from_steps(model: Any, name: str) -> Method | None:
    if name not in ("next_pixel_probabilities", "missing_posterior", "complete"):
        return None
    steps = Stepwise(model)
    if name == "missing_posterior":
        return lambda images: branches.missing_posterior(steps, images)
    return steps.complete if name == "complete" else steps.next_pixel_probabilities


def _code(encoded: Any) -> Any:
    return encoded[0] if isinstance(encoded, tuple | list) else encoded


def wanted(name: str) -> str:
    """The end of a sentence that says what a model could offer instead of the method `name`; empty where nothing."""
    return {
        "reconstruct": ", nor encode and decode, from which it would be derived",
        "generate": ", nor sample(noise) or sample_images(n, seed), from which it would be derived",
        "generate_from_noise": ", nor sample(noise), from which it would be derived",
        "next_pixel_probabilities": ", nor start and step, from which it would be derived",
        "missing_posterior": ", nor start and step or next_pixel_probabilities, from which it would be derived",
        "complete": ", nor start and step or next_pixel_probabilities, from which it would be derived",
    }.get(name, "")
