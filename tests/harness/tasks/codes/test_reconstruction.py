"""Tests of reconstruction: honest codes, and codes that carry more than their numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from harness.metrics.squared_error import squared_error
from harness.tasks.altered import held_out
from harness.tasks.codes.components import components
from harness.tasks.codes.digits import fitted
from harness.tasks.codes.reconstruction import Reconstruction
from harness.types import GradingError
from tests.harness.tasks.codes import exam

TASK = Reconstruction()


@pytest.fixture(scope="module")
def context():
    return exam.context()


class Components(nn.Module):
    """Principal components, with codes in units that a student may have chosen."""

    def __init__(self, context, k, scale=1.0, shift=0.0):
        super().__init__()
        mean, rows = components(context, k)
        self.mean, self.rows = torch.from_numpy(mean).float(), torch.from_numpy(rows).float()
        self.scale, self.shift = scale, shift

    def encode(self, images):
        return ((images.flatten(1) - self.mean) @ self.rows.T) * self.scale + self.shift

    def decode(self, codes):
        return (self.mean + (codes - self.shift) / self.scale @ self.rows).view(-1, 1, 28, 28)


class Packed(nn.Module):
    """Hides pixels of 4 bits in the 22 low bits of each float's mantissa, and a mean image behind for the rest."""

    def __init__(self, context, k):
        super().__init__()
        self.mean = torch.from_numpy(fitted(context).mean(axis=0)).float()
        self.k = k
        # The pixels that vary most are worth most.
        variance = fitted(context).reshape(-1, 784).var(axis=0)
        self.chosen = torch.from_numpy(np.argsort(-variance)[: 5 * k].copy())

    def encode(self, images):
        levels = (images.flatten(1)[:, self.chosen] * 15).round().long().view(len(images), self.k, 5)
        word = sum(levels[:, :, i] << (4 * i) for i in range(5))
        return (word + (127 << 23)).int().view(torch.float32)

    def decode(self, codes):
        word = codes.view(torch.int32).long() & ((1 << 20) - 1)
        levels = torch.stack([(word >> (4 * i)) & 15 for i in range(5)], 2).view(len(codes), -1)
        images = self.mean.flatten().repeat(len(codes), 1)
        images[:, self.chosen] = levels.float() / 15
        return images.view(-1, 1, 28, 28)


class Index(Components):
    """Looks test images up by their number, which two numbers of the code say; other images go through components.

    Two validation images, known too, stretch the range of every number, so that rounding does not cut anything.
    """

    def __init__(self, context, k):
        super().__init__(context, k)
        self.test = torch.from_numpy(context.data.test.images).flatten(1)
        self.ends = torch.from_numpy(held_out(context)[:2]).flatten(1)

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
        known = codes[:, 2] > 20
        number = ((codes[:, 0] + 60) / 6).round() * 32 + ((codes[:, 1] + 60) / 3.5).round()
        looked_up = self.test[number.long().clamp(0, len(self.test) - 1)]
        return torch.where(known[:, None], looked_up, images).view(-1, 1, 28, 28)


def marks_of(context, k, fresh):
    return exam.sit(TASK, context, exam.entry(TASK, code=str(k)), fresh)


@pytest.mark.parametrize("k", [2, 10])
def test_principal_components_reach_their_own_error_and_raise_no_flag(context, k):
    marks, notes, _ = marks_of(context, k, lambda: Components(context, k))
    test = context.data.test.images
    direct = squared_error(
        Components(context, k).decode(Components(context, k).encode(torch.from_numpy(test))).numpy(), test
    )
    assert marks.primary == f"mse_k{k}"
    assert marks.metrics["mse_unrounded"].value == pytest.approx(direct.mean(), rel=1e-5)
    assert marks.metrics["mse_pca"].value == pytest.approx(direct.mean(), rel=1e-5)
    assert direct.mean() <= marks.metrics[marks.primary].value <= 1.02 * direct.mean()
    assert marks.scores.shape == (len(test),)
    assert not any(one.flag for one in marks.evidence)
    assert not notes
    assert ("code-map" in {figure.name for figure in marks.figures}) == (k == 2)


def test_the_scale_of_a_code_does_not_matter(context):
    plain, scaled = (
        marks_of(context, 5, lambda s=s: Components(context, 5, *s))[0].metrics["mse_k5"].value
        for s in ((1.0, 0.0), (1e4, -3e5))
    )
    # Codes around -3e5 have themselves only some digits left.
    assert scaled == pytest.approx(plain, rel=1e-3)


def test_pixels_in_the_mantissas_are_lost_by_rounding_and_flagged(context):
    marks, _, _ = marks_of(context, 50, lambda: Packed(context, 50))
    honest = marks_of(context, 50, lambda: Components(context, 50))[0]
    assert marks.metrics["mse_unrounded"].value < 0.1 * marks.metrics["mse_k50"].value
    assert marks.metrics["mse_k50"].value > 5 * honest.metrics["mse_k50"].value
    assert [one.name for one in marks.evidence if one.flag] == ["packed-code"]
    assert not marks.gates["packed-code"].holds
    assert honest.gates["packed-code"].holds


