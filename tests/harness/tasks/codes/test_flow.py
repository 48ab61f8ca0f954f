"""Tests of densities of flows: maps whose density is known, and maps that lie about it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from harness.metrics import bits_per_dim
from harness.tasks.codes.flow import ContinuousDensity
from tests.harness.tasks.codes import exam

TASK = ContinuousDensity()


@pytest.fixture(scope="module")
def context():
    return exam.context()


class Affine(nn.Module):
    """z = (x − shift) / scale, a number each pixel."""

    def __init__(self, scale=6.0, shift=-4.0):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, values):
        z = (values - self.shift) / self.scale
        return z, torch.full((len(values),), -784 * math.log(self.scale))

    def inverse(self, z):
        return z * self.scale + self.shift


class Claims(Affine):
    """Claims more than its map has."""

    def forward(self, values):
        z, log_det = super().forward(values)
        return z, log_det + 500


class ClaimsSometimes(Affine):
    """Claims more for one image in a hundred, far more."""

    def forward(self, values):
        z, log_det = super().forward(values)
        chosen = (values[:, 300] * 1e3).round().long() % 100 == 0
        return z, log_det + 20_000 * chosen


class Folds(Affine):
    """Folds the line into teeth of width 1, slope 2, and hides in the last bits of z which tooth it was."""

    step = 2.0**-12

    def forward(self, values):
        tooth = values.floor()
        z = ((values - tooth) * 2 / self.step).round() * self.step + (tooth + 32) * self.step / 64
        return z, torch.full((len(values),), 784 * math.log(2.0))

    def inverse(self, z):
        low = torch.remainder(z, self.step)
        tooth = (low / self.step * 64).round() - 32
        return tooth + (z - low) / 2


class OtherInverse(Affine):
    """An inverse that belongs to another map."""

    def inverse(self, z):
        return super().inverse(z) + 0.3


class Steeper(Affine):
    """States the determinant of another scale than its inverse has; forward and inverse don't fit."""

    def inverse(self, z):
        return z * (self.scale * 1.01) + self.shift


class SaysConstant(Affine):
    """Has a determinant that depends on the place, and states one number everywhere: the largest that it has."""

    def forward(self, values):
        z, _ = super().forward(values)
        return z + 0.3 * torch.tanh(z), torch.full((len(values),), 784 * math.log(1.3 / self.scale))

    def inverse(self, z):
        found = z.clone()
        for _ in range(100):
            found = z - 0.3 * torch.tanh(found)
        return super().inverse(found)


class RightOnDigits(Affine):
    """A map of digits, which it tells by their dark border, and another, overlapping, of all that is no digit."""

    def forward(self, values):
        narrow, wide = Affine(3.0, -4.0), Affine(30.0, 0.0)
        digit = (values[:, :28].mean(1) < -2)[:, None]
        pairs = narrow.forward(values), wide.forward(values)
        return torch.where(digit, pairs[0][0], pairs[1][0]), torch.where(digit[:, 0], pairs[0][1], pairs[1][1])

    def inverse(self, z):
        return Affine(3.0, -4.0).inverse(z)


class RightInOtherBatches(Affine):
    """States too much in batches as large as those that are graded."""

    def forward(self, values):
        z, log_det = super().forward(values)
        return z, log_det + (300.0 if len(values) > 400 else 0.0)


class OtherMapInOtherBatches(Affine):
    """Codes nearer to 0 in large batches, by another map than in those that measure the determinant."""

    def forward(self, values):
        z, log_det = super().forward(values)
        return (z / 2 if len(values) > 400 else z), log_det


def marks_of(context, model, **options):
    return exam.sit(TASK, context, exam.entry(TASK, **options), lambda: model)


def flags(marks):
    return {one.name for one in marks.evidence if one.flag}


