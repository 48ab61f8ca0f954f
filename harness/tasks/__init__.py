"""Tasks: one file each. A task sets questions, and marks the answers; it never sees a model.

To add one, write its file and name it in `TASKS`.
"""

from __future__ import annotations

from harness.tasks.base import Baseline, Context, Judge, Task
from harness.tasks.conditional_generation import ConditionalGeneration
from harness.tasks.inpainting.half import ExtendedHalfInpainting, HalfInpainting
from harness.tasks.inpainting.patch import PatchInpainting
from harness.tasks.inpainting.rows import RowInpainting
from harness.tasks.pixels.completion import ImageCompletion
from harness.tasks.pixels.next_pixel import NextPixel
from harness.tasks.pixels.one_pixel import OnePixelInpainting
from harness.tasks.pixels.two_by_two import TwoByTwoInpainting
from harness.tasks.symbols.prediction import SymbolPrediction

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
