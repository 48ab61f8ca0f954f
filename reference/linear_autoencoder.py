"""Linear autoencoder of the IST coursework (Deep Structured Learning, homework 5): 784-k-784 without activations.

Baldi and Hornik 1989 ("Neural networks and principal component analysis: learning from examples without local minima"):
the least squared error is that of the first k principal components, every other critical point is a saddle, and the
optimum's code spans the components' subspace, in a basis of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from reference.architecture import Architecture
from reference.code_size import CODE_SIZES, PIXELS, code_option, refuse_other_size
from reference.code_training import CodeTraining
from reference.dense_layers import adapt


class LinearAutoencoder(nn.Module):
    """Two affine maps, there and back.

    Parameters
    ----------
    code : k that is asked for; 0 for that of the weights
    numbers : k, numbers in a code
    """

    def __init__(self, code: float = 0, numbers: int = 10) -> None:
        super().__init__()
        refuse_other_size(code, numbers)
        self.encoder = nn.Linear(PIXELS, numbers)
        self.decoder = nn.Linear(numbers, PIXELS)

    def encode(self, images: Tensor) -> Tensor:
        """Compute codes (N, k) of images (N, 1, 28, 28) in [0, 1]."""
        codes: Tensor = self.encoder(images.flatten(1))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Compute images (N, 1, 28, 28) of codes (N, k); values may leave [0, 1]."""
        images: Tensor = self.decoder(codes)
        return images.view(-1, 1, 28, 28)


class Training(CodeTraining[LinearAutoencoder]):
    """Adam on the mean squared error from a random start, a cosine; the averaged weights are kept."""

    architecture = "linear-autoencoder"
    epochs = 50
    batch = 256
    decay = 0.998

    def __init__(self, seed: int = 1, code: int = 10) -> None:
        self.name = f"linear autoencoder {code}"
        self.title = f"linear autoencoder, {code} numbers"
        self.seed = seed
        # A short code leaves a saddle between two components of close variance only by large steps.
        self.rate = max(2e-3, 0.02 / code)
        self.options: Mapping[str, str] = {"code": str(code)}
        self._begin(lambda: LinearAutoencoder(numbers=code))

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return the squared error, a mean over pixels."""
        loss = (self.model.decode(self.model.encode(images)) - images).square().mean()
        self._update(loss, progress)
        return {"squared error": loss.item()}


ARCHITECTURE = Architecture(
    title="Linear autoencoder",
    summary="Codes of digits by a linear autoencoder",
    task="reconstruction",
    checkpoint_key="model",
    module=LinearAutoencoder,
    options={"code": code_option()},
    adapt=partial(adapt, {"encoder": (PIXELS, "numbers"), "decoder": ("numbers", PIXELS)}),
    converging=True,
    trainings={f"linear-autoencoder-{code}": partial(Training, code=code) for code in CODE_SIZES},
)
