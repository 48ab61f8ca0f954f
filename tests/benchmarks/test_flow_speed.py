"""Inpainting the bottom halves of 100 digits by the shipped flow.

Its conditional mean, with all samples drawn anew, and its ascent, against the coursework's own loop: 1,000 steps, each
with log_prob of every image, a backward pass, and clipping by assignment to the masked pixels.
"""

import math

import pytest
import torch

from harness.tasks.inpainting.corruption import coin_flips
from reference import architecture, shipped
from tests.data import embedded_digits

IMAGES = 100


def question():
    case = coin_flips(embedded_digits().test.images[:IMAGES], torch.Generator().manual_seed(0))
    return torch.from_numpy(case.shown), torch.from_numpy(case.mask)


def model(inpainting):
    built = architecture("realnvp").build({"inpainting": inpainting})
    built.load_state_dict(shipped.state("realnvp"))
    return built.eval()


def by_the_coursework(flow, images, mask):
    inputs, mask = images.flatten(1), mask.flatten(1)
    inputs = (inputs.clamp(1e-4, 0.9999).log() - (1 - inputs.clamp(1e-4, 0.9999)).log()).requires_grad_(True)
    for _ in range(1000):
        z, log_det = flow(inputs)
        log_probs = (-0.5 * z.pow(2) - 0.5 * math.log(2 * math.pi)).sum(-1, keepdim=True) + log_det[:, None]
        (slope,) = torch.autograd.grad(log_probs.sum(), inputs)
        with torch.no_grad():
            inputs[mask] += 0.2 * slope.clip(-10, 10)[mask]
            inputs[mask] = inputs[mask].clip(-10, 10)
    return torch.sigmoid(inputs).view_as(images).detach()


@pytest.mark.benchmark(group="half inpainting of 100 images")
def test_conditional_mean(benchmark):
    images, mask = question()
    recovered = benchmark.pedantic(lambda: model("mean").inpaint(images, mask), rounds=2)
    assert recovered.shape == images.shape


@pytest.mark.benchmark(group="half inpainting of 100 images")
def test_ascent(benchmark):
    images, mask = question()
    flow = model("ascent")
    assert benchmark.pedantic(flow.inpaint, (images, mask), rounds=1).shape == images.shape


@pytest.mark.benchmark(group="half inpainting of 100 images")
def test_the_courseworks_loop(benchmark):
    images, mask = question()
    flow = model("ascent")
    assert benchmark.pedantic(by_the_coursework, (flow, images, mask), rounds=1).shape == images.shape
