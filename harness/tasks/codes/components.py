"""The baseline of reconstruction: principal components of the training images, the optimum of linear codes."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread
from harness.metrics.principal_components import principal_components
from harness.metrics.squared_error import squared_error
from harness.tasks.base import Baseline, Context
from harness.tasks.codes.digits import PIXELS, fitted
from harness.types import Answer, Images, Question

_Components = tuple[NDArray[np.float64], NDArray[np.float64]]
_lock = threading.Lock()
_known: dict[str, _Components] = {}
"""The components of the training images of a digest; they take seconds, and every entry is held against them."""


def components(context: Context, k: int) -> _Components:
    """Mean (784,) and the first k components (k, 784) of the images that models learn from."""
    with _lock:
        if context.data.digest not in _known:
            _known.clear()
            _known[context.data.digest] = principal_components(fitted(context), PIXELS)
        mean, rows = _known[context.data.digest]
    return mean, rows[:k]


def optimum(context: Context, k: int, images: Images) -> NDArray[np.float64]:
    """The squared error of each image (N,) by k principal components, codes unrounded."""
    return squared_error(projections(context, k, images), images.reshape(len(images), -1))


def projections(context: Context, k: int, images: Images) -> NDArray[np.float32]:
    """The projections of images on k principal components, (N, 784)."""
    mean, rows = components(context, k)
    pixels = images.reshape(len(images), -1)
    with one_thread():
        projected = mean + (pixels - mean) @ rows.T @ rows
    return projected.astype(np.float32)


def _answer(context: Context, questions: Sequence[Question]) -> Sequence[Answer]:
    """Coordinates of images, and images of coordinates."""
    answers: list[Answer] = []
    for question in questions:
        if question.method == "encode":
            mean, rows = components(context, question.answers["codes"].shape[1])
            pixels = question.inputs["images"].reshape(len(question.inputs["images"]), -1)
            with one_thread():
                codes = (pixels - mean) @ rows.T
            answers.append({"codes": codes.astype(np.float32)})
        else:
            codes = question.inputs["codes"]
            mean, rows = components(context, codes.shape[1])
            with one_thread():
                images = mean + codes @ rows
            answers.append({"images": images.astype(np.float32).reshape(-1, 1, 28, 28)})
    return answers


PRINCIPAL_COMPONENTS = Baseline("Principal components", _answer)
