"""Tests of densities of latent-variable models, against bounds that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from harness.tasks.codes.conditional import ConditionalDensity
from harness.tasks.codes.latent import BernoulliDensity
from harness.types import GradingError
from tests.harness.tasks.codes import exam

TASK = BernoulliDensity()


@pytest.fixture(scope="module")
def context():
    return exam.context()


class Constant(nn.Module):
    """Says nothing of an image in its code, and lights all pixels with one probability."""

    def __init__(self, mean=0.0, log_variance=0.0, probability=0.3):
        super().__init__()
        self.values = mean, log_variance
        self.probability = probability

    def encode(self, images, labels=None):
        shape = len(images), 4
        return torch.full(shape, self.values[0]), torch.full(shape, self.values[1])

    def decode(self, codes, labels=None):
        return torch.full((len(codes), 1, 28, 28), self.probability)


class Linear(nn.Module):
    """A code that pixels depend on: the ink of an image, with a sigmoid behind."""

    def encode(self, images):
        ink = images.flatten(1).mean(1, keepdim=True)
        return (ink - 0.15) * torch.tensor([20.0, 5.0]), torch.full((len(images), 2), -1.0)

    def decode(self, codes):
        return torch.sigmoid(codes[:, :1] - 2).expand(-1, 784).reshape(-1, 1, 28, 28)


def marks_of(context, model, task=TASK, k=4):
    return exam.sit(task, context, exam.entry(task, code=str(k)), lambda: model)[0]


def test_the_terms_of_a_model_without_a_code_are_known(context):
    marks = marks_of(context, Constant(mean=1.0, log_variance=math.log(0.5)))
    x = context.data.test.images.astype(np.float64).reshape(-1, 784)
    loss = -(x * math.log(0.3) + (1 - x) * math.log(0.7)).sum(1).mean()
    rate = 4 * 0.5 * (1 + 0.5 - 1 - math.log(0.5))
    assert marks.primary == "negative_elbo_k4"
    assert marks.metrics["reconstruction"].value == pytest.approx(loss, rel=1e-6)
    assert marks.metrics["divergence"].value == pytest.approx(rate, rel=1e-6)
    assert marks.metrics[marks.primary].value == pytest.approx(loss + rate, rel=1e-6)
    assert marks.metrics["active"].value == 0
    assert marks.scores.mean() == pytest.approx(loss + rate, rel=1e-6)
    # Whatever q is, p(x) is known where pixels don't depend on the code: weights average to 1.
    plain = marks_of(context, Constant())
    assert plain.metrics["importance_bound"].value == pytest.approx(
        -(x * math.log(0.3) + (1 - x) * math.log(0.7)).sum(1)[:1000].mean(), rel=1e-6
    )


def test_the_importance_bound_is_tighter_and_draws_are_the_harnesss_own(context):
    marks, again = marks_of(context, Linear(), k=2), marks_of(context, Linear(), k=2)
    assert marks.metrics["importance_bound"].value < marks.metrics["negative_elbo_k2"].value
    assert marks.metrics["negative_elbo_k2"].value == again.metrics["negative_elbo_k2"].value
    other = exam.sit(TASK, exam.context(seed=6), exam.entry(TASK, code="2"), Linear)[0]
    assert other.metrics["negative_elbo_k2"].value != marks.metrics["negative_elbo_k2"].value
    assert other.metrics["negative_elbo_k2"].value == pytest.approx(marks.metrics["negative_elbo_k2"].value, rel=0.01)


def test_a_code_that_claims_no_spread_pays_for_it(context):
    sharp, honest = (marks_of(context, Constant(log_variance=v)).metrics["divergence"].value for v in (-40.0, 0.0))
    assert honest == pytest.approx(0)
    assert sharp == pytest.approx(4 * 0.5 * (math.exp(-40) - 1 + 40), rel=1e-6)


def test_test_images_in_memory_are_flagged(context):
    test = torch.from_numpy(context.data.test.images).flatten(1)

    class Knows(Linear):
        """Three more numbers: one says that an image is known, two its number, all as cheaply as the prior allows."""

        def encode(self, images):
            mean, log_variance = (torch.cat([t, torch.zeros(len(images), 3)], 1) for t in super().encode(images))
            found, number = torch.cdist(images.flatten(1), test).min(1)
            known = found < 0.05
            mean[known, 2] = 5.0
            mean[known, 3], mean[known, 4] = (number[known] // 25 - 10) * 0.2, (number[known] % 25 - 12) * 0.2
            log_variance[known, 3:] = -8.0
            return mean, log_variance

        def decode(self, codes):
            images = super().decode(codes).flatten(1).clone()
            known = codes[:, 2] > 2.5
            row, column = ((codes[:, i] / 0.2 + shift).round() for i, shift in ((3, 10), (4, 12)))
            number = (row * 25 + column).long().clamp(0, len(test) - 1)
            return torch.where(known[:, None], test[number], images).view(-1, 1, 28, 28)

    marks, honest = marks_of(context, Knows(), k=5), marks_of(context, Linear(), k=2)
    assert marks.metrics["negative_elbo_k5"].value < honest.metrics["negative_elbo_k2"].value
    assert [one.name for one in marks.evidence if one.flag] == ["memorised-test-images"]
    assert not any(one.flag for one in honest.evidence)


def test_a_code_that_a_decoder_never_saw_with_its_image_is_all_that_it_gets(context):
    class Remembers(Constant):
        """Decodes the images that it encoded last, whatever the code."""

        def __init__(self):
            super().__init__()
            self.seen = None

        def encode(self, images):
            self.seen = images
            return super().encode(images)

        def decode(self, codes):
            return super().decode(codes) if self.seen is None else self.seen[:1].expand(len(codes), -1, -1, -1)

    found, _, _ = exam.sit(TASK, context, exam.entry(TASK, code="4"), Remembers)
    assert found.metrics[found.primary].value == marks_of(context, Constant()).metrics[found.primary].value


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        (Constant(log_variance=100.0), "log-variance", "The second value must be the logarithm of the variance"),
        (Constant(mean=1e30), "log-variance", "is not below 1e\\+06 nats"),
        (Constant(probability=-2.0), "out-of-range", r"lie in \[-2, -2\]; allowed is \[0, 1\]"),
    ],
)
def test_what_is_no_density_is_refused(context, model, kind, said):
    with pytest.raises(GradingError, match=said) as caught:
        marks_of(context, model)
    assert caught.value.failure.kind == kind


def test_certain_pixels_that_are_wrong_cost_what_rounding_costs(context):
    marks = marks_of(context, Constant(probability=0.0))
    x = context.data.test.images.astype(np.float64).reshape(-1, 784)
    assert marks.metrics["reconstruction"].value == pytest.approx(-(x * math.log(1e-7)).sum(1).mean(), rel=1e-4)


def test_noise_of_the_models_own_is_flagged(context):
    class Noisy(Linear):
        def encode(self, images):
            mean, log_variance = super().encode(images)
            return mean + 0.1 * torch.randn(mean.shape), log_variance

    marks = marks_of(context, Noisy(), k=2)
    assert "batch-dependence" in [one.name for one in marks.evidence if one.flag]


def test_a_conditional_density_is_told_the_labels(context):
    task = ConditionalDensity()
    by_label = torch.linspace(0.05, 0.5, 10)

    class OfLabel(Constant):
        def decode(self, codes, labels):
            assert torch.equal(labels.sum(1), torch.ones(len(codes)))
            return (labels @ by_label)[:, None].expand(-1, 784).reshape(-1, 1, 28, 28)

    marks = exam.sit(task, context, exam.entry(task, code="4"), OfLabel)[0]
    x = context.data.test.images.astype(np.float64).reshape(-1, 784)
    p = by_label.numpy().astype(np.float64)[context.data.test.labels][:, None]
    assert marks.primary == "negative_elbo"
    assert marks.metrics["reconstruction"].value == pytest.approx(
        -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(1).mean(), rel=1e-6
    )
    assert task.questions(context, exam.entry(task))[0].answers["mean"].shape == (500, 100)


def test_options_are_tried_by_rate_and_distortion(context):
    trial = TASK.trial(context, exam.entry(TASK, code="2"))
    answers = exam.asked(Linear(), list(trial.questions))
    wrong = [{**answers[0], "log_variance": answers[0]["log_variance"] * 4}, answers[1]]
    assert trial.rate(answers).value < trial.rate(wrong).value


def test_pixels_in_the_log_variance_are_paid_for(context):
    class Hidden(nn.Module):
        """One number a pixel, all with mean 0: a lit pixel's number is wide, a dark one's is narrow."""

        def encode(self, images):
            pixels = images.flatten(1)
            return torch.zeros_like(pixels), torch.where(pixels > 0.5, 6.0, -6.0)

        def decode(self, codes):
            lit = codes.abs() > 0.3
            return torch.where(lit, 0.95, 0.05).view(-1, 1, 28, 28)

    marks = marks_of(context, Hidden(), k=784)
    lit = (context.data.test.images.reshape(500, -1) > 0.5).mean(0).sum()
    # KL(N(0, exp(s)) ‖ N(0, 1)) = (exp(s) − 1 − s) / 2: 198.2 nats a lit pixel and 2.5 a dark one.
    rate = lit * (math.exp(6) - 7) / 2 + (784 - lit) * (math.exp(-6) + 5) / 2
    assert marks.metrics["divergence"].value == pytest.approx(rate, rel=1e-6)
    blind = marks_of(context, Constant(probability=0.15)).metrics["negative_elbo_k4"].value
    assert marks.metrics["reconstruction"].value < 0.7 * blind
    assert marks.metrics["negative_elbo_k784"].value > 10 * blind


def test_means_that_were_fitted_to_the_known_noise_are_flagged(context):
    test = torch.from_numpy(context.data.test.images).flatten(1)
    drawn = context.generator(TASK.name, "codes", "test")
    noise = torch.randn((1, 500, 2), generator=drawn)[0]

    class Foresees(Linear):
        """Codes as wide as the prior, so almost free, whose noise the mean takes back."""

        def encode(self, images):
            mean, log_variance = super().encode(images)
            found, number = torch.cdist(images.flatten(1), test).min(1)
            return torch.where(found[:, None] < 1e-3, mean - noise[number], mean), torch.zeros_like(log_variance)

        def decode(self, codes):
            return torch.sigmoid(8 * codes[:, :1] - 2).expand(-1, 784).reshape(-1, 1, 28, 28)

    class Honest(Linear):
        decode = Foresees.decode

    marks, honest = marks_of(context, Foresees(), k=2), marks_of(context, Honest(), k=2)
    assert "known-noise" in [one.name for one in marks.evidence if one.flag]
    assert not marks.gates["known-noise"].holds
    assert not any(one.flag for one in honest.evidence)
    # Who changes a mean after the noise is known has other noise.
    answers = exam.asked(Honest(), list(TASK.questions(context, exam.entry(TASK, code="2"))))
    first = TASK._unknown(context, answers[0])
    changed = {**answers[0], "mean": answers[0]["mean"].copy()}
    changed["mean"][499, 1] += 1e-3
    assert np.abs(TASK._unknown(context, changed)[:, :499] - first[:, :499]).max() > 0.1
