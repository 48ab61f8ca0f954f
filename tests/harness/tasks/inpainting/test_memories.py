"""In-painters that hold the test images are told from those that have learnt from digits, whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest

from harness import tasks
from harness.secret import Secret
from harness.tasks.base import Context
from harness.types import Entry, Kind
from tests.data import embedded_digits, mnist_digits
from tests.judges import ReadsFirstRow

pytestmark = pytest.mark.numeric

NAMES = ("patch-inpainting", "row-inpainting", "half-inpainting")
SHIFTS = [(down, across) for down in range(-2, 3) for across in range(-2, 3)]


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), ReadsFirstRow(), 0, secret=Secret(b"m" * 32))


def shifted(images):
    """The images, and each shifted by up to two pixels in both directions."""
    return np.concatenate([np.roll(images, by, axis=(2, 3)) for by in SHIFTS])


def nearest(stored):
    """Fills in what the stored image shows that is nearest by the known pixels."""
    rows = stored.reshape(len(stored), -1)
    squares = rows**2

    def inpaint(images, mask):
        known = ~mask.reshape(len(mask), -1)
        shown = np.where(known, images.reshape(len(images), -1), np.float32(0))
        distance = (
            known.astype(np.float32) @ squares.T - 2 * shown @ rows.T
        )  # (N, stored), up to the images' own squares
        return np.where(mask, stored[distance.argmin(axis=1)], images)

    return inpaint


def memorised(task, context, inpaint):
    """Marks, and the evidence of memorised test images, of a model."""
    entry = Entry(task.name, Kind.WEIGHTS, "part", "made-up", "best.pt")
    answers = [
        {"images": inpaint(question.inputs["images"], question.inputs["mask"]).astype(np.float32)}
        for question in task.questions(context, entry)
    ]
    marks, _ = task.mark(context, entry, answers)
    (found,) = [one for one in marks.evidence if one.name == "memorised-test-images"]
    assert found.integrity
    assert marks.gates[found.name].holds == (not found.flag)
    return marks, found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shifts", [False, True])
def test_stored_test_images_are_found(context, name, shifts) -> None:
    images = context.data.test.images
    marks, found = memorised(tasks.task(name), context, nearest(shifted(images) if shifts else images))
    assert marks.metrics["masked_mse"].value < 1e-3
    assert found.flag, found.message
    assert "better than other digits" in found.message


def test_test_images_among_training_images_are_found() -> None:
    """All digits that there are: held-out training digits are no better off than test digits."""
    digits = mnist_digits()
    stored = np.concatenate([digits.test.images, digits.train.images[-6000:]])
    _, found = memorised(
        tasks.task("half-inpainting"), Context(digits, ReadsFirstRow(), 0, secret=Secret(b"m" * 32)), nearest(stored)
    )
    assert found.flag, found.message


@pytest.mark.parametrize("name", NAMES)
def test_the_nearest_training_image_is_no_memory_of_the_test_set(context, name) -> None:
    digits = context.data.train.images
    learnt = digits[: len(digits) - len(digits) // 10]
    _, found = memorised(tasks.task(name), context, nearest(learnt))
    assert not found.flag, found.message


@pytest.mark.parametrize("name", NAMES)
def test_baselines_are_no_memories(context, name) -> None:
    task = tasks.task(name)
    entry = Entry(task.name, Kind.BASELINE, "part")
    for which in {"ridge", "nearest-image", "mean-image"} & set(task.baselines):
        answers = task.baselines[which].answer(context, task.questions(context, entry))
        marks, _ = task.mark(context, entry, answers)
        (found,) = [one for one in marks.evidence if one.name == "memorised-test-images"]
        assert not found.flag, (which, found.message)
