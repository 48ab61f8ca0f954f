"""Inpainting 10,000 images: gradebench's models against the courseworks' own loops, in the same run.

TU Berlin's sheet treats one image after the other: PCA by scikit-learn's `transform` and `inverse_transform`, EBL by a
forward pass. Tsinghua's starter differentiates the energy by autograd, which gives the weights their gradients, too, in
batches of 128. These loops run on a subset: to compare the two ways, take `extra_info`, which --benchmark-json writes,
"seconds for 10,000".
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


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


def told(benchmark, images):
    """Put the speed into the table, as a number that the two ways can be compared by."""
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info |= {"images a second": round(images / seconds), "images": images}
        benchmark.extra_info["seconds for 10,000"] = round(seconds * IMAGES / images, 3)


@pytest.mark.benchmark(group="patch inpainting by PCA")
def test_pca(benchmark, patches, components):
    model = PCA(dimensions=10)
    model.components.copy_(torch.from_numpy(components.components_))
    model.mean.copy_(torch.from_numpy(components.mean_))
    found = benchmark(model.inpaint, *patches)
    told(benchmark, IMAGES)
    by_hand = pca_image_by_image(components, patches[0][:3], patches[1][:3])
    np.testing.assert_allclose(found[:3], by_hand, atol=1e-5)


def pca_image_by_image(components, images, mask):
    completed = []
    for image, missing in zip(images.numpy(), mask.numpy(), strict=True):
        projected = components.inverse_transform(components.transform(2 * image.reshape(1, 784) - 1))
        completed.append(np.where(missing, ((projected + 1) / 2).clip(0, 1).reshape(1, 28, 28), image))
    return np.stack(completed)


@pytest.mark.benchmark(group="patch inpainting by PCA")
def test_pca_image_by_image(benchmark, patches, components):
    found = benchmark.pedantic(pca_image_by_image, (components, patches[0][:SUBSET], patches[1][:SUBSET]), rounds=3)
    told(benchmark, SUBSET)
    assert found.shape == (SUBSET, 1, 28, 28)


@pytest.mark.benchmark(group="patch inpainting by EBL")
def test_ebl(benchmark, patches):
    generator = drawn(Generator())
    images, mask = patches

    def in_batches():
        with torch.no_grad():
            parts = zip(images.split(500), mask.split(500), strict=True)
            return torch.cat([generator.inpaint(some, missing) for some, missing in parts])

    found = benchmark.pedantic(in_batches, rounds=3, warmup_rounds=1)
    told(benchmark, IMAGES)
    assert torch.allclose(found[:3], ebl_image_by_image(generator, images[:3], mask[:3]), atol=1e-5)


def ebl_image_by_image(generator, images, mask):
    completed = []
    for image, missing in zip(images, mask, strict=True):
        filled = generator(2 * image.view(1, 784) - 1).detach()
        completed.append(torch.where(missing, (filled.view(1, 28, 28) + 1) / 2, image))
    return torch.stack(completed)


@pytest.mark.benchmark(group="patch inpainting by EBL")
def test_ebl_image_by_image(benchmark, patches):
    images, mask = (part[:SUBSET] for part in patches)
    benchmark.pedantic(ebl_image_by_image, (drawn(Generator()), images, mask), rounds=3, warmup_rounds=1)
    told(benchmark, SUBSET)


def rows(n):
    mask = torch.zeros(n, 1, 28, 28, dtype=torch.bool)
    mask[:, :, 0:27:2] = True
    return mask


def trained_somewhat():
    return drawn(EBM(steps=STEPS, step_size=10.0, noise=0.0))


@pytest.mark.benchmark(group="row inpainting, 60 Langevin steps")
def test_langevin(benchmark, patches):
    model = trained_somewhat()
    mask = rows(500)

    def in_batches():
        return torch.cat([model.inpaint(some, mask) for some in patches[0].split(500)])

    found = benchmark.pedantic(in_batches, rounds=1)
    told(benchmark, IMAGES)
    assert torch.allclose(found[:32], langevin_by_autograd(model, patches[0][:32], mask[:32]), atol=1e-4)


def langevin_by_autograd(model, images, mask):
    completed = []
    for some, corrupted in zip(images.split(128), mask.split(128), strict=True):
        x = some.clone()
        for _ in range(STEPS):
            x = x.detach().requires_grad_()
            model.zero_grad()
            model.energy(x).sum().backward()
            x = torch.where(corrupted, (x - 10 * x.grad).clamp(0, 1), x)
        completed.append(x.detach())
    return torch.cat(completed)


@pytest.mark.benchmark(group="row inpainting, 60 Langevin steps")
def test_langevin_by_autograd(benchmark, patches):
    benchmark.pedantic(
        langevin_by_autograd, (trained_somewhat(), patches[0][:SUBSET], rows(SUBSET)), rounds=1, warmup_rounds=0
    )
    told(benchmark, SUBSET)
