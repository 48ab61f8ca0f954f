"""The heavy computations on pixel sequences, timed beside the naive way and beside the machine's own limit, in one run.

Exact two-by-two in-painting of 1,000 images, by the reference LSTM of 32 units. The published notebooks take one image
at a time: its 16 completions go through all 784 steps, one step after the other. That is timed on a few images and
scaled. Three naive ways are told apart, for they differ much: each completion alone, the 16 in one batch (the ratio
that counts), and the 16 in one batch through torch's own LSTM, which runs a whole sequence in one call.

Floating-point work is counted for what is computed: two operations for each weight of a matrix product. What the cores
can do is the best rate of one large product, measured in the same run with as many threads as there are cores.
"""

import os
import time

import pytest
import torch
from torch import nn

from harness import tasks
from harness.sequences import derived
from harness.sequences.probabilities import log_likelihood
from harness.tasks.base import Context
from reference.pixel_rnn import PixelRNN
from tests.data import mnist_digits

GROUP = "pixel sequences"
NAIVE_IMAGES = 4
UNITS = 32
CORES = len(os.sched_getaffinity(0))
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


@pytest.fixture(scope="module")
def peak() -> float:
    """Floating-point operations a second of a large float32 product on all cores: the best of ten."""
    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    best = min(timed(lambda: left @ right) for _ in range(10))
    torch.set_num_threads(before)
    return 2 * 2048**3 / best


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker, whose only threads are those that blocks of rows are dealt out to."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def cases() -> torch.Tensor:
    task = tasks.task("two-by-two-inpainting")
    return torch.from_numpy(task.cases(Context(mnist_digits(), NoJudge(), 0)).cropped)


def told(benchmark, seconds: float, work: float, peak: float, **more: float) -> None:
    """Record work and rate beside the timing, and print them."""
    benchmark.extra_info |= {
        "GFLOP": round(work / 1e9, 1),
        "GFLOP/s": round(work / seconds / 1e9, 1),
        "peak GFLOP/s": round(peak / 1e9, 1),
        "share of peak": round(work / seconds / peak, 3),
        **{name: round(value, 2) for name, value in more.items()},
    }
    print(f"\n{seconds:.2f} s", dict(benchmark.extra_info))


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


@pytest.mark.benchmark(group=GROUP)
def test_exact_two_by_two_inpainting(benchmark, peak):
    model, images = network(), cases()
    lstm = as_torch_has_it(model)
    counted = Counted(model)
    derived.method(counted, "missing_posterior")(images)
    some = [completions(image) for image in images[:: len(images) // NAIVE_IMAGES][:NAIVE_IMAGES]]

    found = benchmark.pedantic(derived.method(model, "missing_posterior"), (images,), rounds=3)
    seconds = benchmark.stats.stats.min

    by_step = [stepped(model, rows) for rows in some]
    of_those = found[:: len(images) // NAIVE_IMAGES][:NAIVE_IMAGES]
    assert torch.allclose(torch.stack(by_step), of_those, atol=1e-4)

    def naive(way) -> float:
        """Seconds for all images, from the quicker of two passes over a few."""
        return min(timed(lambda: [way(rows) for rows in some]) for _ in range(2)) * len(images) / NAIVE_IMAGES

    def whole(rows):
        hidden = lstm(rows[:, :-1, None])[0]
        return posterior(rows, model.head(model.rnn_activation(hidden)).squeeze(2).sigmoid())

    each_alone = timed(lambda: [stepped(model, rows[:1]) for rows in some]) * 16 * len(images) / NAIVE_IMAGES
    batched, fused = naive(lambda rows: stepped(model, rows)), naive(whole)
    told(
        benchmark,
        seconds,
        counted.steps * STEP,
        peak,
        **{
            "naive, each alone": each_alone / seconds,
            "naive, 16 at a time": batched / seconds,
            "naive, torch.nn.LSTM": fused / seconds,
        },
    )


@pytest.mark.benchmark(group=GROUP)
def test_next_pixel_of_10000_images(benchmark, peak):
    model = network()
    images = torch.from_numpy(mnist_digits().test.images.reshape(-1, 784) > 0.1).float()

    def ask():
        return torch.cat([model.next_pixel_probabilities(part) for part in torch.split(images, 500)])

    found = benchmark.pedantic(ask, rounds=3)
    assert found.shape == (10_000, 783)
    lstm = as_torch_has_it(model)

    def as_usual():
        for part in torch.split(images[:2000], 500):
            model.head(model.rnn_activation(lstm(part[:, :-1, None])[0])).sigmoid()

    seconds = benchmark.stats.stats.min
    told(benchmark, seconds, found.numel() * STEP, peak, **{"torch.nn.LSTM": 5 * timed(as_usual) / seconds})


@pytest.mark.benchmark(group=GROUP)
def test_ten_completions_of_100_images(benchmark, peak):
    model = network()
    images = torch.from_numpy(mnist_digits().test.images[:100].reshape(-1, 784) > 0.1).float()
    images[:, 484:] = -1
    uniforms = torch.rand(100, 10, 300, generator=torch.Generator().manual_seed(0))
    found = benchmark.pedantic(derived.method(model, "complete"), (images, uniforms), rounds=3)
    assert found.shape == (100, 10, 300)

    def one_by_one():
        for row in range(2):
            state = model.start(1)
            for pixel in images[row, :484].unbind():
                probability, state = model.step(state, pixel[None])
            for uniform in uniforms[row, 0].unbind():
                probability, state = model.step(state, (uniform < probability).float())

    seconds = benchmark.stats.stats.min
    work = (100 * 484 + 1000 * 299) * STEP
    told(benchmark, seconds, work, peak, **{"naive, one sample at a time": timed(one_by_one) * 500 / seconds})
