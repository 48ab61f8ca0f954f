"""Tasks: one file each. A task sets questions, and marks the answers; it never sees a model.

To add one, write its file and name it in `TASKS`.
"""

from __future__ import annotations

from harness.tasks.base import Baseline, Context, Judge, Task
from harness.tasks.conditional_generation import ConditionalGeneration
from harness.tasks.half_inpainting import ExtendedHalfInpainting, HalfInpainting
from harness.tasks.image_completion import ImageCompletion
from harness.tasks.next_pixel import NextPixel
from harness.tasks.one_pixel_inpainting import OnePixelInpainting
from harness.tasks.patch_inpainting import PatchInpainting
from harness.tasks.row_inpainting import RowInpainting
from harness.tasks.symbol_prediction import SymbolPrediction
from harness.tasks.two_by_two_inpainting import TwoByTwoInpainting

TASKS: dict[str, Task] = {
    "conditional-generation": ConditionalGeneration(),
    "patch-inpainting": PatchInpainting(),
    "row-inpainting": RowInpainting(),
    "half-inpainting": HalfInpainting(),
    "half-inpainting-extended": ExtendedHalfInpainting(),
    "next-pixel": NextPixel(),
    "image-completion": ImageCompletion(),
    "one-pixel-inpainting": OnePixelInpainting(),
    "two-by-two-inpainting": TwoByTwoInpainting(),
    "symbol-prediction": SymbolPrediction(),
}

__all__ = ["TASKS", "Baseline", "Context", "Judge", "Task"]
