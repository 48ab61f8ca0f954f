"""Conditional generative adversarial network of the Tsinghua coursework (Deep Learning, homework 3).

Goodfellow et al. 2014, arXiv:1406.2661; Mirza and Osindero 2014, arXiv:1411.1784. Layer names and sizes are the
coursework's: generator 1,624,336 parameters, discriminator 1,997,313. A checkpoint of the coursework holds both,
under `g` and `d`; only the generator is graded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.architecture import Architecture
from reference.augment import distort
from reference.hidden_units import hidden_units
from reference.seeding import generator_for
from reference.train import Resumable, average, one_cycle, set_rate

PIXELS = 784
CLASSES = 10


class Generator(nn.Module):
    """Maps noise and label to an image.

    Parameters
    ----------
    concat_activation : "relu" or "none", applied to the normalised embeddings of noise and label
    value_range : range of the images that the network was trained on. The tanh gives [−1, 1], which "-1,1" maps
        to [0, 1] for grading; "0,1" takes the output as it is.
    """

    def __init__(
        self,
        concat_activation: Literal["relu", "none"] = "relu",
        value_range: Literal["-1,1", "0,1"] = "-1,1",
        latent: int = 100,
    ) -> None:
        super().__init__()
        self.value_range = value_range
        self.concat_activation = nn.ReLU() if concat_activation == "relu" else nn.Identity()
        self.latent_fc = nn.Linear(latent, 256)
        self.latent_bn = nn.BatchNorm1d(256)
        self.label_fc = nn.Linear(CLASSES, 256)
        self.label_bn = nn.BatchNorm1d(256)
        self.fc1 = nn.Linear(512, 512)
        self.bn1 = nn.BatchNorm1d(512)
        self.fc2 = nn.Linear(512, 1024)
        self.bn2 = nn.BatchNorm1d(1024)
        self.fc3 = nn.Linear(1024, PIXELS)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Images (N, 784) in [−1, 1] for noise (N, latent) and one-hot labels (N, 10)."""
        joined = torch.cat([self.latent_bn(self.latent_fc(noise)), self.label_bn(self.label_fc(labels))], 1)  # (N, 512)
        hidden = self.concat_activation(joined)
        hidden = torch.relu(self.bn1(self.fc1(hidden)))  # (N, 512)
        hidden = torch.relu(self.bn2(self.fc2(hidden)))  # (N, 1024)
        images: Tensor = self.fc3(hidden).tanh()
        return images

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) for noise (N, latent) ~ N(0, I) and one-hot labels (N, 10); in [0, 1] as trained."""
        images = self(noise, labels_one_hot).view(-1, 1, 28, 28)
        scaled: Tensor = (images + 1) / 2 if self.value_range == "-1,1" else images
        return scaled

    def hidden_units(self, directions: Tensor, count: Tensor) -> Tensor:
        """The last hidden units, (count, d), projected on directions (784, d)."""
        return hidden_units(self.fc2, self.fc3, directions, count, self.bn2)


class Discriminator(nn.Module):
    """Maps image and label to the logit of the probability that the image is real."""

    def __init__(self) -> None:
        super().__init__()
        self.img_fc = nn.Linear(PIXELS, 1024)
        self.label_fc = nn.Linear(CLASSES, 1024)
        self.fc2 = nn.Linear(2048, 512)
        self.bn2 = nn.BatchNorm1d(512)
        self.fc3 = nn.Linear(512, 256)
        self.bn3 = nn.BatchNorm1d(256)
        self.fc4 = nn.Linear(256, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Logits (N,) for images (N, 784) in [−1, 1] and one-hot labels (N, 10)."""
        joined = torch.cat([self.img_fc(images), self.label_fc(labels)], 1)  # (N, 2048)
        hidden = functional.leaky_relu(joined, 0.2)
        hidden = functional.leaky_relu(self.bn2(self.fc2(hidden)), 0.2)  # (N, 512)
        hidden = functional.leaky_relu(self.bn3(self.fc3(hidden)), 0.2)  # (N, 256)
        logits: Tensor = self.fc4(hidden).squeeze(1)
        return logits


