"""Two ways to fill in missing pixels by a flow: ascent of the density, and the conditional mean.

The coursework climbs log p(x) over the logits of the missing pixels. That ends near a mode of the density of logits,
which is no good guess in squared error, and depends on the coin flips that it starts from. The mean squared error is
least for E[missing | known] (Bishop 2006, Pattern Recognition and Machine Learning, section 1.5.5). A flow can't
marginalise, but it can be sampled from: the conditional mean is the regression function of the missing pixels on the
known ones under the flow's distribution, and a kernel regression on samples of the flow tends to it as they become more
(Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, sections 2.2 and 7.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.density import Flow, log_density
from reference.preprocessing import Preprocessing

ASCENT_STEPS = 1000
_STEP = 0.2
_BOUND = 10.0
"""Largest absolute value of gradients and of logits."""


def ascend(flow: Flow, preprocessing: Preprocessing, images: Tensor, mask: Tensor, steps: int | None = None) -> Tensor:
    """Gray values (N, D) after gradient ascent of log p over the logits of the missing pixels.

    Parameters
    ----------
    flow : of logits
    images : (N, D) in [0, 1]; the ascent starts from what stands at the missing pixels
    mask : (N, D), bool, True where a pixel is missing
    """
    start = logits = preprocessing.logits(images)[0].clamp(-_BOUND, _BOUND)
    for _ in range(ASCENT_STEPS if steps is None else steps):
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            (slope,) = torch.autograd.grad(log_density(flow, leaf).sum(), leaf)
        moved = (logits + _STEP * slope.clamp(-_BOUND, _BOUND)).clamp(-_BOUND, _BOUND)
        logits = torch.where(mask, moved, start)
    return torch.where(mask, preprocessing.images(logits, images), images)


@dataclass(frozen=True)
class KernelRegression:
    """Conditional means by ridge regression with the kernel a · b / s + exp(−c ‖a − b‖² / s) on centred samples.

    s is the mean squared distance of two samples' known pixels, so that one setting serves any mask.
    """

    samples: Tensor
    """Gray values (M, D) that the flow drew."""
    closeness: float = 1.0
    """c, by which the kernel falls with the distance."""
    ridge: float = 0.1
    """What is added to the kernel's diagonal: as much variance is taken for noise."""

    def conditional_mean(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, D) whose pixels under the mask (N, D) are E[missing | known], in [0, 1]."""
        recovered = images.clone()
        for pattern, rows in _patterns(mask):
            predict = self.fitted(pattern)
            recovered[rows[:, None], pattern.nonzero().squeeze(1)] = predict(images[rows][:, ~pattern])
        return recovered

    def fitted(self, missing: Tensor) -> Callable[[Tensor], Tensor]:
        """Known pixels (N, K) → missing ones (N, D − K), for one mask (D,)."""
        known, wanted = self.samples[:, ~missing], self.samples[:, missing]
        centre, mean = known.mean(0), wanted.mean(0)
        known = known - centre
        scale = 2 * known.square().sum(1).mean().clamp(min=1e-12)  # E‖a − b‖² = 2 E‖a − E a‖²
        gram = self._kernel(known, known, scale)
        gram.diagonal().add_(self.ridge)
        weights = torch.cholesky_solve(wanted - mean, torch.linalg.cholesky(gram))  # (M, D − K)
        return lambda shown: (mean + self._kernel(shown - centre, known, scale) @ weights).clamp(0, 1)

    def _kernel(self, left: Tensor, right: Tensor, scale: Tensor) -> Tensor:
        products = left @ right.T
        squared = left.square().sum(1)[:, None] + right.square().sum(1) - 2 * products  # (N, M)
        return products / scale + torch.exp(squared.clamp(min=0) * (-self.closeness / scale))


def _patterns(mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each distinct mask (D,) and the rows (n,) that have it."""
    patterns, which = mask.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
    for number, pattern in enumerate(patterns):
        if pattern.any():
            yield pattern, (which == number).nonzero().squeeze(1)
