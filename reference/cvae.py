"""Conditional variational autoencoder of the Tsinghua coursework (Deep Learning, homework 3).

Kingma and Welling 2014, arXiv:1312.6114; conditioning as in Sohn, Lee and Yan 2015 ("Learning structured output
representation using deep conditional generative models"). Layer names and sizes are the coursework's: hidden 256,
latent 100, 1,787,864 parameters. Two choices that the coursework leaves to the student, and that a state dict does not
record, are options: whether a ReLU follows the concatenation, and whether `z_logstd` is log σ or log σ².
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.architecture import Architecture
from reference.hidden_units import hidden_units
from reference.seeding import generator_for
from reference.train import Averaged, average, one_cycle, set_rate

PIXELS = 784
CLASSES = 10


class CVAE(nn.Module):
    """p(x | z, y) and q(z | x, y), both fully connected.

    Parameters
    ----------
    concat_activation : "none" or "relu", applied to the concatenated embeddings of image (or code) and label
    z_log : whether `z_logstd` gives log σ ("std") or log σ² ("variance")
    """

    def __init__(
        self,
        concat_activation: Literal["none", "relu"] = "none",
        z_log: Literal["std", "variance"] = "std",
        hidden: int = 256,
        latent: int = 100,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.z_log = z_log
        self.concat_activation = nn.ReLU() if concat_activation == "relu" else nn.Identity()
        both = 2 * hidden
        self.enc_img_fc = nn.Linear(PIXELS, hidden)
        self.enc_label_fc = nn.Linear(CLASSES, hidden)
        self.encoder = nn.Sequential(nn.Linear(both, both), nn.ReLU(), nn.Linear(both, both), nn.ReLU())
        self.z_mean = nn.Linear(both, latent)
        self.z_logstd = nn.Linear(both, latent)
        self.dec_latent_fc = nn.Linear(latent, hidden)
        self.dec_label_fc = nn.Linear(CLASSES, hidden)
        self.decoder = nn.Sequential(
            nn.Linear(both, both), nn.ReLU(), nn.Linear(both, both), nn.ReLU(), nn.Linear(both, PIXELS), nn.Sigmoid()
        )

    def encode(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute mean, log-variance (N, latent) of q(z | x, y) for images (N, 1, 28, 28), one-hot labels (N, 10)."""
        joined = torch.cat([self.enc_img_fc(images.flatten(1)), self.enc_label_fc(labels)], 1)  # (N, 2 hidden)
        hidden = self.encoder(self.concat_activation(joined))
        log = self.z_logstd(hidden)
        return self.z_mean(hidden), log if self.z_log == "variance" else 2 * log

    def decode(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Compute mean images (N, 1, 28, 28) in [0, 1] of p(x | z, y) for codes (N, latent), one-hot labels (N, 10)."""
        joined = torch.cat([self.dec_latent_fc(codes), self.dec_label_fc(labels)], 1)  # (N, 2 hidden)
        images: Tensor = self.decoder(self.concat_activation(joined))  # (N, 784)
        return images.view(-1, 1, 28, 28)

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) in [0, 1] for noise (N, latent) ~ N(0, I) and one-hot labels (N, 10)."""
        return self.decode(noise, labels_one_hot)

    def hidden_units(self, directions: Tensor, count: Tensor) -> Tensor:
        """The decoder's last hidden units, (count, d), projected on directions (784, d)."""
        before, after = self.decoder[2], self.decoder[4]
        assert isinstance(before, nn.Linear) and isinstance(after, nn.Linear)
        return hidden_units(before, after, directions, count)


def negative_elbo(
    model: CVAE, images: Tensor, labels: Tensor, deviation: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Compute the two terms of the negative evidence lower bound, each a mean in nats an image.

    The decoder's distribution is a Gaussian of fixed standard deviation `deviation` (the coursework's
    `recon_logstd`), without its constant: ‖x − x̂‖² / 2σ², and KL(q(z | x, y) ‖ N(0, I)).
    """
    mean, log_variance = model.encode(images, labels)
    noise = torch.randn(mean.shape, generator=generator)
    codes = mean + (log_variance / 2).exp() * noise
    error = (model.decode(codes, labels) - images).flatten(1).square().sum(1)  # (N,)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)  # (N,)
    return (error / (2 * deviation**2)).mean(), divergence.mean()


class Training(Averaged[CVAE]):
    """Adam on the negative bound, one learning-rate cycle; the averaged weights are kept.

    The decoder's deviation weighs reconstruction against the prior. .8 is large for gray values: the codes then stay
    close to the prior, and samples from the prior resemble the data.
    """

    epochs = 40
    batch = 128
    deviation = 0.8
    rate = 2e-3
    decay = 0.999
    options: Mapping[str, str] = {"concat_activation": "relu", "z_log": "std"}

    def __init__(self, seed: int = 1) -> None:
        self.name = f"cvae deviation={self.deviation}"
        self.seed = seed
        self.model = CVAE("relu", "std")
        generator = generator_for("weights", self.name, seed)
        for module in self.model.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
        self.averaged = CVAE("relu", "std")
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.rate)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28) and labels (B,); return both terms of the bound, nats an image."""
        set_rate(self.optimizer, self.rate * one_cycle(progress))
        one_hot = functional.one_hot(labels, CLASSES).float()
        error, divergence = negative_elbo(self.model, images, one_hot, self.deviation, generator)
        self.optimizer.zero_grad()
        (error + divergence).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        average(self.averaged, self.model, self.decay)
        return {"reconstruction": error.item(), "divergence": divergence.item()}


ARCHITECTURE = Architecture(
    title="Conditional variational autoencoder",
    summary="Digits of a given class by a conditional variational autoencoder",
    task="conditional-generation",
    checkpoint_key="model",
    module=CVAE,
    options={"concat_activation": ("none", "relu"), "z_log": ("std", "variance")},
    also=("conditional-density", "generation"),
    trainings={"cvae": Training},
)
