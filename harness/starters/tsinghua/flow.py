"""Asks a student's flow: a whole pickled `FlowSequential` with a method that inpaints flat, dequantised images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.starters.tsinghua import building
from harness.starters.tsinghua.inpainting_method import Method
from harness.student_code.tolerated import tolerate
from harness.types import refuse

_LOW, _HIGH = 1e-4, 0.9999
"""Range that the flow's starter code rescales images to, so that their logits are finite."""


class Flow:
    """Adapts a `FlowSequential` of `flow/` to half-inpainting."""

    def __init__(self, method: Method) -> None:
        self._method = method
        # One draw for all images, where the starter draws for each, so that no answer depends on its batch.
        noise = torch.rand(784, generator=torch.Generator().manual_seed(0))
        self._noise = noise.reshape(1, 1, 28, 28) / 256

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) for images in [0, 1] and a mask that is True where they are corrupted."""
        widened = _LOW + (images + self._noise) * ((_HIGH - _LOW) / (1 + 1 / 256))
        asked = torch.where(mask, images.clamp(_LOW, _HIGH), widened)
        tolerate(
            "The flow was asked as the starter asks it: flat, known pixels dequantised, all rescaled to "
            "[.0001, .9999]. Known pixels that it left as they were asked count as unchanged."
        )
        found = self._method(asked, mask)
        unchanged = ~mask & ((found - asked).abs() < 1e-3)
        return torch.where(unchanged, images, found)


def open_flow(path: Path, loaded: Any) -> Flow:
    """Open the flow that `torch.load` made of a checkpoint. GradingError where this is no whole module."""
    model = building.holder(loaded, "inpainting")
    if model is None:
        what = "a state dict" if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
        raise refuse(
            "checkpoint",
            "no-module",
            f"{path.name} holds {what}, not a module with a method inpainting. A state dict lacks the flow's masks and "
            "permutations: save the whole model, torch.save(model, path), or hand in a code entry.",
        )
    count = sum(one.numel() for one in model.parameters())
    tolerate(
        f"{path.name} is a whole pickled model of {count:,} parameters. Loading one runs code, so it was loaded inside "
        "the sandbox alone."
    )
    if model.training:
        tolerate("The flow was saved in training mode; it was put into evaluation mode.")
    return Flow(Method(model.eval().inpainting, ("count", "images", "mask", "folder"), flat=True))
