"""Tests of calling a student's `inpainting` in the forms that students write it in."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.starters.tsinghua.inpainting_method import Method
from harness.student_code import tolerated
from harness.types import GradingError

EBM, FLOW = ("images", "mask"), ("count", "images", "mask", "folder")


@pytest.fixture
def notes() -> Iterator[Callable[[], str]]:
    # Each sentence is noted once in a process, so that the module is loaded anew for each test.
    importlib.reload(tolerated)
    yield lambda: "\n".join(tolerated.taken())
    tolerated.taken()


def case() -> tuple[Tensor, Tensor, Tensor]:
    """Return images, a mask, and the answer of a method that adds a quarter to corrupted pixels."""
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros_like(images, dtype=torch.bool)
    mask[:, :, 14:] = True
    return images, mask, images + 0.25 * mask


def starter(corrupted: Tensor, mask: Tensor) -> Tensor:
    assert corrupted.shape == mask.shape == (3, 1, 28, 28) and mask.dtype is torch.bool
    corrupted[mask] += 0.25  # in place, as many do
    return corrupted.requires_grad_()


def flat_with_numbers(x: Tensor, m: Tensor) -> Tensor:
    return (x.view(3, 784) * (1 - m) + (x + 0.25) * m).view(len(x), 784) if x.ndim == 2 else x @ torch.ones(784, 1)


def arrays(x: Any, mask: Any) -> Any:
    return np.add(x, 0.25 * mask.astype("float32")).astype("float64")


def flow(num_samples: int, inputs: Tensor, mask: Tensor, savedir: str) -> Tensor:
    assert num_samples == 3 and inputs.shape == (3, 784) and savedir.endswith("/")
    return (inputs + 0.25 * mask).view(num_samples, 1, 28, 28)


def renamed(mask: Tensor, image: Tensor, steps: int = 5) -> tuple[int, Tensor]:
    return steps, image + 0.25 * mask


def with_defaults(corrupted: Tensor, mask: Tensor, n: int = 60, data: Any = None, save_path: str = "a/") -> Tensor:
    assert (n, data, save_path) == (60, None, "a/")
    return corrupted + 0.25 * mask


def with_a_default_mask(x: Tensor, steps: int = 5, mask: Any = None, masks: Any = None) -> Tensor:
    assert steps == 5 and masks is None
    return x + 0.25 * mask


def nameless(a: Tensor, b: Tensor) -> list[Tensor]:
    return [a + 0.25 * b, b]


@pytest.mark.parametrize(
    ("function", "order", "said"),
    [
        (starter, EBM, []),
        (flat_with_numbers, EBM, ["was given images (N, 784) and a mask of 0 and 1", "shape (3, 784)"]),
        (arrays, EBM, ["numpy arrays", "returned a numpy array"]),
        (flow, FLOW, []),
        (renamed, EBM, ["takes (mask, image, steps)", "returned 2 values"]),
        (with_defaults, EBM, []),
        (with_a_default_mask, EBM, []),
        (nameless, FLOW, ["takes (a, b), given images, mask in this order", "returned 2 values"]),
    ],
)
def test_every_form_gives_the_same_images(
    function: Callable[..., Any], order: tuple[str, ...], said: list[str], notes: Callable[[], str]
) -> None:
    images, mask, expected = case()
    kept = images.clone()
    method = Method(function, order, flat=order is FLOW)
    for _ in range(2):
        found = method(images, mask)
        assert (found.shape, found.dtype, found.requires_grad) == ((3, 1, 28, 28), torch.float32, False)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(images, kept, atol=0, rtol=0)
    told = notes()
    assert all(one in told for one in said), told
    assert bool(told) == bool(said)


@pytest.mark.parametrize(
    ("bend", "said"),
    [
        (lambda x: 2 * x - 1, "in [−1, 1]"),
        (lambda x: torch.logit(x.clamp(1e-6, 1 - 1e-6)), "as logits"),
    ],
)
def test_the_unit_is_recognised_by_the_known_pixels(
    bend: Callable[[Tensor], Tensor], said: str, notes: Callable[[], str]
) -> None:
    images, mask, expected = case()
    expected = expected.clamp(0, 0.999)
    found = Method(lambda x, mask: bend((x + 0.25 * mask).clamp(0, 0.999)), EBM, flat=False)(images, mask)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert said in notes()


def test_altered_known_pixels_are_returned_as_answered(notes: Callable[[], str]) -> None:
    images, mask, _ = case()
    found = Method(lambda x, mask: x * 0.9 + 0.01, EBM, flat=False)(images, mask)
    torch.testing.assert_close(found, images * 0.9 + 0.01)
    assert notes() == ""


def test_the_first_error_of_the_student_is_raised() -> None:
    def fails(corrupted: Any, mask: Any) -> Any:
        raise RuntimeError(f"mine, for {corrupted.ndim} axes")

    with pytest.raises(RuntimeError, match="mine, for 4 axes"):
        Method(fails, EBM, flat=False)(*case()[:2])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda corrupted, mask: None, "has to return the images"),
        (lambda corrupted, mask: corrupted[:2], r"shape \(2, 1, 28, 28\)"),
        (lambda corrupted, mask: mask, r"\(3, 1, 28, 28\) is asked for"),
        (lambda corrupted, mask: "x.png", "of type str"),
        (lambda a, b, c, d, e: a, "wants"),
    ],
)
def test_an_answer_that_is_not_images_is_refused(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(GradingError, match=said):
        Method(function, EBM, flat=False)(*case()[:2])
