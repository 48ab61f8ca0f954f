"""Mixture density network for the missing patch (TU Berlin, sheet 10): p(patch | rest) as a mixture of Gaussians.

Bishop 1994, "Mixture density networks", report NCRG/94/004; Bishop 2006, "Pattern recognition and machine learning",
section 5.6. A network with two hidden layers sees the pixels around a patch of 6 × 6 and gives, for each of m
components in 36 dimensions, αᵢ by a softmax, μᵢ and σᵢ. The patch is dequantised: t = (255 x + U)/256 with U uniform on
[0, 1), since the density of a patch that is constant would have no bound otherwise; σ is at least the deviation of
U/256. Means go through a sigmoid, because pixels lie in [0, 1].

The patch is filled with the mixture's mean, Σᵢ αᵢμᵢ, or with its mode, approximately.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reference import patch_window
from reference.architecture import Architecture
from reference.mixture_error import mixture_error
from reference.options import Values
from reference.patch_window import INPUTS, PATCH
from reference.precision import fast_products
from reference.seeding import draw_linear_layers, generator_for
from reference.train import Averaged, average, one_cycle, set_rate

DIMENSIONS = PATCH**2
LEVELS = 256
FLOOR = -math.log(LEVELS * math.sqrt(12))
"""Least log σ, that of U/256."""
WIDEST, MOST = 4096, 500
"""Largest number of hidden units and of components in a checkpoint."""

OPTIONS: Mapping[str, Values] = {"inpainting": ("mean", "mode")}


class Mixture(NamedTuple):
    """Mixtures of m Gaussians over dequantised patches."""

    z: Tensor
    """(N, m); α = softmax(z)."""
    mu: Tensor
    """(N, m, 36), in [0, 1]."""
    log_sigma: Tensor
    """(N, m, 1), or (N, m, 36) with a deviation for each pixel."""


class MDN(nn.Module):
    """p(patch | rest).

    Parameters
    ----------
    inpainting : whether `inpaint` gives the mixture's "mean" or its "mode"
    hidden : units of each of the two hidden layers
    components : m
    deviations : 1, the σᵢ of the sheet, or 36, a σᵢₖ for each pixel of the patch
    """

    def __init__(self, inpainting: str = "mean", hidden: int = 256, components: int = 32, deviations: int = 1) -> None:
        super().__init__()
        self.inpainting = inpainting
        self.components = components
        self.fc1 = nn.Linear(INPUTS, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.mixing = nn.Linear(hidden, components)
        self.means = nn.Linear(hidden, components * DIMENSIONS)
        self.deviations = nn.Linear(hidden, components * deviations)

    def forward(self, inputs: Tensor) -> Mixture:
        """Compute the mixtures for inputs (N, `patch_window.INPUTS`), in float32 whatever the products' type."""
        hidden = functional.relu(self.fc2(functional.relu(self.fc1(inputs))))
        n, m = len(inputs), self.components
        z, mu, deviations = (layer(hidden).float() for layer in (self.mixing, self.means, self.deviations))
        log_sigma = FLOOR + functional.softplus(deviations.view(n, m, -1) - FLOOR - 1)  # e⁻¹ at first
        return Mixture(z, mu.view(n, m, DIMENSIONS).sigmoid(), log_sigma)

    def density(self, images: Tensor, mask: Tensor) -> Mixture:
        """Compute p(patch | rest) of images (N, 1, 28, 28) in [0, 1]; pixels where `mask` is True are not looked at."""
        mixture: Mixture = self(patch_window.around(images, patch_window.corners(mask)))
        return mixture

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Fill patches of 6 × 6, where `mask` is True, of images (N, 1, 28, 28) in [0, 1]; known pixels stay.

        Raises ValueError for masks that are no such patch.
        """
        mixture = self.density(images, mask)
        values = mean(mixture) if self.inpainting == "mean" else mode(mixture)
        # t = (255 x + U)/256, and U is ½ on average.
        pixels = ((LEVELS * values - 0.5) / (LEVELS - 1)).clamp(0, 1)
        return patch_window.fill(images, mask, pixels)


def mean(mixture: Mixture) -> Tensor:
    """Compute Σᵢ αᵢμᵢ (N, 36)."""
    return (mixture.z.softmax(1)[:, :, None] * mixture.mu).sum(1)


def mode(mixture: Mixture) -> Tensor:
    """Compute the mean (N, 36) of the component with the largest αᵢ, which section 5.6 takes for the mode.

    The density's own maximum is of no use in 36 dimensions: it grows by σ⁻³⁶, so that a thin component of black patches
    wins over all others, however unlikely it is.
    """
    best = mixture.z.argmax(1)
    return mixture.mu[torch.arange(len(best)), best]


def dequantised(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Compute (255 x + U)/256, in (0, 1), for pixels x in [0, 1] with 256 levels, and U uniform on [0, 1)."""
    noise = torch.rand(pixels.shape, generator=generator, dtype=pixels.dtype)
    return ((LEVELS - 1) * pixels + noise) / LEVELS


