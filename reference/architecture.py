"""The description that each model's file gives of its architecture: task, options, sizes, recipes.

This module imports neither torch nor numpy, so that models can be listed quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reference.options import Values, chosen

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

Adapt = Callable[[Mapping[str, "np.ndarray"]], tuple[dict[str, "np.ndarray"], dict[str, int], list[str]]]


@dataclass(frozen=True)
class Architecture:
    """A model with layers that a coursework fixes, so that a submission can consist of weights alone."""

    title: str
    summary: str
    """One line for listings; `reference.MODELS` repeats it."""
    task: str
    """Task that the weights are graded on."""
    checkpoint_key: str
    """Key of the state dict in the coursework's checkpoints."""
    module: Callable[..., nn.Module]
    """Constructor; takes each of `options`, and the sizes that `adapt` returns, as keyword arguments."""
    options: Mapping[str, Values] = field(default_factory=dict)
    """Allowed values of each setting that the state dict does not hold."""
    adapt: Adapt | None = None
    """Converts a checkpoint with other sizes or names: arrays by dotted name -> arrays under the module's names, sizes
    for `module`, and notes for the student. Raises ValueError, with a sentence, if the checkpoint does not fit."""
    also: tuple[str, ...] = ()
    """Other tasks that the same weights can be graded on."""
    extended: tuple[str, ...] = ()
    """Longer forms of these tasks, which MODELS.md leaves out."""
    determined: bool = False
    """True where the weights follow from the training data alone, so that equal ones are no sign of copied work."""
    converging: bool = False
    """True where trainings come to the same answers by whatever weights, from equal first weights at least, so that
    like answers are no sign of copied work, though equal files are."""
    trainings: Mapping[str, Callable[[int], Any]] = field(default_factory=dict)
    """Recipes by name: each takes a seed and returns a `reference.train.Training` with `result()` and `options`."""

    def choose(self, options: Mapping[str, str]) -> dict[str, str | float]:
        """Check a manifest's options and fill in the defaults; raises `reference.options.OptionError`."""
        return chosen(options, self.options)

    def build(self, options: Mapping[str, str], **sizes: int) -> nn.Module:
        """Construct the untrained module for a manifest's options and the sizes that `adapt` returned."""
        return self.module(**self.choose(options), **sizes)
