"""Deep convolutional GAN for images of 28 × 28 pixels (IST coursework, Deep Structured Learning, homework 5).

Radford, Metz and Chintala 2016, arXiv:1511.06434: transposed convolutions with batch normalisation and ReLU in the
generator, strided convolutions with leaky ReLU in the discriminator, Adam with β₁ = .5. Where the paper doubles 4 × 4
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
from reference.precision import fast_products
from reference.seeding import generator_for
from reference.train import Resumable, average, one_cycle, set_rate

LATENT = 100
CHANNELS = (128, 64)
"""Channels of the generator at 7 × 7 and 14 × 14 pixels; of the discriminator the other way round."""
SIDE = 28
FEATURES = 128


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


class Discriminator(nn.Module):
    """Maps an image to the logit of the probability that it is real."""

    def __init__(self) -> None:
        super().__init__()
        deep, shallow = CHANNELS
        self.conv1 = nn.Conv2d(1, shallow, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(shallow, deep, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(deep)
        self.logit = nn.Linear(deep * 49, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N,) for images (N, 1, 28, 28) in [−1, 1]."""
        hidden = functional.leaky_relu(self.conv1(images), 0.2)  # (N, 64, 14, 14)
        hidden = functional.leaky_relu(self.norm(self.conv2(hidden)), 0.2)  # (N, 128, 7, 7)
        logits: Tensor = self.logit(hidden.flatten(1)).squeeze(1)
        return logits


class Recogniser(nn.Module):
    """Reads digits (N, 1, 28, 28) in [0, 1]; its features are what samples and real digits are compared by."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]  # (N, 4, 14, 14)
        for channels_in, channels_out in ((4, 32), (32, 32), (32, 64), (64, 64)):
            convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(channels_out), nn.ReLU()]
            if (channels_in, channels_out) == (32, 32):
                layers.append(nn.MaxPool2d(2))  # (N, 32, 7, 7)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 49, FEATURES), nn.BatchNorm1d(FEATURES))
        self.logits = nn.Linear(FEATURES, 10)

    def features(self, images: Tensor) -> Tensor:
        """Features (N, 128), not negative."""
        features: Tensor = self.body(images).relu()
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10)."""
        logits: Tensor = self.logits(self.features(images))
        return logits


def kernel_distance(samples: Tensor, real: Tensor) -> Tensor:
    """Kernel distance of features (N, F) from real ones (M, F), less a part that the samples don't change.

    Unbiased, with the kernel (x · y / F + 1)³ (Bińkowski et al. 2018, arXiv:1801.01401, eq. 4).
    """
    count, width = samples.shape
    own, across = ((samples @ other.T / width + 1) ** 3 for other in (samples, real))
    return (own.sum() - own.diagonal().sum()) / (count * (count - 1)) - 2 * across.mean()


class Training(Resumable):
    """Non-saturating adversarial training beside matched features; the generator's averaged weights are kept.

    The adversary alone leaves out part of the digits. So the generator's samples are also moved towards real digits in
    kernel distance of features (Li et al. 2017, arXiv:1705.08584), which are those of a classifier that is trained
    before, apart from the judge. Averaging as in Yazıcı et al. 2019, arXiv:1806.04498. The learning rate is constant,
    then falls linearly to 0.
    """

    epochs = 36
    learning = 3
    """Epochs in which the recogniser learns, beside the adversaries; then its features are matched."""
    batch = 128
    rate = 2e-4
    falling = 0.5
    """Share of the training over which the learning rate falls."""
    decay = 0.999
    matching = (1.0, 8.0)
    """Weight of the kernel distance in the generator's loss, until the rate falls and at the end."""
    options: Mapping[str, str] = {"value_range": "-1,1", "activation": "relu"}

    def __init__(self, seed: int = 1) -> None:
        self.name = f"dcgan matching={self.matching}"
        self.seed = seed
        self.generator = Generator()
        self.discriminator = Discriminator()
        self.recogniser = Recogniser()
        draws = generator_for("weights", self.name, seed)
        for network in (self.generator, self.discriminator):
            for module in network.modules():
                # The paper's initial values.
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                    nn.init.normal_(module.weight, std=0.02, generator=draws)
                    assert module.bias is not None
                    nn.init.zeros_(module.bias)
        for module in self.recogniser.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=draws)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.averaged = Generator()
        self.averaged.load_state_dict(self.generator.state_dict())
        betas = (0.5, 0.999)
        self.of_generator = torch.optim.Adam(self.generator.parameters(), self.rate, betas=betas, fused=True)
        self.of_discriminator = torch.optim.Adam(self.discriminator.parameters(), self.rate, betas=betas, fused=True)
        self.of_recogniser = torch.optim.AdamW(self.recogniser.parameters(), weight_decay=0.02)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update the discriminator, then the generator, once; images (B, 1, 28, 28) in [0, 1], labels (B,)."""
        learnt = progress * self.epochs / self.learning
        if learnt < 1:
            self._learn(images, labels, learnt)
        fall = max(0.0, 1 - (1 - progress) / self.falling)
        for optimizer in (self.of_generator, self.of_discriminator):
            set_rate(optimizer, self.rate * (1 - fall))
        softplus = functional.softplus
        with fast_products():
            fake = self.generator(torch.randn(len(images), LATENT, generator=generator))
            of_real, of_fake = self.discriminator(2 * images - 1), self.discriminator(fake.detach())
        loss = (softplus(-of_real.float()) + softplus(of_fake.float())).mean()
        self.of_discriminator.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.of_discriminator.step()

        with fast_products():
            of_fake = self.discriminator(fake)
        fooled = softplus(-of_fake.float()).mean()
        matched = torch.zeros(())
        if learnt >= 1:
            self.recogniser.eval().requires_grad_(False)
            with fast_products():
                own = self.recogniser.features((fake + 1) / 2).float()
                with torch.no_grad():
                    real = self.recogniser.features(images).float()
            matched = kernel_distance(own, real)
        first, last = self.matching
        self.of_generator.zero_grad()
        (fooled + (first + (last - first) * fall) * matched).backward()  # type: ignore[no-untyped-call]
        self.of_generator.step()
        average(self.averaged, self.generator, min(self.decay, 200 * progress))
        return {"discriminator": loss.item(), "generator": fooled.item(), "matching": matched.item()}

    def _learn(self, images: Tensor, labels: Tensor, progress: float) -> None:
        """Update the recogniser on distorted digits, with a generator of its own."""
        draws = generator_for("recogniser", self.name, self.seed, f"{progress:.6f}")
        set_rate(self.of_recogniser, 3e-3 * one_cycle(progress))
        self.recogniser.train()
        with fast_products():
            logits = self.recogniser(distort(images, draws))
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=0.03)
        self.of_recogniser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.of_recogniser.step()

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
            "discriminator": self.discriminator,
            "averaged": self.averaged,
            "recogniser": self.recogniser,
            "of_generator": self.of_generator,
            "of_discriminator": self.of_discriminator,
            "of_recogniser": self.of_recogniser,
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
