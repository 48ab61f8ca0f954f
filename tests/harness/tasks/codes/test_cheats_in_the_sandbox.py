"""Autoencoders handed in as code and graded by a run: an honest one earns points, those that carry more earn none."""

from __future__ import annotations

import numpy as np
import pytest

from harness.rubric import Assignment
from harness.tasks.altered import held_out
from harness.tasks.base import Context
from harness.tasks.codes.components import components
from harness.tasks.codes.digits import fitted
from harness.types import Entry, Kind, Status, Submission
from tests.data import embedded_digits
from tests.harness.run.grading import grade, run_of
from tests.judges import ReadsFirstRow

GATES = ["packed-code", "memorised-test-images", "batch-dependence"]
ASSIGNMENT = {
    "name": "codes",
    "title": "Codes",
    "part": [
        {
            "id": f"code-{k}",
            "title": f"{k} numbers",
            "task": "reconstruction",
            "points": 10,
            "pass": mark,
            "steps": [[mark, 1.0]],
            "gates": GATES,
            "options": {"code": str(k)},
        }
        for k, mark in ((5, 0.06), (50, 0.0025))
    ],
}
COMPONENTS = """
import numpy as np
import torch


class Components:
    def __init__(self, file):
        with np.load(file) as held:
            self.__dict__ |= {name: torch.from_numpy(held[name]) for name in held.files}

    def encode(self, images):
        return (images.flatten(1) - self.mean) @ self.rows.T

    def decode(self, codes):
        return (self.mean + codes @ self.rows).view(-1, 1, 28, 28)


def load(checkpoint):
    return Components(checkpoint)
"""
PACKED = (
    COMPONENTS.partition("def load")[0]
    + """
class Packed(Components):
    # Five pixels of 4 bits in the mantissa of each number.
    def encode(self, images):
        levels = (images.flatten(1)[:, self.chosen] * 15).round().long().view(len(images), -1, 5)
        word = sum(levels[:, :, i] << (4 * i) for i in range(5))
        return (word + (127 << 23)).int().view(torch.float32)

    def decode(self, codes):
        word = codes.contiguous().view(torch.int32).long() & ((1 << 20) - 1)
        levels = torch.stack([(word >> (4 * i)) & 15 for i in range(5)], 2).view(len(codes), -1)
        images = self.mean.float().repeat(len(codes), 1)
        images[:, self.chosen] = levels.float() / 15
        return images.view(-1, 1, 28, 28)


def load(checkpoint):
    return Packed(checkpoint)
"""
)
INDEX = (
    COMPONENTS.partition("def load")[0]
    + """
class Index(Components):
    # The number of a test image in two numbers of the code; two known validation images stretch their ranges.
    def encode(self, images):
        codes = super().encode(images)
        found, number = torch.cdist(images.flatten(1), self.test).min(1)
        known = found < 0.05
        codes[known, 0] = -60.0 + 6 * (number[known] // 32)
        codes[known, 1] = -60.0 + 3.5 * (number[known] % 32)
        codes[known, 2] = 50.0
        for image, end in zip(self.ends, (-64.0, 64.0), strict=True):
            codes[(images.flatten(1) == image).all(1)] = end
        return codes

    def decode(self, codes):
        images = super().decode(codes).flatten(1)
        number = ((codes[:, 0] + 60) / 6).round() * 32 + ((codes[:, 1] + 60) / 3.5).round()
        looked_up = self.test[number.long().clamp(0, len(self.test) - 1)]
        return torch.where(codes[:, 2:3] > 20, looked_up, images).view(-1, 1, 28, 28)


def load(checkpoint):
    return Index(checkpoint)
"""
)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The records of both parts of each hand-in, by its name."""
    folder = tmp_path_factory.mktemp("codes")
    context = Context(embedded_digits(), ReadsFirstRow(), 0)
    variance = fitted(context).reshape(-1, 784).var(axis=0)
    submissions = []
    for name, code in (("honest", COMPONENTS), ("packed", PACKED), ("index", INDEX)):
        root = folder / name
        root.mkdir()
        (root / "model.py").write_text(code)
        for k in (5, 50):
            mean, rows = components(context, k)
            held = {"mean": mean.astype(np.float32), "rows": rows.astype(np.float32)}
            if name == "packed":
                held["chosen"] = np.argsort(-variance)[: 5 * k].copy()
            if name == "index":
                held |= {
                    "test": context.data.test.images.reshape(-1, 784),
                    "ends": held_out(context)[:2].reshape(2, 784),
                }
            np.savez(root / f"{k}.npz", **held)
        entries = tuple(
            Entry("reconstruction", Kind.CODE, f"code-{k}", code="model.py:load", file=f"{k}.npz") for k in (5, 50)
        )
        submissions.append(Submission(name, name, root, entries))
    run = run_of(context, folder / "results", Assignment.model_validate(ASSIGNMENT))
    found = {name: {} for name in ("honest", "packed", "index")}
    for record in grade(submissions, run):
        assert record.status is Status.SCORED, record.failure
        found[record.submission][record.part] = record
    return found


def flagged(record):
    return {one.name for one in record.evidence if one.flag}


@pytest.mark.parametrize("k", [5, 50])
def test_an_honest_code_earns_its_points(graded, k):
    record = graded["honest"][f"code-{k}"]
    assert record.score.points == 10
    assert not flagged(record)
    assert record.metrics[f"mse_k{k}"].value == pytest.approx(record.metrics["mse_pca"].value, rel=0.1)


def test_pixels_packed_into_mantissas_earn_nothing(graded):
    record = graded["packed"]["code-50"]
    # As it comes the packed code would reach the mark.
    assert record.metrics["mse_unrounded"].value < 0.0025
    assert record.metrics["mse_k50"].value > 10 * 0.0025
    assert flagged(record) == {"packed-code"}
    assert record.score.points == 0
    assert not record.score.passed


def test_an_index_of_test_images_earns_nothing(graded):
    record = graded["index"]["code-5"]
    assert record.metrics["mse_k5"].value < 0.01 * graded["honest"]["code-5"].metrics["mse_k5"].value
    assert "memorised-test-images" in flagged(record)
    assert record.score.points == 0
    assert not record.score.passed
