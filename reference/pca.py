"""Inpainting by principal components (TU Berlin, sheet 10): the corrupted image projected, and pasted into the hole.

Pearson 1901 ("On lines and planes of closest fit"). With the components' rows V (d, 784) and the mean μ of the training
images, the projection of z is μ + (z − μ)VᵀV. Pixels are centred on gray, [−1, 1], as in the sheet, and what is missing
is gray, 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reference.architecture import Architecture

PIXELS = 784
_ORTHONORMAL = 0.01
"""How far V Vᵀ may be from the identity before a student is told; float16 gives .001."""


class PCA(nn.Module):
    """Projection on `dimensions` directions, of images whose pixels lie in [−1, 1].

    Parameters
    ----------
    value_range : whether `mean` is one of pixels in [−1, 1] (the sheet's) or in [0, 1]; `components` don't change
    """

    components: Tensor
    """Orthonormal rows, (d, 784)."""
    mean: Tensor
    """(784,)."""

    def __init__(self, value_range: str = "-1,1", dimensions: int = 10) -> None:
        super().__init__()
        self.value_range = value_range
        self.register_buffer("components", torch.zeros(dimensions, PIXELS))
        self.register_buffer("mean", torch.zeros(PIXELS))

    def project(self, pixels: Tensor) -> Tensor:
        """The nearest points (N, 784) of the affine subspace, for pixels (N, 784) in the range of `mean`."""
        projected: Tensor = self.mean + (pixels - self.mean) @ self.components.T @ self.components
        return projected

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) in [0, 1] with what `mask` (True: missing) marks taken from the projection.

        Whatever stands in the hole is taken as gray. Known pixels come back as they are.
        """
        gray = images.masked_fill(mask, 0.5).flatten(1)  # (N, 784)
        projected: Tensor = self.project(gray) if self.value_range == "0,1" else (self.project(2 * gray - 1) + 1) / 2
        filled: Tensor = projected.view_as(images).clamp(0, 1)
        return torch.where(mask, filled, images)


def principal_components(covariance: Tensor, dimensions: int) -> Tensor:
    """Eigenvectors of the largest eigenvalues as rows (d, 784), each with its largest entry positive.

    `covariance` is (784, 784); float64 keeps components apart whose eigenvalues are close.
    """
    vectors: Tensor = torch.linalg.eigh(covariance).eigenvectors.T.flip(0)[:dimensions]  # (d, 784), largest first
    rows = torch.arange(len(vectors))
    signs = vectors[rows, vectors.abs().argmax(1)].sign()
    return vectors * signs[:, None]


class Training:
    """One pass that sums up x and xxᵀ; the decomposition comes at the end."""

    epochs = 1
    batch = 100
    options: Mapping[str, str] = {"value_range": "-1,1"}

    def __init__(self, seed: int = 1, dimensions: int = 10) -> None:
        self.name = f"pca {dimensions}"
        self.seed = seed
        self.dimensions = dimensions
        self.count = 0
        self.total = torch.zeros(PIXELS, dtype=torch.float64)
        self.products = torch.zeros(PIXELS, PIXELS, dtype=torch.float64)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Take images (B, 1, 28, 28) in [0, 1] into the sums; no loss is known before the end."""
        pixels = (2 * images - 1).flatten(1).double()  # (B, 784)
        self.count += len(pixels)
        self.total += pixels.sum(0)
        self.products += pixels.T @ pixels
        return {}

    def state(self) -> dict[str, Any]:
        """The sums so far."""
        return {"count": self.count, "total": self.total, "products": self.products}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        self.count, self.total, self.products = state["count"], state["total"], state["products"]

    def result(self) -> nn.Module:
        """The projection on the sums' principal components."""
        mean = self.total / max(1, self.count)
        covariance = self.products / max(1, self.count) - torch.outer(mean, mean)
        model = PCA(dimensions=self.dimensions)
        model.components.copy_(principal_components(covariance, self.dimensions))
        model.mean.copy_(mean)
        return model.eval()


def adapt(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int], list[str]]:
    """`components` (d, 784) or (784, d) and `mean` (784,) or image-shaped, however nested; d is read off."""
    places = {key: [n for n in arrays if n.rpartition(".")[2].rstrip("_") == key] for key in ("components", "mean")}
    for key, names in places.items():
        if len(names) != 1:
            held = ", ".join(sorted(arrays)[:8]) or "no arrays"
            what = f"has no array {key!r}" if not names else f"has {len(names)} arrays {key!r}"
            raise ValueError(f"{what}; it holds {held}. Needed are components (d, 784) and mean (784,).")
    components, mean = arrays[places["components"][0]], arrays[places["mean"][0]]
    notes = []
    if mean.size != PIXELS:
        raise ValueError(f"mean has shape {mean.shape}, must be (784,).")
    if components.ndim == 2 and components.shape[0] == PIXELS and components.shape[1] < PIXELS:
        components = components.T
        notes.append("components (784, d) was transposed.")
    if components.ndim < 2 or components[:1].size != PIXELS or not 1 <= len(components) <= PIXELS:
        raise ValueError(f"components has shape {components.shape}, must be (d, 784) with d from 1 to 784.")
    components = np.ascontiguousarray(components.reshape(len(components), PIXELS), dtype=np.float32)
    away = float(np.abs(components @ components.T - np.eye(len(components))).max())
    if not away < _ORTHONORMAL:  # not so for NaN, too, of which the reader of state dicts tells more
        notes.append(f"The components are not orthonormal (off by {away:.2g}), so this is no projection.")
    return {"components": components, "mean": mean.reshape(PIXELS)}, {"dimensions": len(components)}, notes


ARCHITECTURE = Architecture(
    title="Principal components",
    summary="Inpainting of a patch by projection on principal components",
    task="patch-inpainting",
    checkpoint_key="model",
    module=PCA,
    options={"value_range": ("-1,1", "0,1")},
    adapt=adapt,
    trainings={"pca": Training},
)
