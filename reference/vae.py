"""Variational autoencoder of the IST coursework (Deep Structured Learning, homework 5): 784-512-(k, k), k-512-784.

Kingma and Welling 2014, arXiv:1312.6114: q(z | x) is a Gaussian with diagonal covariance, p(z) = N(0, I), and p(x | z)
a product of Bernoulli distributions whose means a sigmoid gives. Its targets are gray values, as on the sheet: the
cross-entropy of a gray value is the expected log-loss of a pixel that is lit with that probability. The sheet asks for
k = 2, 5, 10, 50, 100, and for training without the divergence, which leaves an autoencoder with noise of its own
choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.activations import ACTIVATIONS
from reference.architecture import Architecture
from reference.code_size import CODE_SIZES, PIXELS, code_option, refuse_other_size
from reference.code_training import CodeTraining
from reference.dense_layers import adapt
from reference.hidden_units import hidden_units
from reference.precision import fast_products


class VAE(nn.Module):
    """q(z | x) and p(x | z), each with one hidden layer.

    Parameters
    ----------
    activation : of both hidden layers, one of `ACTIVATIONS`
    z_log : whether `log_variance` gives log σ² ("variance") or log σ ("std")
    code : k that is asked for; 0 for that of the weights
    numbers : k, numbers in a code
    hidden, hidden_back : units of the hidden layer of each network
    """

    def __init__(
        self,
        activation: str = "relu",
        z_log: str = "variance",
        code: float = 0,
        numbers: int = 10,
        hidden: int = 512,
        hidden_back: int = 512,
    ) -> None:
        super().__init__()
        refuse_other_size(code, numbers)
        self.activation = ACTIVATIONS[activation]
        self.z_log = z_log
        self.noise_dimension = numbers
        self.encoder = nn.Linear(PIXELS, hidden)
        self.mean = nn.Linear(hidden, numbers)
        self.log_variance = nn.Linear(hidden, numbers)
        self.decoder = nn.Linear(numbers, hidden_back)
        self.output = nn.Linear(hidden_back, PIXELS)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute mean and log-variance (N, k) of q(z | x) for images (N, 1, 28, 28) in [0, 1]."""
        hidden = self.activation(self.encoder(images.flatten(1)))  # (N, hidden)
        log = self.log_variance(hidden)
        return self.mean(hidden), log if self.z_log == "variance" else 2 * log

    def logits(self, codes: Tensor) -> Tensor:
        """Compute log p/(1 − p) of the pixels (N, 784) for codes (N, k)."""
        logits: Tensor = self.output(self.activation(self.decoder(codes)))
        return logits

    def decode(self, codes: Tensor) -> Tensor:
        """Compute the pixels' means (N, 1, 28, 28) under p(x | z) for codes (N, k)."""
        return self.logits(codes).sigmoid().view(-1, 1, 28, 28)

    def sample(self, noise: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) in [0, 1] for noise (N, k) ~ N(0, I)."""
        return self.decode(noise)

    def hidden_units(self, directions: Tensor, count: Tensor) -> Tensor:
        """The decoder's hidden units, (count, d), projected on directions (784, d)."""
        return hidden_units(self.decoder, self.output, directions, count)


def negative_elbo(model: VAE, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Compute the two terms of the negative evidence lower bound by one code an image, each (N,) in nats.

    They are E[−log p(x | z)], with gray targets, and KL(q(z | x) ‖ N(0, I)).
    """
    mean, log_variance = model.encode(images)
    noise = torch.randn(mean.shape, generator=generator)
    logits = model.logits(mean + (log_variance / 2).exp() * noise)
    error = functional.binary_cross_entropy_with_logits(logits.float(), images.flatten(1), reduction="none").sum(
        1
    )  # (N,)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)  # (N,)
    return error, divergence


class Training(CodeTraining[VAE]):
    """Adam on the negative bound, the learning rate along a cosine; the averaged weights are kept.

    Parameters
    ----------
    code : k
    weight : weight of the divergence: 1, or 0 for the sheet's training without it
    """

    architecture = "vae"

    def __init__(self, seed: int = 1, code: int = 10, weight: float = 1.0) -> None:
        self.name = f"vae {code} weight={weight:g}"
        self.title = f"VAE{'' if weight else ' without its divergence'}, {code} numbers"
        self.seed = seed
        self.weight = weight
        # Without the divergence nothing holds overfitting back.
        self.epochs = 60 if weight else 30
        self.options: Mapping[str, str] = {"activation": "relu", "z_log": "variance", "code": str(code)}
        self._begin(lambda: VAE(numbers=code))

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return both terms of the bound, nats an image."""
        with fast_products():
            error, divergence = (term.mean() for term in negative_elbo(self.model, images, generator))
        self._update(error + self.weight * divergence, progress)
        return {"reconstruction": error.item(), "divergence": divergence.item()}


ARCHITECTURE = Architecture(
    title="Variational autoencoder",
    summary="Codes, density and samples of digits by a variational autoencoder",
    task="bernoulli-density",
    checkpoint_key="model",
    module=VAE,
    options={"activation": ("relu", "sigmoid", "tanh", "elu"), "z_log": ("variance", "std"), "code": code_option()},
    adapt=partial(
        adapt,
        {
            "encoder": (PIXELS, "hidden"),
            "mean": ("hidden", "numbers"),
            "log_variance": ("hidden", "numbers"),
            "decoder": ("numbers", "hidden_back"),
            "output": ("hidden_back", PIXELS),
        },
    ),
    also=("reconstruction", "generation"),
    trainings={f"vae-{code}": partial(Training, code=code) for code in CODE_SIZES}
    | {f"vae-no-divergence-{code}": partial(Training, code=code, weight=0.0) for code in CODE_SIZES},
)
