"""Inpainting by principal components (TU Berlin, sheet 10): the projection of the corrupted image fills the hole.

Pearson 1901 ("On lines and planes of closest fit"). With the components' rows V (d, 784) and the mean μ of the training
images, the projection of z is μ + (z − μ)VᵀV. Pixels are centred on gray, [−1, 1], as in the sheet, and missing
pixels are gray, 0.
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
"""Largest error of V Vᵀ = 1 without a note to the student; float16 gives .001."""


class PCA(nn.Module):
    """Projection of images with pixels in [−1, 1] on `dimensions` directions.

    Parameters
    ----------
    value_range : range of the pixels that `mean` belongs to: "-1,1" (the sheet's) or "0,1"; `components` don't change
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
        """Compute the nearest points (N, 784) of the affine subspace, for pixels (N, 784) in the range of `mean`."""
        projected: Tensor = self.mean + (pixels - self.mean) @ self.components.T @ self.components
        return projected

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Replace the pixels of images (N, 1, 28, 28) in [0, 1] where `mask` is True (missing) by the projection's.

        The projection sees gray in the hole. Known pixels stay.
        """
        gray = images.masked_fill(mask, 0.5).flatten(1)  # (N, 784)
        projected: Tensor = self.project(gray) if self.value_range == "0,1" else (self.project(2 * gray - 1) + 1) / 2
        filled: Tensor = projected.view_as(images).clamp(0, 1)
        return torch.where(mask, filled, images)


def principal_components(covariance: Tensor, dimensions: int) -> Tensor:
    """Compute the eigenvectors of the largest eigenvalues as rows (d, 784), each with its largest entry positive.

    `covariance` is (784, 784); float64 separates components with close eigenvalues.
    """
    vectors: Tensor = torch.linalg.eigh(covariance).eigenvectors.T.flip(0)[:dimensions]  # (d, 784), largest first
    rows = torch.arange(len(vectors))
    signs = vectors[rows, vectors.abs().argmax(1)].sign()
    return vectors * signs[:, None]


class Training:
    """Sums x and xxᵀ in one pass; `result` computes the decomposition."""

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
        """Add images (B, 1, 28, 28) in [0, 1] to the sums; there is no loss."""
        pixels = (2 * images - 1).flatten(1).double()  # (B, 784)
        self.count += len(pixels)
        self.total += pixels.sum(0)
        self.products += pixels.T @ pixels
        return {}

    def state(self) -> dict[str, Any]:
        """Return the sums so far."""
        return {"count": self.count, "total": self.total, "products": self.products}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state()` returned."""
        self.count, self.total, self.products = state["count"], state["total"], state["products"]

    def result(self) -> nn.Module:
        """Return the projection on the principal components."""
        mean = self.total / max(1, self.count)
        covariance = self.products / max(1, self.count) - torch.outer(mean, mean)
        model = PCA(dimensions=self.dimensions)
        model.components.copy_(principal_components(covariance, self.dimensions))
        model.mean.copy_(mean)
        return model.eval()


def adapt(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int], list[str]]:
    """Find `components` (d, 784) or (784, d) and `mean` (784,) or image-shaped, under any nesting, and read off d."""
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
        notes.append("components has shape (784, d) and was transposed.")
    if components.ndim < 2 or components[:1].size != PIXELS or not 1 <= len(components) <= PIXELS:
        raise ValueError(f"components has shape {components.shape}, must be (d, 784) with d from 1 to 784.")
    components = np.ascontiguousarray(components.reshape(len(components), PIXELS), dtype=np.float32)
    away = float(np.abs(components @ components.T - np.eye(len(components))).max())
    if not away < _ORTHONORMAL:  # also for NaN, which the reader of state dicts reports in more detail
        notes.append(f"The components are not orthonormal (off by {away:.2g}), so this is not a projection.")
    return {"components": components, "mean": mean.reshape(PIXELS)}, {"dimensions": len(components)}, notes


ARCHITECTURE = Architecture(
    title="Principal components",
    summary="Inpainting of a patch by projection on principal components",
    determined=True,
    task="patch-inpainting",
    checkpoint_key="model",
    module=PCA,
    options={"value_range": ("-1,1", "0,1")},
    adapt=adapt,
    trainings={"pca": Training},
)
