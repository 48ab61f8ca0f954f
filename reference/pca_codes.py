"""Principal components as a code (IST coursework, homework 5): the optimum of a linear autoencoder.

Pearson 1901 ("On lines and planes of closest fit"); Baldi and Hornik 1989. Pixels lie in [0, 1] and are centred on the
mean training image; the code of an image is its k coordinates along the directions of largest variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from reference import pca
from reference.architecture import Architecture
from reference.code_size import CODE_SIZES, EXAMPLES, PIXELS, code_option, refuse_other_size
from reference.pca import principal_components


class PCACodes(nn.Module):
    """Coordinates along orthonormal directions, and the point that has these coordinates.

    Parameters
    ----------
    code : k that is asked for; 0 for that of the weights
    dimensions : k, number of directions
    """

    components: Tensor
    """Orthonormal rows, (k, 784)."""
    mean: Tensor
    """(784,)."""

    def __init__(self, code: float = 0, dimensions: int = 10) -> None:
        super().__init__()
        refuse_other_size(code, dimensions)
        self.register_buffer("components", torch.zeros(dimensions, PIXELS))
        self.register_buffer("mean", torch.zeros(PIXELS))

    def encode(self, images: Tensor) -> Tensor:
        """Compute codes (N, k) of images (N, 1, 28, 28) in [0, 1]."""
        codes: Tensor = (images.flatten(1) - self.mean) @ self.components.T
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Compute images (N, 1, 28, 28) of codes (N, k); values may leave [0, 1]."""
        return (self.mean + codes @ self.components).view(-1, 1, 28, 28)


class Training(pca.Training):
    """Sums x and xxᵀ of the first 54,000 training images in one pass; `result` computes the decomposition."""

    architecture = "pca-codes"
    examples = EXAMPLES

    def __init__(self, seed: int = 1, code: int = 10) -> None:
        super().__init__(seed, code)
        self.name = f"pca codes {code}"
        self.title = f"principal components, {code} numbers"
        self.options: Mapping[str, str] = {"code": str(code)}

    def result(self) -> nn.Module:
        """Return the components, in the order of their variance, with the mean in [0, 1]."""
        mean = self.total / max(1, self.count)
        covariance = self.products / max(1, self.count) - torch.outer(mean, mean)
        model = PCACodes(dimensions=self.dimensions)
        model.components.copy_(principal_components(covariance, self.dimensions))
        model.mean.copy_((mean + 1) / 2)
        return model.eval()


ARCHITECTURE = Architecture(
    title="Principal components as a code",
    summary="Codes of digits by principal components, the optimum of linear ones",
    determined=True,
    task="reconstruction",
    checkpoint_key="model",
    module=PCACodes,
    options={"code": code_option()},
    adapt=pca.adapt,
    trainings={f"pca-codes-{code}": partial(Training, code=code) for code in CODE_SIZES},
)
