"""Tasks: one file each. A task sets questions and marks the answers; it never sees a model.

To add one, write its file and name it in `TASKS`. A task's module, and with it numpy and torch, is imported when the
task is used: listings need only what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.tasks.base import Task

TASKS: dict[str, tuple[str, str]] = {
    "conditional-generation": (
        "harness.tasks.conditional_generation:ConditionalGeneration",
        "draw the digit that is asked for; share that the judge recognises, pass mark 98 %",
    ),
    "generation": (
        "harness.tasks.generation:Generation",
        "draw digits; distance of 10,000 samples from real digits in the judge's features",
    ),
    "patch-inpainting": (
        "harness.tasks.inpainting.patch:PatchInpainting",
        "recover a gray 6 × 6 patch; mean squared error over the missing pixels",
    ),
    "row-inpainting": (
        "harness.tasks.inpainting.rows:RowInpainting",
        "recover every other row from noise; mean squared error over the whole image",
    ),
    "half-inpainting": (
        "harness.tasks.inpainting.half:HalfInpainting",
        "recover the bottom half of a digit; mean squared error over the missing half",
    ),
    "half-inpainting-extended": (
        "harness.tasks.inpainting.half:ExtendedHalfInpainting",
        "half-inpainting of 1,000 images rather than 100, for narrower intervals",
    ),
    "next-pixel": (
        "harness.tasks.pixels.next_pixel:NextPixel",
        "predict each pixel from those before it; cross-entropy in nats a pixel",
    ),
    "image-completion": (
        "harness.tasks.pixels.completion:ImageCompletion",
        "continue images after 484 pixels; cross-entropy of the truth in nats a pixel",
    ),
    "one-pixel-inpainting": (
        "harness.tasks.pixels.one_pixel:OnePixelInpainting",
        "the posterior of one missing pixel; cross-entropy of the truth in nats a case",
    ),
    "two-by-two-inpainting": (
        "harness.tasks.pixels.two_by_two:TwoByTwoInpainting",
        "the posterior of four missing pixels; cross-entropy of the truth in nats a case",
    ),
    "reconstruction": (
        "harness.tasks.codes.reconstruction:Reconstruction",
        "code digits by k numbers and decode them; mean squared error with codes of 8 bits a number",
    ),
    "bernoulli-density": (
        "harness.tasks.codes.latent:BernoulliDensity",
        "bound the likelihood of digits by a latent-variable model; negative ELBO in nats, gray targets",
    ),
    "conditional-density": (
        "harness.tasks.codes.conditional:ConditionalDensity",
        "bound the likelihood of digits given their labels; negative ELBO in nats, gray targets",
    ),
    "continuous-density": (
        "harness.tasks.codes.flow:ContinuousDensity",
        "density of dequantised digits by a flow; bits per dimension, once its Jacobian and round trips hold",
    ),
    "symbol-prediction": (
        "harness.tasks.symbols.prediction:SymbolPrediction",
        "predict the next symbol of streams with Dirichlet statistics; nats a step above the Bayes predictor",
    ),
    "mixture-density": (
        "harness.tasks.functions.mixture_density:MixtureDensity",
        "derivatives of the error of a mixture density network; largest error, of the largest term",
    ),
    "conditional-rbm": (
        "harness.tasks.functions.conditional_rbm:ConditionalRBM",
        "probabilities and free energy of the conditional RBM; largest error, of the largest term",
    ),
    "pca-projection": (
        "harness.tasks.functions.pca_projection:PcaProjection",
        "the function pca(z, x, d) against the singular value decomposition; largest error",
    ),
    "energy-error": (
        "harness.tasks.functions.energy_error:EnergyError",
        "the function err(x, m, z, gnet, enet) by its value and by both networks' gradients; largest error",
    ),
    "pixel-posterior": (
        "harness.tasks.functions.pixel_posterior:PixelPosterior",
        "the posterior of one and of 2 × 2 missing pixels from sequence probabilities; largest error",
    ),
    "dirichlet-update": (
        "harness.tasks.functions.dirichlet_update:DirichletUpdate",
        "predictions of symbols from a Dirichlet posterior on test streams 1 to 3; largest error",
    ),
}
"""Each task's "module:attribute", and its summary in one line, by name."""


def task(name: str, extra: Mapping[str, Task | tuple[str, str]] = MappingProxyType({})) -> Task:
    """Give the task of a name, the same object each time.

    `extra` holds an instructor's own tasks by name, each a task or, as in `TASKS`, where to import it from; they come
    before those of `TASKS`. Raises `LookupError` for a name that is in neither.
    """
    found = extra.get(name, TASKS.get(name))
    if found is None:
        raise LookupError(f"no such task: {name!r}; there are {', '.join({**TASKS, **extra})}")
    return _imported(found[0]) if isinstance(found, tuple) else found


@cache
def _imported(reference: str) -> Task:
    module, _, attribute = reference.partition(":")
    made: Task = getattr(import_module(module), attribute)()
    return made
