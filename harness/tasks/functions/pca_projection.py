"""The projection on principal components as a function, `pca(z, x, d)` (TU Berlin, sheet 10).

The data x are made so that the d-th and the next component differ clearly for every d that is asked: then the
projection μ + (z − μ)VVᵀ is the same whatever basis and signs an eigensolver gives. Pearson 1901.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch

from harness.tasks.base import Context
from harness.tasks.functions.base import FunctionTask
from harness.tasks.functions.cases import Function, Group, Inputs, Mistake, Truth, Values
from harness.types import Call

DIMENSIONS = (1, 10, 60, 100, 360)
PIXELS = 784
_TRAINING, _TEST = 420, 20
_GRID = 1 << 16
"""Data are rounded to multiples of its inverse, so that they are the same on every processor."""


@lru_cache(maxsize=6)
def _right_vectors(data: bytes, columns: int) -> Values:
    """All right singular vectors as rows, of float64 rows; kept, for all numbers of dimensions ask for the same."""
    rows: Values = np.linalg.svd(np.frombuffer(data).reshape(-1, columns), full_matrices=False)[2]
    return rows


def _components(data: Values, d: int) -> Values:
    """The first d right singular vectors as rows (d, 784)."""
    return _right_vectors(data.tobytes(), data.shape[1])[:d]


def _projected(
    inputs: Inputs, fitted: Values, shown: Values, back: Values, choose: Callable[[Values, int], Values] = _components
) -> Values:
    """Project `shown` on the components V of `fitted`, and add `back`: back + shown VVᵀ, (1, N, 784)."""
    rows = choose(fitted, int(inputs["d"]))
    return np.asarray(back + shown @ rows.T @ rows)[None]


def projection(inputs: Inputs, exact: bool) -> Truth:
    """The projection of z on the affine subspace of x's mean and first d components; errors in gray values, ±1."""
    mean = inputs["x"].mean(axis=0)
    values = _projected(inputs, inputs["x"] - mean, inputs["z"] - mean, mean)
    return Truth(values, np.maximum(1.0, np.abs(values).max(axis=(1, 2), keepdims=True)))


def _pasted(inputs: Inputs) -> Values:
    m = inputs["m"]
    return np.asarray(projection(inputs, False).values * m + inputs["z"] * (1 - m))


def _centred(inputs: Inputs) -> Values:
    return np.asarray(inputs["x"] - inputs["x"].mean(axis=0))


def _last(data: Values, d: int) -> Values:
    return _right_vectors(data.tobytes(), data.shape[1])[-d:]


def _own_mean(inputs: Inputs) -> Values:
    own = inputs["z"].mean(axis=0)
    return _projected(inputs, _centred(inputs), inputs["z"] - own, own)


def _no_way_back(inputs: Inputs) -> Values:
    mean = inputs["x"].mean(axis=0)
    return _projected(inputs, inputs["x"] - mean, inputs["z"] - mean, np.zeros_like(mean))


def _of_test(inputs: Inputs) -> Values:
    own = inputs["z"].mean(axis=0)
    return _projected(inputs, inputs["z"] - own, inputs["z"] - own, own)


MISTAKES = (
    Mistake(
        "of a decomposition of x that is not centred: the first direction is then spent on the mean",
        lambda inputs: _projected(inputs, inputs["x"], inputs["z"], np.zeros(PIXELS)),
        worth=0.75,
    ),
    Mistake("of a projection to which the mean was not added again", _no_way_back),
    Mistake(
        "of the right components on z that is not centred",
        lambda inputs: _projected(inputs, _centred(inputs), inputs["z"], np.zeros(PIXELS)),
    ),
    Mistake("of z centred by its own mean, not that of x", _own_mean),
    Mistake("of the components of the test data z, not of the training data x", _of_test),
    Mistake(
        "of the last components, those of least variance: eigenvalues come in ascending order",
        lambda inputs: _projected(
            inputs, _centred(inputs), inputs["z"] - inputs["x"].mean(axis=0), inputs["x"].mean(axis=0), _last
        ),
    ),
)


class PcaProjection(FunctionTask):
    """`pca(z, x, d)` for d = 1, 10, 60, 100 and 360."""

    name = "pca-projection"
    title = "Projection on principal components"
    summary = "the function pca(z, x, d) against the singular value decomposition; largest error"
    functions = (
        Function(
            "pca",
            "pca(z, x, d)",
            "a",
            ("z", "x", "d"),
            lambda inputs: (1, *inputs["z"].shape),
            projection,
            MISTAKES,
            (Mistake("the known pixels were kept, as when the projection is pasted into the hole.", _pasted),),
            aliases=("pca_projection", "pca_inpaint", "project"),
            signature="pca(z, x, d)",
            call=Call(cases=False),
        ),
    )

    def drawn(self, context: Context) -> Sequence[Group]:
        """The same data for each d: 20 test images with a gray patch, and 420 rows whose spectrum has steps."""
        generator = context.generator(self.name, "cases")
        x = _training_data(generator)
        rows = torch.randperm(len(context.data.test.images), generator=generator)[:_TEST].numpy()
        clean = 2 * context.data.test.images[rows].astype(np.float64) - 1  # (N, 1, 28, 28)
        m = np.zeros_like(clean)
        for i, (j, k) in enumerate(torch.randint(-4, 5, (_TEST, 2), generator=generator).tolist()):
            m[i, 0, 11 + j : 17 + j, 11 + k : 17 + k] = 1
        z, m = (clean * (1 - m)).reshape(_TEST, PIXELS), m.reshape(_TEST, PIXELS)
        return [Group(f"d = {d}", {"z": z, "x": x, "m": m, "d": np.array(d)}) for d in DIMENSIONS]


def _training_data(generator: torch.Generator) -> Values:
    """Rows (420, 784) around a mean, with singular values that fall by a half after each d that is asked."""
    left = torch.linalg.qr(torch.randn(_TRAINING, _TRAINING - 1, generator=generator, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(PIXELS, _TRAINING - 1, generator=generator, dtype=torch.float64))[0]
    steps = np.searchsorted(DIMENSIONS, np.arange(_TRAINING - 1), side="right")
    singular = 40 * 0.5**steps * (1 - 0.2 * np.arange(_TRAINING - 1) / _TRAINING)
    mean = 2 * torch.rand(PIXELS, generator=generator, dtype=torch.float64) - 1.5
    data = (left.numpy() * singular) @ right.numpy().T + mean.numpy()
    return np.asarray(np.round(data * _GRID) / _GRID)
