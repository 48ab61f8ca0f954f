"""Trains conditional generators as students might, and counts which of them would be held.

`python -m tests.harness.evidence.honest_trainings` takes half an hour of one core. None of the recipes is that of a
reference model, and no threshold was set on these trainings: five kinds of model, three widths, two losses or rates
of learning, and 1, 3 or 10 epochs of MNIST's training set.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from scipy.stats import beta
from torch import Tensor, nn
from torch.nn import functional

from classifiers.facts import SHIPPED
from classifiers.judge import Judge
from harness.run import floors
from harness.tasks.base import Context
from harness.tasks.conditional_generation import ConditionalGeneration
from harness.types import Entry, Evidence, Kind
from tests.data import mnist_digits

EPOCHS = (1, 3, 10)
BATCH = 128
CLASSES = 10
Draw = Callable[[Tensor, Tensor], Tensor]
"""Noise (N, 100) and one-hot labels (N, 10) → images (N, 784)."""


class Conv(nn.Module):
    """A decoder by transposed convolutions: (N, k + 10) → logits (N, 784)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.start = nn.Linear(inputs, width * 49)
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(width, width // 2, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(width // 2, 1, 4, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.start(x).view(len(x), -1, 7, 7)).flatten(1)


def perceptron(inputs: int, width: int, outputs: int) -> nn.Module:
    hidden = (nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


def batches(epochs: int, generator: torch.Generator):
    split = mnist_digits().train
    images, labels = torch.from_numpy(split.images).flatten(1), torch.from_numpy(split.labels)
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for rows in order.split(BATCH)[: len(order) // BATCH]:
            yield images[rows], functional.one_hot(labels[rows], CLASSES).float()


def vae(codes: int, decoder: nn.Module, width: int, bce: bool, epochs: int, generator: torch.Generator) -> Draw:
    encoder = perceptron(784 + CLASSES, width, 2 * codes)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)
    for images, asked in batches(epochs, generator):
        mean, log_variance = encoder(torch.cat([images, asked], 1)).chunk(2, 1)
        drawn = mean + torch.randn(mean.shape, generator=generator) * (log_variance / 2).exp()
        logits = decoder(torch.cat([drawn, asked], 1))
        if bce:
            error = functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
        else:
            error = ((logits.sigmoid() - images) ** 2).sum()
        loss = (error + 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()) / len(images)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return lambda noise, asked: decoder(torch.cat([noise[:, :codes], asked], 1)).sigmoid()


def gan(decoder: nn.Module, width: int, rate: float, epochs: int, generator: torch.Generator) -> Draw:
    critic = nn.Sequential(nn.Linear(784 + CLASSES, 2 * width), nn.LeakyReLU(0.2), nn.Linear(2 * width, 1))
    its, own = (torch.optim.Adam(each.parameters(), rate, betas=(0.5, 0.999)) for each in (critic, decoder))
    for images, asked in batches(epochs, generator):
        noise = torch.randn(len(images), 100, generator=generator)
        made = decoder(torch.cat([noise, asked], 1)).sigmoid()
        loss = functional.softplus(-critic(torch.cat([images, asked], 1))).mean()
        loss = loss + functional.softplus(critic(torch.cat([made.detach(), asked], 1))).mean()
        its.zero_grad()
        loss.backward()
        its.step()
        loss = functional.softplus(-critic(torch.cat([made, asked], 1))).mean()
        own.zero_grad()
        loss.backward()
        own.step()
    return lambda noise, asked: decoder(torch.cat([noise, asked], 1)).sigmoid()


def trained(kind: str, width: int, second: bool, epochs: int, seed: int) -> Draw:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    if kind == "gan":
        return gan(perceptron(100 + CLASSES, 2 * width, 784), width, 1e-3 if second else 5e-4, epochs, generator)
    codes = {"vae-2": 2, "vae-5": 5, "vae-20": 20, "conv-vae": 10}[kind]
    decoder = Conv(codes + CLASSES, width // 8) if kind == "conv-vae" else perceptron(codes + CLASSES, width, 784)
    return vae(codes, decoder, width, not second, epochs, generator)


def marked(draw: Draw, context: Context) -> tuple[float, tuple[Evidence, ...]]:
    task, entry = ConditionalGeneration(), Entry("conditional-generation", Kind.WEIGHTS, "cvae", "cvae", "best.pt")
    answers = []
    with torch.no_grad():
        for question in task.questions(context, entry):
            noise, asked = (torch.from_numpy(question.inputs[name]) for name in ("noise", "labels_one_hot"))
            images = [draw(*some) for some in zip(noise.split(500), asked.split(500), strict=True)]
            answers.append({"images": torch.cat(images).view(-1, 1, 28, 28).numpy()})
    marks, _ = task.mark(context, entry, answers)
    return float(marks.metrics["accuracy"].value or 0), marks.evidence


def main() -> None:
    torch.set_num_threads(1)
    digits, judge = mnist_digits(), Judge.shipped()
    context = Context(digits, judge, seed=0, floors=floors.read(SHIPPED, judge.digest, digits.digest))
    flagged, unusual, graded, passed = [], [], 0, 0
    recipes = list(product(("vae-2", "vae-5", "vae-20", "conv-vae", "gan"), (150, 250, 400), (False, True), EPOCHS))
    order = np.random.default_rng(0).permutation(len(recipes))
    for seed in order[: int(sys.argv[1]) if len(sys.argv) > 1 else None].tolist():
        started = time.monotonic()
        kind, width, second, epochs = recipes[seed]
        accuracy, evidence = marked(trained(kind, width, second, epochs, 1000 + seed), context)
        graded, passed = graded + 1, passed + (accuracy >= 0.98)
        name = f"{kind}, {width}, {'second' if second else 'first'} recipe, {epochs} epochs, {accuracy:.4f}"
        said = [
            f"{one.name} {one.state} {one.value:.3g}"
            for one in evidence
            if one.state != "clear" and one.value is not None
        ]
        flagged += [name] if any(one.flag and one.integrity for one in evidence) else []
        unusual += [name] if any(one.state == "unusual" for one in evidence) else []
        print(f"{name}: {'; '.join(said) or 'clear'} ({time.monotonic() - started:.0f} s)", flush=True)
    upper = beta.ppf(0.95, len(flagged) + 1, graded - len(flagged)) if len(flagged) < graded else 1.0
    print(f"{graded} trainings, of which {passed} pass; {len(unusual)} are unusual")
    print(f"{len(flagged)} held, at most {upper:.1%} (95 %): {flagged}")


if __name__ == "__main__":
    main()
