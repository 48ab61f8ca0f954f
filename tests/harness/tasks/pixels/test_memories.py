"""A table of test images, which predicts each pixel by those of them that begin alike, is told from one of counts."""

from __future__ import annotations

import pytest
import torch

from harness import tasks
from harness.secret import Secret
from harness.tasks.base import Context
from harness.tasks.pixels.sequences import binarised
from harness.types import Entry, Kind
from tests.data import embedded_digits
from tests.judges import ReadsFirstRow

pytestmark = pytest.mark.numeric

TASK = tasks.task("next-pixel")
ENTRY = Entry(TASK.name, Kind.CODE, "part")


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), ReadsFirstRow(), 0, secret=Secret(b"m" * 32))


def by_beginning(stored, binary, otherwise=0.13):
    """P(next pixel is lit) by the stored images (M, 784) that begin like each of (N, 784), (N, 783)."""
    alive = torch.ones(len(binary), len(stored), dtype=torch.bool)
    columns = []
    for t in range(783):
        alive &= binary[:, t, None] == stored[None, :, t]
        lit = (alive & stored[None, :, t + 1]).sum(1)
        columns.append((lit + 0.1 * otherwise) / (alive.sum(1) + 0.1))
    return torch.stack(columns, 1).float()


def marked(context, stored):
    stored = torch.from_numpy(binarised(stored)).bool()
    answers = []
    for question in TASK.questions(context, ENTRY):
        binary = torch.from_numpy(question.inputs["binary"]).bool()
        answers.append({"probabilities": by_beginning(stored, binary).numpy()})
    marks, _ = TASK.mark(context, ENTRY, answers)
    return marks, {one.name: one for one in marks.evidence}


def test_a_table_of_test_images_is_flagged(context) -> None:
    marks, evidence = marked(context, context.data.test.images)
    assert marks.metrics["cross_entropy"].value < 0.04
    assert evidence["memorised-test-images"].flag
    assert not marks.gates["memorised-test-images"].holds
    # It looks at no later pixel.
    assert not evidence["causality"].flag


def test_a_table_of_training_images_is_clear(context) -> None:
    images = context.data.train.images
    marks, evidence = marked(context, images[: len(images) - len(images) // 10])
    assert marks.metrics["cross_entropy"].value > 0.1
    assert not evidence["memorised-test-images"].flag, evidence["memorised-test-images"].message


@pytest.mark.parametrize("which", sorted(TASK.baselines))
def test_baselines_are_clear(context, which) -> None:
    answers = TASK.baselines[which].answer(context, TASK.questions(context, ENTRY))
    marks, _ = TASK.mark(context, ENTRY, answers)
    assert not [one.message for one in marks.evidence if one.flag]
