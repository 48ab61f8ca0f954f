"""Pictures of codes: reconstructions side by side, interpolations, decoded noise, and where the digits' codes lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.pictures import grid
from harness.metrics.squared_error import histogram
from harness.tasks.altered import held_out
from harness.tasks.base import INK, TOP_FIFTH, Context
from harness.types import Figure, Images

SHOWN = 10
"""Training images, and validation images, that are shown beside their reconstructions."""
PAIRS, STEPS = 5, 10
"""Interpolations, and images in each, its ends included."""
DRAWN = 100
"""Gaussian codes that are decoded."""
SIDE = 15
"""Codes along each axis of the picture of a code of two numbers."""
BINS = 28
"""Cells along each axis of the picture that says where a digit's codes lie."""


def between(first: NDArray[np.float32], last: NDArray[np.float32]) -> NDArray[np.float32]:
    """Codes (PAIRS · STEPS, k) on the lines from the first codes to the last, (SHOWN, k) each."""
    shares = np.linspace(0, 1, STEPS)[None, :, None]
    lines = (1 - shares) * first[:PAIRS, None] + shares * last[:PAIRS, None]  # (PAIRS, STEPS, k)
    return lines.reshape(-1, first.shape[1]).astype(np.float32)


def manifold(ranges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Codes (SIDE², 2) of a regular grid over the ranges of a code of two numbers (2, 2); none for other codes."""
    if len(ranges) != 2:
        return np.empty((0, len(ranges)), np.float32)
    across, down = (np.linspace(low, high, SIDE) for low, high in ranges)
    return np.stack([np.tile(across, SIDE), np.repeat(down[::-1], SIDE)], axis=1).astype(np.float32)


def of_reconstructions(context: Context, validation: Images, pictured: Images) -> list[Figure]:
    """Figures of training and validation images, interpolations and decoded noise.

    Parameters
    ----------
    validation : reconstructions of all validation images
    pictured : images of the codes of SHOWN training images, of `between`, of DRAWN Gaussian codes, and of `manifold`
    """
    ends = np.cumsum([SHOWN, PAIRS * STEPS, DRAWN])
    training, lines, noise = pictured[: ends[0]], pictured[ends[0] : ends[1]], pictured[ends[1] : ends[2]]
    originals = context.data.train.images[:SHOWN], held_out(context)[:SHOWN]
    rows = np.concatenate([originals[0], training, originals[1], validation[:SHOWN]], axis=1)  # (SHOWN, 4, 28, 28)
    return [
        Figure(
            "reconstructions",
            "picture",
            "Reconstructions",
            {"pixels": grid(rows.transpose(1, 0, 2, 3))},
            f"Training images, the same after coding; validation images, the same after coding. {INK}",
            strip=(0.5, 1.0),
        ),
        Figure(
            "interpolations",
            "picture",
            "Interpolations",
            {"pixels": grid(lines.reshape(PAIRS, STEPS, 28, 28))},
            "Each row decodes the line from the code of a training image, left, to that of a validation image, right, "
            f"in equal steps. {INK}",
        ),
        Figure(
            "decoded-noise",
            "picture",
            "Decoded Gaussian codes",
            {"pixels": grid(noise.reshape(10, -1, 28, 28))},
            "Images of codes drawn from N(0, I). Where a model's codes are spread otherwise than N(0, I), these are no "
            f"digits. {INK}",
        ),
    ]


def of_codes(
    k: int, codes: NDArray[np.float32], labels: NDArray[np.int64], ranges: NDArray[np.float64], pictured: Images
) -> list[Figure]:
    """Figures of a code of two numbers: where the test digits lie, digit by digit, and the images of a grid of codes.

    Parameters
    ----------
    codes : (N, k), of the test images; labels (N,)
    ranges : (k, 2), of the codes of the validation images
    pictured : images that end with those of `manifold`
    """
    if k != 2:
        return []
    edges = [np.linspace(low, high if high > low else low + 1, BINS + 1) for low, high in ranges]
    cells = np.stack(
        [_cells(codes[labels == digit], edges) for digit in range(10)]
    )  # (10, BINS, BINS), the second number grows upwards
    share = np.sqrt(cells / np.maximum(cells.max(axis=(1, 2), keepdims=True), 1)).astype(np.float32)
    caption = "The first number of the code grows to the right and the second upwards, over their ranges on validation."
    return [
        Figure(
            "code-map",
            "picture",
            "Codes of the test digits",
            {"pixels": grid(share.reshape(2, 5, BINS, BINS))},
            "One panel a digit, 0 to 4 above, 5 to 9 below: the more of its codes lie in a place, the brighter. "
            f"{caption}",
        ),
        Figure(
            "manifold",
            "picture",
            "Images of a grid of codes",
            {"pixels": grid(pictured[-SIDE * SIDE :].reshape(SIDE, SIDE, 28, 28))},
            f"{caption} {INK}",
        ),
    ]


def of_density(test: Images, reconstructed: Images, drawn: Images, rates: NDArray[np.float64]) -> tuple[Figure, ...]:
    """Figures of a latent-variable model: samples, reconstructions, and the divergence of each number of the code.

    Parameters
    ----------
    test, reconstructed : images (N, 1, 28, 28), and the probabilities for a code of each
    drawn : probabilities (100, 1, 28, 28) for codes of the prior
    rates : divergence of each number of the code of each image, (N, k)
    """
    rows = np.concatenate([test[:10], reconstructed[:10]], axis=1)  # (10, 2, 28, 28)
    by_number = np.sort(rates.mean(axis=0))[::-1]
    return (
        Figure(
            "samples",
            "picture",
            "Samples of the prior",
            {"pixels": grid(drawn.clip(0, 1).reshape(10, 10, 28, 28))},
            f"The pixels' probabilities for codes drawn from N(0, I). {INK}",
            strip=TOP_FIFTH,
        ),
        Figure(
            "reconstructions",
            "picture",
            "Reconstructions by one code of q(z | x)",
            {"pixels": grid(rows.transpose(1, 0, 2, 3))},
            f"Test images, and below them the pixels' probabilities for a code that was drawn. {INK}",
        ),
        Figure(
            "divergence-by-number",
            "line",
            "Divergence by number of the code",
            {"values": by_number},
            "From the most informative number of the code to the least; those near 0 carry nothing.",
            x="number of the code, by rank",
            y="divergence",
            unit="nats",
        ),
    )


def of_flow(samples: Images, found: NDArray[np.float64], unit: str) -> tuple[Figure, ...]:
    """Figures of a flow: samples (100, …), and the bits per dimension of single images (N,), none below 0."""
    counts, edges = histogram(found)
    return (
        Figure(
            "samples",
            "picture",
            "Samples",
            {"pixels": grid(samples.reshape(10, 10, 28, 28))},
            f"Images of codes drawn from N(0, I), by the model's inverse. {INK}",
            strip=TOP_FIFTH,
        ),
        Figure(
            "bits",
            "histogram",
            "Bits per dimension of single images",
            {"counts": counts, "edges": edges},
            x="bits per dimension",
            y="images",
            unit=unit,
        ),
    )


def _cells(codes: NDArray[np.float32], edges: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Numbers of codes (N, 2) in the cells between the edges of both numbers, (BINS, BINS), the second upwards."""
    counts: NDArray[np.float64] = np.histogram2d(codes[:, 0], codes[:, 1], bins=edges)[0]
    return counts.T[::-1]
