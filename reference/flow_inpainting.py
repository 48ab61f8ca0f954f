"""Inpainting with a flow, in two ways: gradient ascent of the density, and the conditional mean.

The coursework ascends log p(x) over the logits of the missing pixels. That ends near a mode of the density of logits,
which is a poor estimate in squared error, and depends on the random start. The mean squared error is
least for E[missing | known] (Bishop 2006, Pattern Recognition and Machine Learning, section 1.5.5). A flow can't
marginalise, but it can be sampled from: the conditional mean is the regression function of the missing pixels on the
known ones under the flow's distribution, and a kernel regression on samples of the flow tends to it with their number
(Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, sections 2.2 and 7.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reference.preprocessing import Preprocessing

Slope = Callable[[Tensor], Tensor]
"""Logits (N, D) → ∂ log p/∂logits (N, D)."""
ASCENT_STEPS = 1000
_STEP = 0.2
_BOUND = 10.0
"""Largest absolute value of gradients and of logits."""
_CHUNK = 1000
"""Number of samples in a batch."""


def ascend(
    slope: Slope, preprocessing: Preprocessing, images: Tensor, mask: Tensor, steps: int | None = None
) -> Tensor:
    """Return gray values (N, D) after gradient ascent of log p over the logits of the missing pixels.

    Parameters
    ----------
    slope : maps logits (N, D) to ∂ log p/∂logits (N, D)
    images : (N, D) in [0, 1]; the ascent starts from the values at the missing pixels
    mask : (N, D), bool, True where a pixel is missing
    """
    start = preprocessing.logits(images)[0].clamp(-_BOUND, _BOUND)
    logits = start.clone()
    for _ in range(ASCENT_STEPS if steps is None else steps):
        logits.add_(slope(logits).clamp_(-_BOUND, _BOUND), alpha=_STEP).clamp_(-_BOUND, _BOUND)
        torch.where(mask, logits, start, out=logits)
    return torch.where(mask, preprocessing.images(logits, images), images)


@dataclass(frozen=True)
class KernelRegression:
    """Conditional means by ridge regression with the kernel a · b / s + exp(−c ‖a − b‖² / s) on centred samples.

    s is the mean squared distance of two samples' known pixels, so that one setting serves any mask. The function is
    a combination of the kernels at the first `centres` samples, fitted to all samples (Rasmussen and
    Williams 2006, section 8.3.1, subset of regressors); with as many centres as samples it is plain kernel ridge.
    """

    samples: Tensor
    """Gray values (M, D) of samples of the flow."""
    centres: int = 3000
    """Number of samples that have a kernel."""
    closeness: float = 2.0
    """c, the rate at which the kernel falls with the squared distance."""
    ridge: float = 0.3
    """Weight of the function's norm; in a Gaussian process, the variance of the noise."""
    jitter: float = 2e-4
    """Relative increase of the diagonal, about the rounding error of sums of 40,000 float32 products."""
    kept: dict[bytes, Callable[[Tensor], Tensor]] = field(default_factory=dict, repr=False, compare=False)
    """The last fitted function, by its mask."""

    def conditional_mean(self, images: Tensor, mask: Tensor) -> Tensor:
        """Replace the pixels of images (N, D) under the mask (N, D) by E[missing | known], in [0, 1]."""
        recovered = images.clone()
        for pattern, rows in _patterns(mask):
            predict = self._predictor(pattern)
            recovered[rows[:, None], pattern.nonzero().squeeze(1)] = predict(images[rows][:, ~pattern])
        return recovered

    def _predictor(self, missing: Tensor) -> Callable[[Tensor], Tensor]:
        """Return `fitted`, cached because consecutive calls usually have the same mask."""
        key = missing.numpy().tobytes()
        if key not in self.kept:
            self.kept.clear()
            self.kept[key] = self.fitted(missing)
        return self.kept[key]

    def fitted(self, missing: Tensor) -> Callable[[Tensor], Tensor]:
        """Fit the function from known pixels (N, K) to missing ones (N, D − K), for one mask (D,)."""
        known, wanted = self.samples[:, ~missing], self.samples[:, missing]
        middle, mean = known.mean(0), wanted.mean(0)
        known, wanted = known - middle, wanted - mean
        scale = 2 * known.square().sum(1).mean().clamp(min=1e-12)  # E‖a − b‖² = 2 E‖a − E a‖²
        centres = known[: self.centres]
        gram = known.new_zeros(len(centres), len(centres))
        right = wanted.new_zeros(len(centres), wanted.shape[1])
        for start in range(0, len(known), _CHUNK):
            rows = slice(start, start + _CHUNK)
            values = self._kernel(known[rows], centres, scale)  # (chunk, centres)
            gram += values.T @ values
            right += values.T @ wanted[rows]
        system = gram.double() + self.ridge * self._kernel(centres, centres, scale)
        system.diagonal().mul_(1 + self.jitter)
        weights = torch.cholesky_solve(right.double(), torch.linalg.cholesky(system)).to(right.dtype)
        return lambda shown: (mean + self._kernel(shown - middle, centres, scale) @ weights).clamp(0, 1)

    def _kernel(self, left: Tensor, right: Tensor, scale: Tensor) -> Tensor:
        products = left @ right.T
        squared = left.square().sum(1)[:, None] + right.square().sum(1) - 2 * products  # (N, M)
        return products / scale + torch.exp(squared.clamp(min=0) * (-self.closeness / scale))


def _patterns(mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each distinct mask (D,) and the rows (n,) that have it."""
    patterns, which = mask.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
    for number, pattern in enumerate(patterns):
        if pattern.any():
            yield pattern, (which == number).nonzero().squeeze(1)
