"""RealNVP of the Tsinghua coursework (Deep Learning, homework 3): eight couplings over the logits of the pixels.

Dinh, Sohl-Dickstein and Bengio 2017, arXiv:1605.08803. Each of the eight blocks is an affine coupling, a batch
normalisation and a shuffle; the couplings pass in turn the even positions, the odd ones, the first half, the second.
The coursework's hidden width of 1,024 makes 42 million parameters; the shipped model is narrower, and regularised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from reference.architecture import Architecture
from reference.density import bits
from reference.flow_inpainting import KernelRegression, ascend
from reference.flow_layers import MASKS, BatchNormFlow, Bijection, Coupling, Dropout, Shuffle, known_positions
from reference.flow_slope import DensitySlope
from reference.precision import fast_products
from reference.preprocessing import PREPROCESSINGS
from reference.seeding import draw_linear_layers, generator_for
from reference.train import Averaged, average, set_rate

PIXELS = 784
BLOCKS = 8
HIDDEN = 320
NATS = PIXELS * math.log(2)
"""Nats of an image at one bit per dimension."""
SAMPLES = 40_000
"""Number of samples from which the conditional mean is estimated."""
_CHUNK = 500
"""Number of samples drawn in a batch."""


class RealNVP(nn.Module):
    """Normalising flow z = f(logits) with z ~ N(0, I).

    Parameters
    ----------
    inpainting : "mean" for the conditional mean, or "ascent" for the coursework's ascent of the density
    preprocessing : map from gray values to logits, one of `PREPROCESSINGS`
    hidden : units of each hidden layer of the couplings' networks
    blocks : number of blocks of coupling, batch normalisation, shuffle
    dimensions : D, numbers in a value
    dropout : share of dropped units of the couplings' networks in training
    """

    def __init__(
        self,
        inpainting: str = "mean",
        preprocessing: str = "dequantised",
        hidden: int = HIDDEN,
        blocks: int = BLOCKS,
        dimensions: int = PIXELS,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.inpainting = inpainting
        self.preprocessing = PREPROCESSINGS[preprocessing]
        self.dimensions = self.noise_dimension = dimensions
        self._regression: KernelRegression | None = None
        generator = generator_for("realnvp", "shuffles", dimensions)
        layers: list[Bijection] = []
        for block in range(blocks):
            mask = known_positions(MASKS[block % len(MASKS)], dimensions)
            layers.append(Coupling(mask, hidden, dropout))
            layers.append(BatchNormFlow(dimensions))
            layers.append(Shuffle(torch.randperm(dimensions, generator=generator)))
        self.layers = nn.ModuleList(layers)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the code z (N, D) and log |det ∂z/∂values| (N,) for logits (N, D)."""
        log_det = values.new_zeros(len(values))
        for layer in self.layers:
            values, added = layer(values)
            log_det = log_det + added
        return values, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """Compute the logits (N, D) of z (N, D)."""
        for layer in reversed(self.layers):
            assert isinstance(layer, Bijection)
            z = layer.inverse(z)
        return z

    def sample(self, noise: Tensor) -> Tensor:
        """Compute gray values (N, D) in [0, 1] for noise (N, D) ~ N(0, I)."""
        return self.preprocessing.images(self.inverse(noise))

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Recover the pixels of images (N, 1, 28, 28) in [0, 1] where `mask` is True (missing)."""
        pixels, missing = images.flatten(1), mask.flatten(1)
        if self.inpainting == "ascent":
            recovered = ascend(DensitySlope(list(self.layers)), self.preprocessing, pixels, missing)
        else:
            recovered = self.regression().conditional_mean(pixels, missing)
        return recovered.view_as(images)

    def regression(self) -> KernelRegression:
        """Return the regression on samples of this model, drawn once: the weights must not change afterwards."""
        if self._regression is None:
            generator = generator_for("realnvp", "samples")
            sizes = [min(_CHUNK, SAMPLES - start) for start in range(0, SAMPLES, _CHUNK)]
            with torch.no_grad():
                samples = [self.sample(torch.randn(n, self.dimensions, generator=generator)) for n in sizes]
            self._regression = KernelRegression(torch.cat(samples))
        return self._regression


class Training(Averaged[RealNVP]):
    """AdamW on the mean negative log-likelihood of dequantised images; the averaged weights are kept.

    The last 5,000 training images are held out; epochs, width and dropout were chosen by their bits per dimension.
    """

    architecture = "realnvp"
    examples = 55_000
    epochs = 20
    batch = 256
    rate = 1e-3
    warm_up = 0.02
    """Share of the training over which the learning rate grows; then it falls along a cosine."""
    weight_decay = 0.01
    dropout = 0.1
    decay = 0.998
    clip = 200.0
    """Norm to which gradients are clipped, for a loss in nats an image; typical norms are less than half of it."""
    hidden = HIDDEN
    options: Mapping[str, str] = {"inpainting": "mean", "preprocessing": "dequantised"}
    variants: Mapping[str, Mapping[str, str]] = {
        "realnvp-ascent": {"inpainting": "ascent", "preprocessing": "dequantised"}
    }
    """The same weights with other options, graded beside them."""

    def __init__(self, seed: int = 1) -> None:
        self.name = "realnvp"
        self.seed = seed
        self.model = RealNVP(hidden=self.hidden, dropout=self.dropout)
        initialise(self.model, generator_for("weights", self.name, seed))
        self.averaged = RealNVP(hidden=self.hidden)
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), self.rate, weight_decay=self.weight_decay, fused=True
        )

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return the loss in bits per dimension, by the batch's statistics."""
        fall = (progress - self.warm_up) / (1 - self.warm_up)
        factor = progress / self.warm_up if fall < 0 else 0.5 * (1 + math.cos(math.pi * fall))
        set_rate(self.optimizer, self.rate * factor + 1e-6)
        for module in self.model.modules():
            if isinstance(module, Dropout):
                module.generator = generator
        pixels = images.flatten(1)
        noise = torch.rand(pixels.shape, generator=generator)
        with fast_products():
            loss = bits(self.model, pixels, noise).mean()
        self.optimizer.zero_grad()
        (loss * NATS).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        # Early in training, the average must forget the first weights.
        average(self.averaged, self.model, min(self.decay, 50 * progress))
        return {"bits/dim": loss.item()}


def initialise(model: RealNVP, generator: torch.Generator) -> None:
    """Draw hidden layers as torch's own initialisation would; couplings start close to the identity."""
    draw_linear_layers(model, generator)
    for layer in model.layers:
        if isinstance(layer, Coupling):
            for network in (layer.scale, layer.shift):
                nn.init.normal_(network[-1].weight, std=1e-3, generator=generator)  # type: ignore[arg-type]
                nn.init.zeros_(network[-1].bias)  # type: ignore[arg-type]


ARCHITECTURE = Architecture(
    title="RealNVP",
    summary="Density of digits, and inpainting of a half, by a normalising flow",
    task="half-inpainting",
    checkpoint_key="model",
    module=RealNVP,
    options={"inpainting": ("mean", "ascent"), "preprocessing": tuple(PREPROCESSINGS)},
    also=("continuous-density", "generation"),
    extended=("half-inpainting-extended",),
    trainings={"realnvp": Training},
)
