"""Inpainting the bottom halves of 100 digits by the shipped flow, in one thread, as in a worker.

Its ascent, and its conditional mean with all samples drawn anew, against the coursework's own loop: 1,000 steps, each
with log_prob of every image, a backward pass, and clipping by assignment to the masked pixels.
"""

import math

import pytest
import torch

from harness.tasks.inpainting.corruption import coin_flips
from reference import architecture, shipped
from reference.flow_inpainting import ASCENT_STEPS, ascend
from reference.flow_slope import DensitySlope
from tests.data import embedded_digits

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGES = 100
TIMED = 100
"""Steps of both loops that are timed."""


def question():
    case = coin_flips(embedded_digits().test.images[:IMAGES], torch.Generator().manual_seed(0))
    return torch.from_numpy(case.shown), torch.from_numpy(case.mask)


def model(inpainting):
    built = architecture("realnvp").build({"inpainting": inpainting})
    built.load_state_dict(shipped.state("realnvp"))
    return built.eval()


def logits_of(images):
    clipped = images.clamp(1e-4, 0.9999)
    return clipped.log() - (1 - clipped).log()


def by_the_coursework(flow, images, mask, steps):
    inputs, mask = logits_of(images.flatten(1)).requires_grad_(True), mask.flatten(1)
    for _ in range(steps):
        z, log_det = flow(inputs)
        log_probs = (-0.5 * z.pow(2) - 0.5 * math.log(2 * math.pi)).sum(-1, keepdim=True) + log_det[:, None]
        (slope,) = torch.autograd.grad(log_probs.sum(), inputs)
        with torch.no_grad():
            inputs[mask] += 0.2 * slope.clip(-10, 10)[mask]
            inputs[mask] = inputs[mask].clip(-10, 10)
    return torch.sigmoid(inputs).view_as(images).detach()


class AsTheCoursework:
    """The loop's own preprocessing, so that both ways climb from the same logits."""

    def logits(self, images):
        return logits_of(images), None

    def images(self, logits, like):
        return torch.sigmoid(logits)


def test_ascent(compare):
    images, mask = question()
    flow = model("ascent")
    slope = DensitySlope(list(flow.layers))

    def ours(steps=TIMED):
        return ascend(slope, AsTheCoursework(), images.flatten(1), mask.flatten(1), steps).view_as(images)

    # A few steps, because rounding grows with each.
    found, expected = ours(5), by_the_coursework(flow, images, mask, 5)
    assert torch.allclose(found[mask], expected[mask], atol=1e-3)
    weights = sum(layer.weight.numel() for layer in flow.modules() if isinstance(layer, torch.nn.Linear))
    compare(
        f"{TIMED} steps of the flow's ascent, 100 images",
        ours,
        "the coursework's loop, by autograd",
        lambda: by_the_coursework(flow, images, mask, TIMED),
        rounds=3,
        work=TIMED * IMAGES * 2 * 2 * weights,  # forward and back, a multiply-add for each weight
    )


def test_conditional_mean(compare):
    images, mask = question()
    flow = model("ascent")
    compare(
        "half inpainting of 100 images by the conditional mean",
        lambda: model("mean").inpaint(images, mask),
        f"the coursework's loop, {ASCENT_STEPS:,} steps",
        lambda: by_the_coursework(flow, images, mask, TIMED),
        share=TIMED / ASCENT_STEPS,
        rounds=1,
    )
