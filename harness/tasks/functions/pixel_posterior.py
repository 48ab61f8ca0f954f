"""Posteriors of one and of 2 × 2 missing pixels from given sequence probabilities (UCL COMPGI22, homework 4).

p(missing | rest) ∝ p(x₁) Πₜ p(xₜ₊₁ | x₁ … xₜ): given are, for each completion of the missing pixels (2, or 16), the
completed image and P(xₜ₊₁ = 1 | x₁ … xₜ); asked is the posterior of the completions. Every prediction from the hole on
counts. The first missing pixel counts most in a completion's number. p(x₁) is the same for all completions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath
import numpy as np
import torch
from scipy.special import softmax

from harness.tasks.base import Context
from harness.tasks.functions.base import FunctionTask
from harness.tasks.functions.cases import Function, Group, Inputs, Mistake, Truth, Values

DIGITS = 60
_HINT = "The product of many probabilities underflows: sum their logarithms, and subtract the largest sum."


def _log_terms(inputs: Inputs) -> Values:
    """Log-probabilities (N, C, T − 1) of the pixels x₂ … x_T of each completion."""
    p, lit = inputs["probabilities"], inputs["images"][:, :, 1:] == 1
    return np.asarray(np.log(np.where(lit, p, 1 - p)))


def posterior(inputs: Inputs, exact: bool) -> Truth:
    """The posterior (N, C); the largest term is the largest probability."""
    values = softmax(_log_terms(inputs).sum(axis=2), axis=1)
    if exact:
        rows = []
        with mpmath.workdps(DIGITS):
            for p, images in zip(inputs["probabilities"], inputs["images"], strict=True):
                joint = [
                    mpmath.fprod(q if lit else 1 - mpmath.mpf(q) for q, lit in zip(ps.tolist(), row[1:], strict=True))
                    for ps, row in zip(p, images, strict=True)
                ]
                rows.append([float(one / mpmath.fsum(joint)) for one in joint])
        values = np.array(rows)
    return Truth(values, values.max(axis=1, keepdims=True))


def _missing(inputs: Inputs) -> Values:
    """True (N, 1, T) for pixels in which the completions differ."""
    images = inputs["images"]
    return np.asarray(images.max(axis=1) != images.min(axis=1))[:, None]


def _own_terms(inputs: Inputs) -> Values:
    return np.asarray(softmax((_log_terms(inputs) * _missing(inputs)[:, :, 1:]).sum(axis=2), axis=1))


def _until_hole(inputs: Inputs) -> Values:
    missing = _missing(inputs)
    until = missing[:, :, ::-1].cumsum(axis=2)[:, :, ::-1] > 0
    return np.asarray(softmax((_log_terms(inputs) * until[:, :, 1:]).sum(axis=2), axis=1))


def _shifted(inputs: Inputs) -> Values:
    p, lit = inputs["probabilities"], inputs["images"][:, :, :-1] == 1
    return np.asarray(softmax(np.log(np.where(lit, p, 1 - p)).sum(axis=2), axis=1))


def _lit_alone(inputs: Inputs) -> Values:
    p, lit = inputs["probabilities"], inputs["images"][:, :, 1:] == 1
    return np.asarray(softmax(np.where(lit, np.log(p), 0).sum(axis=2), axis=1))


def _of_sum(change: Callable[[Values], Values]) -> Callable[[Inputs], Values]:
    return lambda inputs: np.asarray(change(_log_terms(inputs).sum(axis=2)))


MISTAKES = (
    Mistake("of the predictions up to the last missing pixel: those after the hole count, too", _until_hole),
    Mistake("of the joint probabilities: they are not divided by their sum", _of_sum(np.exp)),
    Mistake(
        "of the mean log-probability in place of the sum",
        lambda inputs: np.asarray(softmax(_log_terms(inputs).mean(axis=2), axis=1)),
    ),
    Mistake("of predictions that are one pixel off: column t predicts pixel t + 1", _shifted),
    Mistake("of the lit pixels alone: those that are 0 have probability 1 − p", _lit_alone),
    Mistake(
        "of the logarithm of the posterior",
        _of_sum(lambda logs: logs - np.logaddexp.reduce(logs, axis=1, keepdims=True)),
    ),
    Mistake("of the joint log-probabilities", _of_sum(lambda logs: logs)),
)


OF_SEVERAL = (
    Mistake("of the missing pixels' own predictions alone: those after and between them count, too", _own_terms),
)
"""Mistakes that are others for a single pixel."""


def _function(
    name: str, title: str, exercise: str, aliases: tuple[str, ...], more: tuple[Mistake, ...] = ()
) -> Function:
    return Function(
        name,
        title,
        exercise,
        ("probabilities", "images"),
        lambda inputs: inputs["images"].shape[:2],
        posterior,
        (*MISTAKES, *more),
        aliases=aliases,
        signature=f"{name}(probabilities, images)",
        hint=_HINT,
    )


class PixelPosterior(FunctionTask):
    """The posterior of one missing pixel, and of 2 × 2."""

    name = "pixel-posterior"
    title = "Posterior of missing pixels"
    summary = "the posterior of one and of 2 × 2 missing pixels from sequence probabilities; largest error"
    functions = (
        _function("one_pixel_posterior", "posterior of one pixel", "one", ("posterior_one_pixel", "one_pixel")),
        _function(
            "two_by_two_posterior",
            "posterior of 2 × 2 pixels",
            "four",
            ("posterior_two_by_two", "two_by_two", "posterior_2x2"),
            OF_SEVERAL,
        ),
    )

    def drawn(self, context: Context) -> Sequence[Group]:
        """1,000 short sequences for each function, and 10 of whole images that are hard to multiply."""
        generator = context.generator(self.name, "cases")
        groups = []
        for function, missing in zip(self.functions, (1, 4), strict=True):
            for side, n in ((7, 700), (10, 300)):
                groups.append(_sequences(generator, function.name, n, side, missing, 0.1))
            groups.append(_sequences(generator, function.name, 10, 28, missing, 1e-7))
        return groups


def _sequences(generator: torch.Generator, only: str, n: int, side: int, missing: int, least: float) -> Group:
    """Images of side × side pixels with a square hole, and predictions that agree before it and differ after it."""
    pixels, width = side * side, 1 if missing == 1 else 2
    count = 1 << missing
    image = torch.randint(0, 2, (n, 1, pixels), generator=generator).double()
    corner = torch.randint(1, side - width, (n, 2), generator=generator)
    offsets = torch.tensor([r * side + c for r in range(width) for c in range(width)])
    holes = (corner[:, :1] * side + corner[:, 1:] + offsets).numpy()  # (n, missing)
    images = image.expand(n, count, pixels).clone().numpy()
    bits = np.arange(count)[:, None] >> np.arange(missing - 1, -1, -1) & 1  # the first missing pixel counts most
    np.put_along_axis(images, holes[:, None], np.broadcast_to(bits, (n, count, missing)).astype(float), axis=2)
    shared = torch.rand(n, 1, pixels - 1, generator=generator, dtype=torch.float64).numpy()
    own = torch.rand(n, count, pixels - 1, generator=generator, dtype=torch.float64).numpy()
    # Predictions of later pixels depend on the completion a little, as a model's do.
    later = np.arange(pixels - 1) >= holes[:, :1, None]
    mixed = np.where(later, 0.8 * shared + 0.2 * own, shared)
    probabilities = least + (1 - 2 * least) * mixed**4 if least < 1e-3 else least + (1 - 2 * least) * mixed
    what = "a hole of 1 pixel" if missing == 1 else "a hole of 2 × 2 pixels"
    kind = f"{side} × {side} pixels, {what}"
    return Group(kind, {"probabilities": probabilities, "images": images}, least < 1e-3, only)
