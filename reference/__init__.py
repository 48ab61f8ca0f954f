"""Reference implementations of the courseworks' models, one file each, readable beside its paper.

`MODELS` lists the architectures that a coursework fixes, so that a submission can consist of weights alone. To add a
model, write its file with a constant of type `Architecture`, and add one line to `MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

# Imported here, before the function of the same name is defined, so that the import can't replace the function.
from reference.architecture import Architecture

__all__ = ["MODELS", "Architecture", "architecture", "trainings"]

MODELS: dict[str, tuple[str, str]] = {
    "cvae": ("reference.cvae:ARCHITECTURE", "Digits of a given class by a conditional variational autoencoder"),
    "cgan": ("reference.cgan:ARCHITECTURE", "Digits of a given class by a conditional generative adversarial network"),
    "dirichlet-lstm-m1": ("reference.dirichlet_lstm:M1", "Next symbol of M1: Dirichlet(10, 1, 1), period 5"),
    "dirichlet-lstm-m2": ("reference.dirichlet_lstm:M2", "Next symbol of M2: Dirichlet(10, 1, 1), period 20"),
    "dirichlet-lstm-m3": (
        "reference.dirichlet_lstm:M3",
        "Next symbol of M3: Dirichlet(1.3, 1.3, 1.3), period 5",
    ),
    "dirichlet-lstm-m4": (
        "reference.dirichlet_lstm:M4",
        "Next symbol of M4: Dirichlet(1.3, 1.3, 1.3), period 20",
    ),
    "pca": ("reference.pca:ARCHITECTURE", "Inpainting of a patch by projection on principal components"),
    "pca-codes": (
        "reference.pca_codes:ARCHITECTURE",
        "Codes of digits by principal components, the optimum of linear ones",
    ),
    "linear-autoencoder": ("reference.linear_autoencoder:ARCHITECTURE", "Codes of digits by a linear autoencoder"),
    "relu-autoencoder": (
        "reference.relu_autoencoder:ARCHITECTURE",
        "Codes of digits by a layer with a ReLU and one with a sigmoid",
    ),
    "stacked-autoencoder": (
        "reference.stacked_autoencoder:ARCHITECTURE",
        "Codes of digits by a stacked autoencoder with one hidden layer on each side",
    ),
    "vae": ("reference.vae:ARCHITECTURE", "Codes, density and samples of digits by a variational autoencoder"),
    "dcgan": (
        "reference.dcgan:ARCHITECTURE",
        "Samples of digits by a deep convolutional generative adversarial network",
    ),
    "ebl": ("reference.ebl:ARCHITECTURE", "Inpainting of a patch by a generator trained against an energy"),
    "ebm": ("reference.ebm:ARCHITECTURE", "Inpainting of corrupted rows by Langevin dynamics on an energy"),
    "mdn": (
        "reference.mdn:ARCHITECTURE",
        "Inpainting of a patch by the mean or mode of a predicted mixture of Gaussians",
    ),
    "crbm": (
        "reference.crbm:ARCHITECTURE",
        "Classification, and inpainting of a patch, by a conditional restricted Boltzmann machine",
    ),
    "realnvp": ("reference.realnvp:ARCHITECTURE", "Density of digits, and inpainting of a half, by a normalising flow"),
    "pixel-lstm": ("reference.pixel_rnn:LSTM", "Next pixel of a binarised digit by an LSTM"),
    "pixel-gru": ("reference.pixel_rnn:GRU", "Next pixel of a binarised digit by a GRU"),
    "pixelcnn": ("reference.pixelcnn:ARCHITECTURE", "Next pixel of a binarised digit by masked convolutions"),
}
"""Each model's architecture as "module:attribute", imported when it is used, and its one-line summary."""


def architecture(name: str) -> Architecture:
    """Import the architecture of one of `MODELS`.

    Raises
    ------
    LookupError
        if there is no model of this name; the message lists those that there are.
    """
    if name not in MODELS:
        raise LookupError(f"no model {name!r}; there are {', '.join(MODELS)}")
    module, _, attribute = MODELS[name][0].partition(":")
    found: Architecture = getattr(import_module(module), attribute)
    return found


def trainings() -> dict[str, Callable[[int], Any]]:
    """Import the recipes of all models, by name; see `Architecture.trainings`."""
    return {recipe: training for name in MODELS for recipe, training in architecture(name).trainings.items()}
