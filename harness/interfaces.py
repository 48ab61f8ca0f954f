"""What a model of each kind offers: the methods that the tasks' questions call.

A student's class need not inherit anything; it only has to have the method. Arrays arrive as CPU tensors and may be
returned as tensors or numpy arrays of any float width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

Load = Callable[[str | None], Any]
"""The function that a code entry names: gets the checkpoint's absolute path (None without one), gives the model."""


@runtime_checkable
class ConditionalGenerator(Protocol):
    """Draws digits of the classes that it is asked for: cVAE, cGAN and their like."""

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Tensor:
        """Images (N, 1, 28, 28), float in [0, 1], for noise (N, 100) ~ N(0, I) and one-hot labels (N, 10)."""
        ...
