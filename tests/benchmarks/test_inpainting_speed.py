"""Inpainting 10,000 images: gradebench's models against the courseworks' own loops, in the same run.

TU Berlin's sheet treats one image after the other: PCA by scikit-learn's `transform` and `inverse_transform`, EBL by a
forward pass. Tsinghua's starter differentiates the energy by autograd, which gives the weights their gradients, too, in
batches of 128. These loops run on a subset, and their time is scaled. All take one thread, as in a worker.
"""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as ReferencePCA

from reference.ebl import Generator, holes
from reference.ebm import EBM
from reference.pca import PCA
from reference.seeding import draw_linear_layers

IMAGES = 10_000
SUBSET = 500
STEPS = 60


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def patches():
    generator = torch.Generator().manual_seed(0)
    mask = holes(IMAGES, generator)
    return torch.rand(IMAGES, 1, 28, 28, generator=generator).masked_fill(mask, 0.5), mask


@pytest.fixture(scope="module")
def components():
    digits = 2 * torch.rand(1000, 784, generator=torch.Generator().manual_seed(1)).numpy() - 1
    return ReferencePCA(10, random_state=0).fit(digits)


def drawn(model):
    draw_linear_layers(model, torch.Generator().manual_seed(0))
    return model


def pca_image_by_image(components, images, mask):
    completed = []
    for image, missing in zip(images.numpy(), mask.numpy(), strict=True):
        projected = components.inverse_transform(components.transform(2 * image.reshape(1, 784) - 1))
        completed.append(np.where(missing, ((projected + 1) / 2).clip(0, 1).reshape(1, 28, 28), image))
    return np.stack(completed)


def test_pca(compare, patches, components):
    model = PCA(dimensions=10)
    model.components.copy_(torch.from_numpy(components.components_))
    model.mean.copy_(torch.from_numpy(components.mean_))
    images, mask = patches
    by_hand = pca_image_by_image(components, images[:3], mask[:3])
    np.testing.assert_allclose(model.inpaint(images, mask)[:3], by_hand, atol=1e-5)
    compare(
        "patch inpainting of 10,000 images by PCA",
        lambda: model.inpaint(images, mask),
        "scikit-learn, image by image",
        lambda: pca_image_by_image(components, images[:SUBSET], mask[:SUBSET]),
        share=SUBSET / IMAGES,
    )


def ebl_image_by_image(generator, images, mask):
    completed = []
    for image, missing in zip(images, mask, strict=True):
        filled = generator(2 * image.view(1, 784) - 1).detach()
        completed.append(torch.where(missing, (filled.view(1, 28, 28) + 1) / 2, image))
    return torch.stack(completed)


def test_ebl(compare, patches):
    generator = drawn(Generator())
    images, mask = patches

    def in_batches():
        with torch.no_grad():
            parts = zip(images.split(500), mask.split(500), strict=True)
            return torch.cat([generator.inpaint(some, missing) for some, missing in parts])

    assert torch.allclose(in_batches()[:3], ebl_image_by_image(generator, images[:3], mask[:3]), atol=1e-5)
    compare(
        "patch inpainting of 10,000 images by EBL",
        in_batches,
        "the network, image by image",
        lambda: ebl_image_by_image(generator, images[:SUBSET], mask[:SUBSET]),
        share=SUBSET / IMAGES,
    )


def rows(n):
    mask = torch.zeros(n, 1, 28, 28, dtype=torch.bool)
    mask[:, :, 0:27:2] = True
    return mask


def trained_somewhat(steps=STEPS):
    return drawn(EBM(steps=steps, step_size=10.0, noise=0.0))


def langevin_by_autograd(model, images, mask):
    completed = []
    for some, corrupted in zip(images.split(128), mask.split(128), strict=True):
        x = some.clone()
        for _ in range(model.steps):
            x = x.detach().requires_grad_()
            model.zero_grad()
            model.energy(x).sum().backward()
            x = torch.where(corrupted, (x - 10 * x.grad).clamp(0, 1), x)
        completed.append(x.detach())
    return torch.cat(completed)


def test_langevin(compare, patches):
    model, some, mask = trained_somewhat(), patches[0][:SUBSET], rows(SUBSET)
    few = trained_somewhat(3)
    same = (few.inpaint(some, mask) - langevin_by_autograd(few, some, mask)).abs().amax((1, 2, 3)) < 1e-4
    assert same.double().mean() > 0.95  # in the others, rounding put a unit on the other side of its kink
    moving, hidden = int(mask[0].sum()), model.fc2.in_features
    compare(
        "row inpainting of 500 images by 60 Langevin steps",
        lambda: model.inpaint(some, mask),
        "autograd, batches of 128",
        lambda: langevin_by_autograd(model, some, mask),
        work=SUBSET * STEPS * 2 * 2 * (moving * hidden + 2 * hidden**2),
    )
