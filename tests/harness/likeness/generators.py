"""Small conditional generators, trained on the embedded digits, and what a student who copies one does to it."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch.nn import functional

from harness.likeness import units
from reference.cvae import CVAE, negative_elbo
from tests.data import embedded_digits

LATENT, HIDDEN, STEPS = 10, 48, 150
SAMPLES = 3000


def trained(seed: int, order: int) -> CVAE:
    """A model whose first weights are those of `seed`, trained on batches in the order of `order`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CVAE("relu", hidden=HIDDEN, latent=LATENT)
    train = embedded_digits().train
    images, labels = torch.from_numpy(train.images.copy()), torch.from_numpy(train.labels.copy())
    one_hot = functional.one_hot(labels, 10).float()
    generator = torch.Generator().manual_seed(order)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    threads = torch.get_num_threads()
    # Matrices are too small for threads to be of use, and on a busy machine these wait for each other.
    torch.set_num_threads(1)
    for _ in range(STEPS):
        rows = torch.randint(len(images), (64,), generator=generator)
        error, divergence = negative_elbo(model, images[rows], one_hot[rows], 0.25, generator)
        optimizer.zero_grad()
        (error + divergence).backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return model.eval()


@torch.no_grad()
def disguised(model: CVAE, seed: int, noise: float = 0.01, gain: float = 1.0) -> CVAE:
    """A copy with a rotated latent space, hidden units in another order, noise on all weights, a louder last layer."""
    generator = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(model)
    rotation = torch.linalg.qr(torch.randn(LATENT, LATENT, generator=generator))[0]
    other.dec_latent_fc.weight.copy_(model.dec_latent_fc.weight @ rotation)
    first, second = (torch.randperm(2 * HIDDEN, generator=generator) for _ in range(2))
    before, middle, after = (model.decoder[place] for place in (0, 2, 4))
    other.decoder[0].weight.copy_(before.weight[first])
    other.decoder[0].bias.copy_(before.bias[first])
    other.decoder[2].weight.copy_(middle.weight[:, first][second])
    other.decoder[2].bias.copy_(middle.bias[second])
    other.decoder[4].weight.copy_(gain * after.weight[:, second])
    for parameter in other.parameters():
        parameter.add_(noise * parameter.std() * torch.randn(parameter.shape, generator=generator))
    return other


@torch.no_grad()
def answers(model: CVAE) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Samples (n, 1, 28, 28) for noise that is the same for all, their labels (n,), the answers to the code 0, and the
    hidden units."""
    noise = torch.randn(SAMPLES, LATENT, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(SAMPLES) % 10
    images = model.sample(noise, functional.one_hot(labels, 10).float())
    centre = model.sample(torch.zeros(10, LATENT), torch.eye(10))
    return images.numpy(), labels.numpy(), centre.numpy(), hidden_units(model)


def hidden_units(model: CVAE) -> np.ndarray:
    """The answer to the question for the hidden units."""
    inputs = units.question().inputs.values()
    found: np.ndarray = model.hidden_units(*map(torch.from_numpy, inputs)).numpy()
    return found
