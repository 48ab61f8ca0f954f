"""Reference implementations of the courseworks' models, one file each, readable beside its paper.

`MODELS` names the architectures whose form a coursework fixes, so that a submission can bring weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from reference import cgan, cvae, dirichlet_lstm, ebl, ebm, pca, pixel_rnn, pixelcnn, realnvp, recurrent_names
from reference.bayes_symbols import PROCESSES, SYMBOLS
from reference.cgan import Generator
from reference.cvae import CVAE
from reference.dirichlet_lstm import DirichletLSTM
from reference.options import Values, chosen

Adapt = Callable[[Mapping[str, np.ndarray]], tuple[dict[str, np.ndarray], dict[str, int], list[str]]]


@dataclass(frozen=True)
class Architecture:
    """A model whose layers a coursework fixes."""

    title: str
    task: str
    """The task that its weights are graded on."""
    checkpoint_key: str
    """Where the coursework's checkpoints keep its state dict."""
    build: Callable[..., nn.Module]
    """The untrained module for the options of a manifest (absent ones take their default), and for the sizes that
    `adapt` read off a checkpoint as keyword arguments."""
    options: Mapping[str, Values] = field(default_factory=dict)
    """What the state dict does not tell: what may be chosen, by option."""
    adapt: Adapt | None = None
    """Reads a checkpoint of other sizes or names: its arrays by dotted name -> the arrays under our names, the sizes
    for `build`, and sentences for the student. ValueError with a sentence where it can't be done."""
    also: tuple[str, ...] = ()
    """Other tasks that the same weights can be graded on."""


def _build(kind: Callable[..., nn.Module], allowed: Mapping[str, Values]) -> Callable[..., nn.Module]:
    def build(options: Mapping[str, str], **sizes: int) -> nn.Module:
        return kind(**chosen(options, allowed), **sizes)

    return build


_CVAE: Mapping[str, Values] = {"concat_activation": ("none", "relu"), "z_log": ("std", "variance")}
_CGAN: Mapping[str, Values] = {"concat_activation": ("relu", "none"), "value_range": ("-1,1", "0,1")}
_DIRICHLET: Mapping[str, Values] = {"rnn_activation": ("relu", "none"), "head_activation": ("relu", "none")}

MODELS: dict[str, Architecture] = {
    "cvae": Architecture(
        "Conditional variational autoencoder", "conditional-generation", "model", _build(CVAE, _CVAE), _CVAE
    ),
    "cgan": Architecture(
        "Conditional generative adversarial network", "conditional-generation", "g", _build(Generator, _CGAN), _CGAN
    ),
}
# One name for each of the four, so that a submission that brings weights says which of them they are.
MODELS |= {
    f"dirichlet-lstm-{which.lower()}": Architecture(
        f"LSTM over symbols, {which}",
        "symbol-prediction",
        "model",
        _build(DirichletLSTM, _DIRICHLET),
        _DIRICHLET,
        partial(recurrent_names.adapt, "lstm", SYMBOLS, SYMBOLS),
    )
    for which in PROCESSES
}

TRAININGS: dict[str, Callable[[int], Any]] = {"cvae": cvae.Training, "cgan": cgan.Training}
"""Recipes by model: each takes a seed and gives a `reference.train.Training` with `result()` and `options`."""

TRAININGS |= {f"dirichlet-lstm-{which.lower()}": partial(dirichlet_lstm.Training, which) for which in PROCESSES}

_PCA: Mapping[str, Values] = {"value_range": ("-1,1", "0,1")}

MODELS |= {
    "pca": Architecture("Principal components", "patch-inpainting", "model", _build(pca.PCA, _PCA), _PCA, pca.adapt),
    "ebl": Architecture(
        "Energy-based learning, generator", "patch-inpainting", "model", _build(ebl.Generator, {}), {}, ebl.adapt
    ),
    "ebm": Architecture("Energy-based model", "row-inpainting", "model", _build(ebm.EBM, ebm.OPTIONS), ebm.OPTIONS),
    "realnvp": Architecture(
        "RealNVP", "half-inpainting", "model", _build(realnvp.RealNVP, realnvp.OPTIONS), realnvp.OPTIONS
    ),
}
TRAININGS |= {
    "pca": pca.Training,
    "ebm": ebm.Training,
    "ebm-denoise": ebm.DenoisingTraining,
    "realnvp": realnvp.Training,
}
TRAININGS |= {recipe.name: partial(ebl.Training, recipe) for recipe in ebl.RECIPES}

_PIXEL_RNN: Mapping[str, Values] = {"rnn_activation": ("relu", "none"), "head_activation": ("relu", "none")}
_PIXEL_TASKS = "image-completion", "one-pixel-inpainting", "two-by-two-inpainting"

MODELS |= {
    f"pixel-{cell}": Architecture(
        f"{cell.upper()} over pixels",
        "next-pixel",
        "model",
        _build(partial(pixel_rnn.PixelRNN, cell), _PIXEL_RNN),
        _PIXEL_RNN,
        partial(recurrent_names.adapt, cell, 1, 1),
        _PIXEL_TASKS,
    )
    for cell in pixel_rnn.CELLS
}
MODELS["pixelcnn"] = Architecture(
    "Causal convolutional network", "next-pixel", "model", _build(pixelcnn.PixelCNN, {}), also=_PIXEL_TASKS
)
TRAININGS |= {
    f"pixel-{cell}{recipe.suffix}": partial(pixel_rnn.Training, cell, recipe)
    for cell in pixel_rnn.CELLS
    for recipe in pixel_rnn.RECIPES
}
TRAININGS["pixelcnn"] = pixelcnn.Training