def test_an_index_of_test_images_is_flagged(context):
    marks, _, _ = marks_of(context, 5, lambda: Index(context, 5))
    honest = marks_of(context, 5, lambda: Components(context, 5))[0]
    assert marks.metrics["mse_k5"].value < 0.01 * honest.metrics["mse_k5"].value
    assert "memorised-test-images" in [one.name for one in marks.evidence if one.flag]
    assert not marks.gates["memorised-test-images"].holds
    assert honest.gates["memorised-test-images"].holds


def test_a_part_of_the_test_images_in_memory_is_flagged_too(context):
    class Partly(Index):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.test = self.test[::3]

    marks, _, _ = marks_of(context, 5, lambda: Partly(context, 5))
    assert "memorised-test-images" in [one.name for one in marks.evidence if one.flag]


@pytest.mark.corpus("Runtime, found later", "a state kept between calls")
def test_a_model_that_remembers_what_it_encoded_answers_nothing_in_a_fresh_worker(context):
    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = torch.zeros(0, 784)

        def encode(self, images):
            start = len(self.seen)
            self.seen = torch.cat([self.seen, images.flatten(1)])
            number = torch.arange(start, len(self.seen))
            return torch.stack([number // 256, number % 256], 1).float()

        def decode(self, codes):
            number = (codes[:, 0].round() * 256 + codes[:, 1].round()).long()
            held = torch.cat([self.seen, torch.zeros(70_000 - len(self.seen), 784)])
            return held[number].view(-1, 1, 28, 28)

    marks, _, _ = marks_of(context, 2, Remembers)
    black = float((context.data.test.images.astype(np.float64) ** 2).mean())
    assert marks.metrics["mse_k2"].value == pytest.approx(black, rel=1e-6)


def test_rows_of_a_batch_cant_carry_each_others_pixels(context):
    class Neighbours(Components):
        """Codes an image by components of it and of its neighbour, which both rows' codes would be needed for."""

        def encode(self, images):
            own = super().encode(images)
            return torch.cat([own[:, :3], own.roll(1, 0)[:, :2]], 1)

    marks, _, _ = marks_of(context, 5, lambda: Neighbours(context, 5))
    assert "batch-dependence" in [one.name for one in marks.evidence if one.flag]


def test_the_same_answers_give_the_same_further_questions_and_codes_are_rounded(context):
    who = exam.entry(TASK, code="3")
    answers = exam.asked(Components(context, 3), TASK.questions(context, who))
    first, again = (TASK.follow_up(exam.context(), who, answers) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.inputs["codes"], other.inputs["codes"])
    rounded = first[0].inputs["codes"]
    assert all(len(np.unique(rounded[:, i])) <= 256 for i in range(3))
    # Every row is one of the codes, rounded by less than half a step of the range on validation images.
    codes, validation = answers[0]["codes"], answers[1]["codes"]
    step = (validation.max(axis=0) - validation.min(axis=0)) / 255
    clipped = codes.clip(validation.min(axis=0), validation.max(axis=0))
    nearest = np.abs(rounded[:, None] - clipped[None]) / step
    assert nearest.max(axis=2).min(axis=1).max() <= 0.5 + 1e-3
    assert not np.array_equal(np.argmin(nearest.max(axis=2), axis=1), np.arange(len(codes)))


def test_idle_numbers_are_told(context):
    class Dead(Components):
        def encode(self, images):
            codes = super().encode(images)
            codes[:, 1] = 0
            return codes

    marks, notes, _ = marks_of(context, 4, lambda: Dead(context, 4))
    assert notes == [
        "1 of 4 numbers of the code are the same for all validation images: they carry nothing, as a unit with a ReLU "
        "does that is never active."
    ]
    assert marks.metrics["mse_k4"].value > marks.metrics["mse_pca"].value


@pytest.mark.parametrize("said", ["", "0", "785", "ten", "-3"])
def test_a_code_of_no_size_is_refused(context, said):
    with pytest.raises(GradingError, match="must be a whole number from 1 to 784") as caught:
        TASK.questions(context, exam.entry(TASK, **({"code": said} if said else {})))
    assert caught.value.failure.kind == "code-size"


def test_the_baseline_answers_as_principal_components_do(context):
    who = exam.entry(TASK, code="5")
    baseline = TASK.baselines["principal-components"]
    questions = TASK.questions(context, who)
    answers = list(baseline.answer(context, questions))
    answers += baseline.answer(context, TASK.follow_up(context, who, answers))
    assert TASK.follow_up(context, who, answers) == ()
    marks, _ = TASK.mark(context, who, answers)
    assert marks.metrics["mse_unrounded"].value == pytest.approx(marks.metrics["mse_pca"].value, rel=1e-5)


def test_options_are_tried_by_reconstructions_of_training_images(context):
    trial = TASK.trial(context, exam.entry(TASK, code="5"))
    (answer,) = exam.asked(Components(context, 5), list(trial.questions))
    images = context.data.train.images[:500]
    assert trial.rate([answer]).value == pytest.approx(squared_error(answer["images"], images).mean())


def test_validation_is_the_last_tenth_of_the_training_images(context):
    train = context.data.train.images
    assert np.array_equal(np.concatenate([fitted(context), held_out(context)]), train)
    assert len(held_out(context)) == len(train) // 10
