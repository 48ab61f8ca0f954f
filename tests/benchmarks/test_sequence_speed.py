"""The heavy computations on pixel sequences, timed beside the naive way and beside the machine's own limit, in one run.

Exact two-by-two in-painting of 1,000 images, by the reference LSTM of 32 units. The published notebooks take one image
at a time: its 16 completions go through all 784 steps, one step after the other. That is timed on a few images and
scaled. Three naive ways are told apart, for they differ much: each completion alone, the 16 in one batch (the ratio
that counts), and the 16 in one batch through torch's own LSTM, which runs a whole sequence in one call.

Floating-point work is counted for what is computed: two operations for each weight of a matrix product.
"""

import os

import pytest
import torch
from torch import nn

from harness import tasks
from harness.sequences import derived
from harness.sequences.probabilities import log_likelihood
from harness.tasks.base import Context
from reference.pixel_rnn import PixelRNN
from tests.data import mnist_digits

NAIVE_IMAGES = 4
UNITS = 32
CORES = len(os.sched_getaffinity(0))
"""Threads that blocks of rows are dealt out to."""
STEP = 2 * (4 * UNITS * (UNITS + 2) + 64 * (UNITS + 1) + 64 * 65 + 65)
"""Floating-point operations of a step of the fused LSTM and its head, for one row."""


class NoJudge:
    digest, real_spread, most_doubt = "", None, 1.0


def network() -> PixelRNN:
    """Untrained weights take as long as trained ones."""
    model = PixelRNN("lstm", units=UNITS).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2, generator=generator)
    return model


def as_torch_has_it(model: PixelRNN) -> nn.LSTM:
    lstm = nn.LSTM(1, UNITS, batch_first=True)
    lstm.load_state_dict(model.rnn.state_dict())
    return lstm


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker, whose only threads are those that blocks of rows are dealt out to."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def cases() -> torch.Tensor:
    task = tasks.task("two-by-two-inpainting")
    return torch.from_numpy(task.cases(Context(mnist_digits(), NoJudge(), 0)).cropped)


class Counted:
    """A model that counts the rows and steps it is asked for."""

    def __init__(self, model: PixelRNN) -> None:
        self.model, self.steps = model, 0
        self.start, self.step = model.start, model.step

    def scan(self, state, pixels):
        self.steps += pixels.numel()
        return self.model.scan(state, pixels)


def completions(image: torch.Tensor) -> torch.Tensor:
    """All 16 of an image (784,)."""
    rows = image.repeat(16, 1)
    rows[:, image < 0] = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    return rows


def posterior(rows: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    return log_likelihood(probabilities, rows[:, 1:]).sum(1).log_softmax(0)


def stepped(model: PixelRNN, rows: torch.Tensor) -> torch.Tensor:
    """Log-posterior of the completions (16, 784) of one image, all steps one after the other."""
    state, found = model.start(len(rows)), []
    for pixel in rows.unbind(1):
        probability, state = model.step(state, pixel)
        found.append(probability)
    return posterior(rows, torch.stack(found[:-1], 1))


def each_alone(model: PixelRNN, rows: torch.Tensor) -> None:
    """One completion after the other. All take as long, so one of the 16 is timed."""
    stepped(model, rows[:1])


def by_torchs_lstm(model: PixelRNN, rows: torch.Tensor) -> torch.Tensor:
    hidden = as_torch_has_it(model)(rows[:, :-1, None])[0]
    return posterior(rows, model.head(model.rnn_activation(hidden)).squeeze(2).sigmoid())


@pytest.mark.parametrize(
    ("name", "way", "share"),
    [
        ("each completion alone", each_alone, 1 / 16),
        ("16 completions at a time", stepped, 1),
        ("16 at a time, torch.nn.LSTM", by_torchs_lstm, 1),
    ],
)
def test_exact_two_by_two_inpainting(compare, name, way, share):
    model, images = network(), cases()
    counted = Counted(model)
    derived.method(counted, "missing_posterior")(images)
    some = [completions(image) for image in images[:: len(images) // NAIVE_IMAGES][:NAIVE_IMAGES]]
    ours = derived.method(model, "missing_posterior")
    of_those = ours(images)[:: len(images) // NAIVE_IMAGES]
    assert torch.allclose(torch.stack([stepped(model, rows) for rows in some]), of_those, atol=1e-4)
    assert torch.allclose(torch.stack([by_torchs_lstm(model, rows) for rows in some]), of_those, atol=1e-4)
    compare(
        "exact two-by-two inpainting of 1,000 images",
        lambda: ours(images),
        name,
        lambda: [way(model, rows) for rows in some],
        share=share * NAIVE_IMAGES / len(images),
        rounds=3,
        work=counted.steps * STEP,
        threads=CORES,
    )


def test_next_pixel_of_10000_images(compare):
    model = network()
    images = torch.from_numpy(mnist_digits().test.images.reshape(-1, 784) > 0.1).float()
    lstm = as_torch_has_it(model)

    def ask():
        return torch.cat([model.next_pixel_probabilities(part) for part in torch.split(images, 500)])

    def as_usual(count=2000):
        parts = [lstm(part[:, :-1, None])[0] for part in torch.split(images[:count], 500)]
        return torch.cat([model.head(model.rnn_activation(part)).sigmoid() for part in parts])

    found = ask()
    assert found.shape == (10_000, 783)
    assert torch.allclose(found[:20], as_usual(20).squeeze(2), atol=1e-4)
    compare(
        "next pixel of 10,000 images",
        ask,
        "torch.nn.LSTM",
        as_usual,
        share=0.2,
        rounds=3,
        work=found.numel() * STEP,
        threads=CORES,
    )


def test_ten_completions_of_100_images(compare):
    model = network()
    images = torch.from_numpy(mnist_digits().test.images[:100].reshape(-1, 784) > 0.1).float()
    images[:, 484:] = -1
    uniforms = torch.rand(100, 10, 300, generator=torch.Generator().manual_seed(0))
    ours = derived.method(model, "complete")
    assert ours(images, uniforms).shape == (100, 10, 300)

    def one_by_one():
        for row in range(2):
            state = model.start(1)
            for pixel in images[row, :484].unbind():
                probability, state = model.step(state, pixel[None])
            for uniform in uniforms[row, 0].unbind():
                probability, state = model.step(state, (uniform < probability).float())

    compare(
        "ten completions of 100 images",
        lambda: ours(images, uniforms),
        "one sample at a time",
        one_by_one,
        share=2 / 1000,
        rounds=3,
        work=(100 * 484 + 1000 * 299) * STEP,
        threads=CORES,
    )