def negative_log_likelihood(model: MDN, originals: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
    """Compute −log p(t | rest) (N,), in nats, of the dequantised patches of images (N, 1, 28, 28)."""
    places = patch_window.corners(mask)
    targets = dequantised(patch_window.inside(originals, places), generator)
    mixture: Mixture = model(patch_window.around(originals, places))
    return mixture_error(*mixture, t=targets)


@dataclass(frozen=True)
class Recipe:
    """Settings of a training."""

    name: str
    title: str
    deviations: int
    components: int
    hidden: int = 256
    epochs: int = 40
    batch: int = 256
    rate: float = 2e-3
    """Peak of AdamW's learning rate."""
    penalty: float = 0.01
    """Weight decay."""
    longest: float = 50.0
    """Norm at which gradients are clipped."""
    decay: float = 0.998
    """Decay of the moving average of the weights."""


SHARED = Recipe("mdn", "Mixture density network", deviations=1, components=32)
"""The sheet's components: one σᵢ each."""
DIAGONAL = Recipe("mdn-diagonal", "Mixture density network, a deviation for each pixel", DIMENSIONS, components=16)
RECIPES = (SHARED, DIAGONAL)


class Training(Averaged[MDN]):
    """AdamW on the error, one learning-rate cycle; every image gets a new patch each epoch."""

    architecture = "mdn"
    options: Mapping[str, str] = {"inpainting": "mean"}

    def __init__(self, recipe: Recipe, seed: int = 1) -> None:
        self.name = recipe.name
        self.title = recipe.title
        self.recipe = recipe
        self.seed = seed
        self.epochs, self.batch = recipe.epochs, recipe.batch
        self.variants = {f"{recipe.name}-mode": {"inpainting": "mode"}}
        self.model, self.averaged = (
            MDN(hidden=recipe.hidden, components=recipe.components, deviations=recipe.deviations) for _ in range(2)
        )
        draw_linear_layers(self.model, generator_for("weights", recipe.name, seed))
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), recipe.rate, weight_decay=recipe.penalty, fused=True
        )

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28) in [0, 1]; return the mean error in nats."""
        set_rate(self.optimizer, self.recipe.rate * one_cycle(progress, 0.1))
        places = patch_window.draw(len(images), generator)
        targets = dequantised(patch_window.inside(images, places), generator)
        with fast_products():
            mixture: Mixture = self.model(patch_window.around(images, places))
        error = mixture_error(*mixture, t=targets).mean()
        self.optimizer.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.longest)
        self.optimizer.step()
        average(self.averaged, self.model, self.recipe.decay)
        return {"NLL": error.item()}


def adapt(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int], list[str]]:
    """Find the five layers under any nesting, and read off hidden units, components and deviations."""
    layers = ("fc1", "fc2", "mixing", "means", "deviations")
    state: dict[str, np.ndarray] = {}
    for wanted in (f"{layer}.{part}" for layer in layers for part in ("weight", "bias")):
        found = [name for name in arrays if name == wanted or name.endswith(f".{wanted}")]
        if len(found) != 1:
            held = ", ".join(sorted(arrays)[:8]) or "no arrays"
            raise ValueError(
                f"has {len(found) or 'no'} arrays {wanted!r}; it holds {held}. Submit other layers as code."
            )
        state[wanted] = arrays[found[0]]
    hidden, components = (len(state[f"{layer}.bias"]) for layer in ("fc1", "mixing"))
    deviations = len(state["deviations.bias"]) // max(components, 1)
    if hidden > WIDEST or components > MOST:
        raise ValueError(
            f"has {hidden} hidden units and {components} components; at most {WIDEST} and {MOST} are allowed."
        )
    if deviations not in (1, DIMENSIONS):
        raise ValueError(f"has {deviations} deviations a component; 1 or {DIMENSIONS} are allowed.")
    return state, {"hidden": hidden, "components": components, "deviations": deviations}, []


ARCHITECTURE = Architecture(
    title="Mixture density network",
    summary="Inpainting of a patch by the mean or mode of a predicted mixture of Gaussians",
    task="patch-inpainting",
    checkpoint_key="model",
    module=MDN,
    options=OPTIONS,
    adapt=adapt,
    trainings={recipe.name: partial(Training, recipe) for recipe in RECIPES},
)
