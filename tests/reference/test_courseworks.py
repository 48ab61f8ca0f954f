"""The list of models against the courseworks' own: each has a recipe; those with weights have figures and a picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import reference
from reference import MODELS, architecture
from reference.weights_files import WEIGHTS, facts

FOLDER = Path(reference.__file__).parent
TEXT = (FOLDER / "MODELS.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Named:
    """A model that a sheet names."""

    sheet: str
    """Name on the sheet, or in its starter code."""
    model: str
    """Name in `reference.MODELS`."""
    picture: str | None
    """File in reference/pictures; None for a model that is a recipe alone."""
    rows: tuple[str, ...] = ()
    """Shipped weights; those of the model's own name if empty."""

    @property
    def shipped(self) -> tuple[str, ...]:
        return () if self.picture is None else self.rows or (self.model,)


def _of_sizes(name: str, *sizes: int) -> tuple[str, ...]:
    return tuple(f"{name}-{size}" for size in sizes)


COURSEWORKS = {
    "tu-berlin-sheet10": (
        Named("mixture density network", "mdn", "mdn.png"),
        Named("conditional restricted Boltzmann machine", "crbm", "crbm.png", ("crbm", "crbm-hybrid")),
        Named("PCA inpainting", "pca", "pca.png"),
        Named("energy-based learning", "ebl", "ebl.png", ("ebl", "ebl-mse")),
    ),
    "tsinghua-hw3": (
        Named("energy-based model", "ebm", "ebm.png", ("ebm", "ebm-denoise")),
        Named("RealNVP", "realnvp", "realnvp.png"),
        Named("conditional VAE", "cvae", "cvae.png"),
        Named("conditional GAN", "cgan", "cgan.png"),
    ),
    "ucl-hw4": (
        Named(
            "LSTM of pixels",
            "pixel-lstm",
            "pixel-lstm.png",
            ("pixel-lstm", "pixel-lstm-0", "pixel-lstm-1", "pixel-lstm-5"),
        ),
        Named("GRU of pixels", "pixel-gru", "pixel-curve.png", ("pixel-gru-0", "pixel-gru-1", "pixel-gru-5")),
        *(
            Named(f"LSTM of Dirichlet sequences, M{i}", f"dirichlet-lstm-m{i}", "dirichlet-lstm.png")
            for i in (1, 2, 3, 4)
        ),
    ),
    "ist-hw5": (
        Named("PCA", "pca-codes", "autoencoders.png", _of_sizes("pca-codes", 2, 5, 10, 50, 100)),
        Named(
            "linear autoencoder",
            "linear-autoencoder",
            "autoencoders.png",
            _of_sizes("linear-autoencoder", 2, 5, 10, 50, 100),
        ),
        Named("non-linear autoencoder", "relu-autoencoder", None),
        Named(
            "stacked autoencoder",
            "stacked-autoencoder",
            "autoencoders.png",
            _of_sizes("stacked-autoencoder", 2, 10, 100),
        ),
        Named(
            "VAE",
            "vae",
            "autoencoders.png",
            (*_of_sizes("vae", 2, 5, 10, 50, 100), *_of_sizes("vae-no-divergence", 2, 10)),
        ),
        Named("GAN", "dcgan", "dcgan.png"),
    ),
}
"""The sheets' models. The Bayes predictor of ucl-hw4 has no weights: it is a baseline of its task."""
FURTHER = {"pixelcnn"}
"""Models that no sheet names."""
ALL = [named for each in COURSEWORKS.values() for named in each]


def test_the_models_are_those_of_the_sheets():
    assert set(MODELS) == {named.model for named in ALL} | FURTHER
    assert len(ALL) == len({named.model for named in ALL})


@pytest.mark.parametrize("named", ALL, ids=lambda named: named.model)
def test_each_has_a_recipe(named):
    recipes = architecture(named.model).trainings
    assert recipes
    for row in named.shipped:
        assert facts(row)["model"] == named.model
        # Weights that were saved on the way carry the number of epochs.
        assert row in recipes or re.sub(r"-\d+$", "", row) in recipes


@pytest.mark.parametrize("named", [named for named in ALL if named.shipped], ids=lambda named: named.model)
def test_each_with_weights_has_figures_and_a_picture(named):
    assert (FOLDER / "pictures" / named.picture).is_file()
    assert f"](pictures/{named.picture})" in TEXT
    tables = TEXT[TEXT.index("<!-- figures: begin -->") : TEXT.index("<!-- figures: end -->")]
    for row in named.shipped:
        (found, *_) = re.findall(rf"^\| {re.escape(row)} \| ([\d.]+%?) \|", tables, re.MULTILINE)
        assert float(found.rstrip("%")) > 0


def test_all_shipped_weights_are_named():
    assert {path.stem for path in WEIGHTS.glob("*.safetensors")} == {
        row for named in ALL for row in named.shipped
    } | FURTHER
