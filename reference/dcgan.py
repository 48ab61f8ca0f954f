"""Deep convolutional GAN for images of 28 × 28 pixels (IST coursework, Deep Structured Learning, homework 5).

Radford, Metz and Chintala 2016, arXiv:1511.06434: transposed convolutions with batch normalisation and ReLU in the
generator, Adam with β₁ = .5. Where the paper doubles 4 × 4
pixels four times, 28 is 7 doubled twice. Generators of 32 × 32 pixels, 4 doubled three times, learn from padded digits;
they are accepted by their weights' shapes, and their frame of two pixels is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.architecture import Architecture
from reference.augment import distort
from reference.convolution_names import adapt
from reference.feature_critic import CLASSES, Critic, Recogniser, hinge, kernel_distance, start
from reference.precision import fast_products
from reference.seeding import generator_for
from reference.train import Resumable, average, one_cycle, set_rate

LATENT = 100
CHANNELS = (128, 64)
"""Channels of the generator at 7 × 7 and 14 × 14 pixels."""
SIDE = 28
_LEAST_LOG = -6.0
"""Least log-probability that counts where the noise leaves open which digit is asked for."""


class Generator(nn.Module):
    """Maps noise to a small map, and this to an image by transposed convolutions, each of which doubles the side.

    Parameters
    ----------
    value_range : range of the images that the network was trained on. "-1,1" is a tanh's, which is mapped to [0, 1];
        "0,1" a sigmoid's
    activation : after each batch normalisation
    latent : numbers of the noise
    start : side of the first map, 7, or 4 for 32 × 32 pixels
    channels_1, channels_2, channels_3, channels_4 : channels of each map but the last, 0 from where there are no more
    """

    def __init__(
        self,
        value_range: Literal["-1,1", "0,1"] = "-1,1",
        activation: Literal["relu", "leaky-relu"] = "relu",
        latent: int = LATENT,
        start: int = 7,
        channels_1: int = CHANNELS[0],
        channels_2: int = CHANNELS[1],
        channels_3: int = 0,
        channels_4: int = 0,
    ) -> None:
        super().__init__()
        self.value_range = value_range
        self.slope = 0.2 if activation == "leaky-relu" else 0.0
        channels = [c for c in (channels_1, channels_2, channels_3, channels_4) if c]
        self.noise_dimension = latent
        self.first = channels[0], start, start
        self.project = nn.Linear(latent, channels[0] * start * start)
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels)
        self.maps = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
            for before, after in zip(channels, [*channels[1:], 1], strict=True)
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) in the range that the network was trained on, for noise (N, latent) ~ N(0, I)."""
        values = self.project(noise).view(-1, *self.first)  # (N, C, start, start)
        for norm, doubled in zip(self.norms, self.maps, strict=True):
            values = doubled(functional.leaky_relu(norm(values), self.slope))
        border = (values.shape[2] - SIDE) // 2
        values = values[:, :, border : border + SIDE, border : border + SIDE]
        images: Tensor = values.tanh() if self.value_range == "-1,1" else values.sigmoid()
        return images

    def sample(self, noise: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) in [0, 1] for noise (N, latent) ~ N(0, I)."""
        images: Tensor = self(noise)
        return (images + 1) / 2 if self.value_range == "-1,1" else images


class Training(Resumable):
    """Adversarial training on the features of a small classifier; the generator's averaged weights are kept.

    The paper's adversary, on pixels alone, leaves out part of the digits and draws others between two digits. So the
    adversary sees digits through a classifier (`reference.feature_critic`), which learns first, apart from the judge,
    and it knows which digit is asked for: the one whose number among the first ten of the noise is the largest. Where
    two are nearly equal, what the classifier reads decides, so that the generator may draw either, but not both.
    Samples are also moved towards real digits in kernel distance of the features (Li et al. 2017, arXiv:1705.08584).
    Averaging as in Yazıcı et al. 2019, arXiv:1806.04498. The learning rate is constant, then falls linearly to 0.
    """

    epochs = 44
    learning = 4
    """Epochs in which the classifier learns, and nothing else."""
    batch = 128
    rate = 4e-4
    critic_rate = 8e-4
    falling = 0.5
    """Share of the training over which the learning rate falls."""
    decay = 0.999
    recognition = 0.3
    """Weight of the classifier's cross-entropy in the generator's loss."""
    matching = (1.0, 4.0)
    """Weight of the kernel distance in the generator's loss, until the rate falls and at the end."""
    tie = 0.3
    """Part of a digit's number among the noise that its log-probability, as the classifier reads it, counts for."""
    emphasis = 4.0
    """Factor by which the first ten numbers of the noise count for more than the others, at the start."""
    options: Mapping[str, str] = {"value_range": "-1,1", "activation": "relu"}

    def __init__(self, seed: int = 1) -> None:
        self.name = f"dcgan critic matching={self.matching}"
        self.seed = seed
        self.generator = Generator()
        self.recogniser = Recogniser()
        self.critic = Critic()
        draws = generator_for("weights", self.name, seed)
        for module in self.generator.modules():
            # The paper's initial values.
            if isinstance(module, nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(module.weight, std=0.02, generator=draws)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.generator.project.weight[:, :CLASSES] *= self.emphasis
        for module in self.recogniser.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=draws)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        start(self.critic, draws)
        self.averaged = Generator()
        self.averaged.load_state_dict(self.generator.state_dict())
        self.of_generator = torch.optim.Adam(self.generator.parameters(), self.rate, betas=(0.5, 0.999), fused=True)
        self.of_critic = torch.optim.Adam(self.critic.parameters(), self.critic_rate, betas=(0.0, 0.99), fused=True)
        self.of_recogniser = torch.optim.AdamW(self.recogniser.parameters(), weight_decay=0.02)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update the classifier, or critic and generator, once; images (B, 1, 28, 28) in [0, 1], labels (B,)."""
        learnt = progress * self.epochs / self.learning
        if learnt < 1:
            return {"classifier": self._learn(images, labels, learnt)}
        done = (progress * self.epochs - self.learning) / (self.epochs - self.learning)
        fall = max(0.0, 1 - (1 - done) / self.falling)
        set_rate(self.of_generator, self.rate * (1 - fall))
        set_rate(self.of_critic, self.critic_rate * (1 - fall))
        self.recogniser.eval().requires_grad_(False)
        noise = torch.randn(len(images), LATENT, generator=generator)
        with fast_products():
            own = [each.float() for each in self.recogniser.layers((self.generator(noise) + 1) / 2)]
            with torch.no_grad():
                real = [each.float() for each in self.recogniser.layers(images)]
        read = self.recogniser.logits(own[-1]).log_softmax(1)  # (B, 10)
        wanted = (noise[:, :CLASSES] + self.tie * read.detach().clamp(min=_LEAST_LOG)).argmax(1)

        self.critic.measure(real)
        self.critic.requires_grad_(True)
        with fast_products():
            of_real, of_fake = self.critic(real, labels), self.critic([each.detach() for each in own], wanted)
        loss = hinge(of_real.float(), of_fake.float())
        self.of_critic.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.of_critic.step()

        self.critic.requires_grad_(False)
        with fast_products():
            fooled = -self.critic(own, wanted).float().mean()
        matched = kernel_distance(own[-1], real[-1])
        recognised = functional.nll_loss(read, wanted)
        first, last = self.matching
        self.of_generator.zero_grad()
        weight = first + (last - first) * fall
        (fooled + weight * matched + self.recognition * recognised).backward()
        self.of_generator.step()
        average(self.averaged, self.generator, min(self.decay, 200 * done))
        return {"critic": loss.item(), "matching": matched.item(), "recognition": recognised.item()}

    def _learn(self, images: Tensor, labels: Tensor, progress: float) -> float:
        """Update the classifier on distorted digits, with a generator of its own; its loss."""
        draws = generator_for("recogniser", self.name, self.seed, f"{progress:.6f}")
        set_rate(self.of_recogniser, 3e-3 * one_cycle(progress))
        self.recogniser.train()
        with fast_products():
            logits = self.recogniser(distort(images, draws))
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=0.03)
        self.of_recogniser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.of_recogniser.step()
        return loss.item()

    def result(self) -> nn.Module:
        """Return the generator with averaged weights and batch-norm statistics that fit them."""
        kept = Generator()
        kept.load_state_dict(self.averaged.state_dict())
        for norm in kept.norms:
            assert isinstance(norm, nn.BatchNorm2d)
            norm.reset_running_stats()
            norm.momentum = None  # None: a plain mean over all batches
        draws = generator_for("statistics", self.name, self.seed)
        kept.train()
        with torch.no_grad():
            for _ in range(40):
                kept(torch.randn(500, LATENT, generator=draws))
        return kept.eval()

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "averaged": self.averaged,
            "recogniser": self.recogniser,
            "critic": self.critic,
            "of_generator": self.of_generator,
            "of_recogniser": self.of_recogniser,
            "of_critic": self.of_critic,
        }


ARCHITECTURE = Architecture(
    title="Deep convolutional GAN",
    summary="Samples of digits by a deep convolutional generative adversarial network",
    task="generation",
    checkpoint_key="generator",
    module=Generator,
    options={"value_range": ("-1,1", "0,1"), "activation": ("relu", "leaky-relu")},
    adapt=adapt,
    trainings={"dcgan": Training},
)