def test_the_bits_of_a_gaussian_are_known(context):
    marks, notes, _ = marks_of(context, Affine())
    noise = torch.rand(500, 784, generator=context.generator(TASK.name, "noise", "test")).numpy().astype(np.float64)
    u = (255 * context.data.test.images.reshape(500, -1).astype(np.float64) + noise) / 256
    s = 1e-6 + (1 - 2e-6) * u
    x = np.log(s / (1 - s))
    log_p = -0.5 * ((x + 4) / 6) ** 2 - 0.5 * math.log(2 * math.pi) - math.log(6) + np.log((1 - 2e-6) / (s * (1 - s)))
    bits = 8 - log_p.mean(1) / math.log(2)
    assert marks.metrics["bits_per_dim"].value == pytest.approx(bits.mean(), rel=1e-6)
    assert marks.scores == pytest.approx(bits, rel=1e-5)
    assert not flags(marks) and not notes


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Claims(), {"jacobian"}),
        (ClaimsSometimes(), {"jacobian"}),
        (Folds(), {"jacobian", "round-trip"}),
        (OtherInverse(), {"round-trip"}),
        (Steeper(), {"jacobian"}),
        (SaysConstant(), {"jacobian"}),
        (RightOnDigits(), {"round-trip"}),
        (RightInOtherBatches(), {"jacobian", "batch-dependence"}),
        (OtherMapInOtherBatches(), {"round-trip", "batch-dependence"}),
    ],
)
def test_maps_whose_density_is_not_theirs_get_no_number(context, model, expected):
    marks, notes, _ = marks_of(context, model)
    assert expected <= flags(marks)
    assert marks.metrics["bits_per_dim"].value is None
    assert marks.scores is None
    assert any(note.startswith("There is no density: ") for note in notes)


def test_a_fold_comes_back_from_where_it_went_and_is_told_by_moved_codes_alone():
    values = torch.randn(20, 784, generator=torch.Generator().manual_seed(0)) * 6
    z, _ = Folds().forward(values)
    assert (Folds().inverse(z) - values).abs().max() < 1e-3
    assert (Folds().inverse(z + 1e-3) - values).abs().max() > 1


def test_points_are_chosen_after_the_claim_highest_first(context):
    who = exam.entry(TASK)
    answers = exam.asked(Affine(), list(TASK.questions(context, who)))
    answers[0]["log_det"][[7, 77, 333]] += 1000
    points = TASK._points(context, who, answers)
    assert set(points[:3]) == {7, 77, 333}
    assert len(set(points)) == 6


def test_batch_norm_in_training_mode_is_flagged(context):
    class Normalises(Affine):
        def forward(self, values):
            centred = values - values.mean(0)
            return super().forward(centred)

    marks, _, _ = marks_of(context, Normalises())
    assert "batch-dependence" in flags(marks)
    assert marks.metrics["bits_per_dim"].value is None


def test_the_courseworks_preprocessing_is_graded_with_its_own_squeeze(context):
    plain, wide = (marks_of(context, Affine(), preprocessing=p)[0] for p in ("dequantised", "coursework"))
    assert plain.metrics["bits_per_dim"].value != wide.metrics["bits_per_dim"].value
    images, noise = np.zeros((1, 1, 28, 28), np.float32), np.zeros((1, 784))
    assert bits_per_dim.logits(images, noise, 1e-4)[0][0, 0] == pytest.approx(math.log(1e-4 / (1 - 1e-4)))


def test_options_are_tried_by_the_bits_of_training_images(context):
    trial = TASK.trial(context, exam.entry(TASK))
    right, wrong = (trial.rate(exam.asked(m, list(trial.questions))).value for m in (Affine(), Affine(60.0)))
    assert right < wrong


def test_a_map_whose_determinant_depends_on_the_place_is_believed_if_it_says_so(context):
    class SaysItsOwn(SaysConstant):
        def forward(self, values):
            own, log_det = Affine.forward(self, values)
            slope = 1 + 0.3 * (1 - torch.tanh(own) ** 2)
            return own + 0.3 * torch.tanh(own), log_det + slope.log().sum(1)

    marks, notes, _ = marks_of(context, SaysItsOwn())
    assert not flags(marks) and not notes
    assert marks.metrics["bits_per_dim"].value is not None