def _recogniser() -> nn.Sequential:
    """Construct a convolutional classifier: (N, 784) in [0, 1] -> logits (N, 10)."""
    layers: list[nn.Module] = [nn.Unflatten(-1, (1, 28, 28)), nn.PixelUnshuffle(2)]  # (N, 4, 14, 14)
    for channels_in, channels_out in ((4, 32), (32, 32), (32, 64), (64, 64)):
        convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(channels_out), nn.ReLU()]
        if (channels_in, channels_out) == (32, 32):
            layers.append(nn.MaxPool2d(2))  # (N, 32, 7, 7)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 49, CLASSES))


def _disturbed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift images (B, 784) in [-1, 1] by up to two pixels, all alike, and add noise of standard deviation .2."""
    down, across = torch.randint(-2, 3, (2,), generator=generator).tolist()
    shifted = images.view(-1, 28, 28).roll((down, across), (1, 2)).reshape(-1, PIXELS)
    return shifted + 0.2 * torch.randn(images.shape, generator=generator)


class Training(Resumable):
    """Non-saturating adversarial training with auxiliary classifiers; the generator's averaged weights are kept.

    A small classifier learns from real images beside the discriminator, and its loss on generated images makes the
    generator's digits recognisable (Odena, Olah and Shlens 2017, arXiv:1610.09585). Towards the end a larger one joins
    it, because the generator overfits the small one. Neither is part of the result. Both are trained apart from the
    judge, but the larger one resembles its members, which is why the accuracy exceeds that of real digits.
    """

    epochs = 41
    main = 30
    """Epochs of the main part; the rest, at a low learning rate, makes the digits recognisable under disturbances."""
    learning = range(32, 37)
    """Epochs in which the recogniser, the larger classifier, learns from distorted digits; then its loss counts."""
    batch = 128
    rate = 2e-4
    decay = 0.999
    smoothing = 0.1
    """One-sided label smoothing for the discriminator (Salimans et al. 2016, arXiv:1606.03498)."""
    recognition = 1.0
    """Initial weight of the auxiliary classifier's cross-entropy in the generator's loss."""
    insistence = 8.0
    """Final value of that weight, which rises from 65 to 80 % of the main part, when the samples are diverse enough."""
    options: Mapping[str, str] = {"concat_activation": "relu", "value_range": "-1,1"}

    def __init__(self, seed: int = 1) -> None:
        self.name = f"cgan recognition={self.recognition} smoothing={self.smoothing}"
        self.seed = seed
        self.generator = Generator()
        self.discriminator = Discriminator()
        self.classifier = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, 24, 5, 2, 2),  # (N, 24, 14, 14)
            nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 3, 2, 1),  # (N, 48, 7, 7)
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(48 * 49, 128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, CLASSES),
        )
        self.recogniser = _recogniser()
        draws = generator_for("weights", self.name, seed)
        for network in (self.generator, self.discriminator, self.classifier):
            for module in network.modules():
                if isinstance(module, nn.Linear | nn.Conv2d):
                    nn.init.kaiming_uniform_(module.weight, 5**0.5, generator=draws)
                    assert module.bias is not None
                    nn.init.zeros_(module.bias)
        for module in self.recogniser.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=draws)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.of_recogniser = torch.optim.AdamW(self.recogniser.parameters(), weight_decay=0.02)
        self.averaged = Generator()
        self.averaged.load_state_dict(self.generator.state_dict())
        self.adversaries = [*self.discriminator.parameters(), *self.classifier.parameters()]
        self.of_generator = torch.optim.Adam(self.generator.parameters(), self.rate, betas=(0.5, 0.999), fused=True)
        self.of_adversaries = torch.optim.Adam(self.adversaries, self.rate, betas=(0.5, 0.999), fused=True)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update discriminator and classifier, then the generator, once; images (B, 1, 28, 28), labels (B,)."""
        main = progress * self.epochs / self.main
        epoch = progress * self.epochs
        if int(epoch) in self.learning:
            self._learn(images, labels, epoch)
        rate = self.rate * (
            min(1.0, 2 * (1 - main) + 0.01) if main < 1 else 0.5 * (1 - (epoch - self.main) / 12) + 0.005
        )
        set_rate(self.of_generator, rate)
        set_rate(self.of_adversaries, rate)
        real = images.flatten(1) * 2 - 1  # (B, 784) in [-1, 1]
        one_hot = functional.one_hot(labels, CLASSES).float()
        wanted = torch.randint(0, CLASSES, labels.shape, generator=generator)
        wanted_one_hot = functional.one_hot(wanted, CLASSES).float()
        fake = self.generator(torch.randn(len(images), 100, generator=generator), wanted_one_hot)

        of_real = self.discriminator(real, one_hot)
        of_fake = self.discriminator(fake.detach(), wanted_one_hot)
        softplus = functional.softplus
        loss = (softplus(-of_real) + self.smoothing * of_real + softplus(of_fake)).mean()
        recognition = functional.cross_entropy(self.classifier(_disturbed(real, generator)), labels)
        self.of_adversaries.zero_grad()
        (loss + recognition).backward()
        self.of_adversaries.step()

        fooled = softplus(-self.discriminator(fake, wanted_one_hot)).mean()
        shown = _disturbed(fake, generator) if main >= 1 else fake
        recognised = functional.cross_entropy(self.classifier(shown), wanted)
        if epoch >= self.learning.stop:
            self.recogniser.eval()
            recognised = recognised + functional.cross_entropy(self.recogniser((fake + 1) / 2), wanted)
        self.of_generator.zero_grad()
        rise = min(max((main - 0.65) / 0.15, 0.0), 1.0)
        weight = self.recognition + (self.insistence - self.recognition) * rise
        (fooled + weight * recognised).backward()  # type: ignore[no-untyped-call]
        self.of_generator.step()
        average(self.averaged, self.generator, self.decay)
        return {"discriminator": loss.item(), "generator": fooled.item(), "recognition": recognised.item()}

    def _learn(self, images: Tensor, labels: Tensor, epoch: float) -> None:
        """Update the recogniser on distorted digits, with a generator of its own."""
        draws = generator_for("recogniser", self.name, self.seed, f"{epoch:.6f}")
        share = (epoch - self.learning.start) / len(self.learning)
        set_rate(self.of_recogniser, 3e-3 * one_cycle(share))
        self.recogniser.train()
        loss = functional.cross_entropy(
            self.recogniser(distort(images, draws).flatten(1)), labels, label_smoothing=0.03
        )
        self.of_recogniser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.of_recogniser.step()

    def result(self) -> nn.Module:
        """Return the generator with averaged weights and batch-norm statistics that fit them."""
        kept = Generator()
        kept.load_state_dict(self.averaged.state_dict())
        for module in kept.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.reset_running_stats()
                module.momentum = None  # None: a plain mean over all batches
        draws = generator_for("statistics", self.name, self.seed)
        labels = torch.arange(1000) % CLASSES
        kept.train()
        with torch.no_grad():
            for _ in range(50):
                kept(torch.randn(1000, 100, generator=draws), functional.one_hot(labels, CLASSES).float())
        return kept.eval()

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "classifier": self.classifier,
            "averaged": self.averaged,
            "recogniser": self.recogniser,
            "of_recogniser": self.of_recogniser,
            "of_generator": self.of_generator,
            "of_adversaries": self.of_adversaries,
        }


ARCHITECTURE = Architecture(
    title="Conditional generative adversarial network",
    summary="Digits of a given class by a conditional generative adversarial network",
    task="conditional-generation",
    checkpoint_key="g",
    module=Generator,
    options={"concat_activation": ("relu", "none"), "value_range": ("-1,1", "0,1")},
    also=("generation",),
    trainings={"cgan": Training},
)
