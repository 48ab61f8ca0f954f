import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from reference.flow_inpainting import KernelRegression, ascend
from reference.preprocessing import Dequantised

pytestmark = pytest.mark.numeric


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_ascent_is_the_starters():
    """Ascent on the gradient −a (a x + b) of a Gaussian equals plain numpy in float64."""
    a, b = torch.linspace(0.3, 5, 8), torch.linspace(-1, 1, 8)

    images = torch.rand(4, 8, generator=generator())
    mask = torch.rand(4, 8, generator=generator(1)) < 0.5
    images[mask] = torch.where(torch.rand(4, 8, generator=generator(2)) < 0.5, 1e-4, 0.9999)[mask]
    found = ascend(lambda logits: -a * (a * logits + b), Dequantised(), images, mask, steps=30)

    slope_of, offset = a.double().numpy(), b.double().numpy()
    unit = 1e-6 + (1 - 2e-6) * (255 * images.double().numpy() + 0.5) / 256
    logits = np.clip(np.log(unit / (1 - unit)), -10, 10)
    for _ in range(30):
        slope = -slope_of * (slope_of * logits + offset)
        moved = np.clip(logits + 0.2 * np.clip(slope, -10, 10), -10, 10)
        logits = np.where(mask.numpy(), moved, logits)
    expected = ((256 * (1 / (1 + np.exp(-logits)) - 1e-6) / (1 - 2e-6) - 0.5) / 255).clip(0, 1)
    assert np.allclose(found.numpy()[mask.numpy()], expected[mask.numpy()], atol=1e-4)
    assert torch.equal(found[~mask], images[~mask])


def test_the_regression_is_scikit_learns_kernel_ridge():
    samples = torch.rand(60, 6, generator=generator(), dtype=torch.float64)
    missing = torch.tensor([False, True, False, False, True, False])
    shown = torch.rand(9, 4, generator=generator(1), dtype=torch.float64)
    found = KernelRegression(samples, closeness=0.7, ridge=0.2, jitter=1e-13).fitted(missing)(shown)

    known, wanted = samples[:, ~missing].numpy(), samples[:, missing].numpy()
    pairs = ((known[:, None] - known[None]) ** 2).sum(2)
    scale = pairs.mean()
    centre = known.mean(axis=0)

    def kernel(left, right):
        squared = ((left[:, None] - right[None]) ** 2).sum(2)
        return (left - centre) @ (right - centre).T / scale + np.exp(-0.7 * squared / scale)

    fitted = KernelRidge(alpha=0.2, kernel="precomputed").fit(kernel(known, known), wanted - wanted.mean(axis=0))
    expected = fitted.predict(kernel(shown.numpy(), known)) + wanted.mean(axis=0)
    assert np.allclose(found.numpy(), expected.clip(0, 1), atol=1e-5)


def test_it_finds_a_conditional_mean_that_is_known():
    """The conditional mean of y = x² / 2 + noise, for uniform x, is not linear in x."""
    x = torch.rand(1500, 1, generator=generator())
    samples = torch.cat([x, 0.5 * x.square() + 0.1 + 0.05 * torch.randn(1500, 1, generator=generator(1))], 1)
    asked = torch.linspace(0.1, 0.9, 9)[:, None]
    mask = torch.tensor([[False, True]]).expand(9, 2)
    images = torch.cat([asked, torch.zeros(9, 1)], 1)
    found = KernelRegression(samples).conditional_mean(images, mask)
    assert torch.equal(found[:, 0], images[:, 0])
    assert torch.allclose(found[:, 1:], 0.5 * asked.square() + 0.1, atol=0.02)


def test_images_with_different_masks_are_answered_one_by_one():
    regression = KernelRegression(torch.rand(50, 6, generator=generator()))
    images = torch.rand(5, 6, generator=generator(1))
    mask = torch.zeros(5, 6, dtype=torch.bool)
    mask[:2, :3], mask[2:4, 3:] = True, True
    together = regression.conditional_mean(images, mask)
    alone = torch.cat([regression.conditional_mean(i[None], m[None]) for i, m in zip(images, mask, strict=True)])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.equal(together[4], images[4])
    assert not torch.equal(together[0], images[0])


def test_few_centres_are_a_least_squares_fit_to_all_samples():
    """With a tiny ridge, one known pixel and two centres, the fit equals numpy's lstsq on the two kernels."""
    samples = torch.rand(200, 2, generator=generator(), dtype=torch.float64)
    found = KernelRegression(samples, centres=2, ridge=1e-12, jitter=1e-14).fitted(torch.tensor([False, True]))
    x, y = (samples - samples.mean(0)).numpy().T
    scale = 2 * (x**2).mean()
    basis = x[:, None] * x[:2] / scale + np.exp(-2 * (x[:, None] - x[:2]) ** 2 / scale)
    expected = basis @ np.linalg.lstsq(basis, y, rcond=None)[0] + samples[:, 1].mean().item()
    assert np.allclose(found(samples[:, :1]).numpy()[:, 0], expected.clip(0, 1), atol=1e-6)
