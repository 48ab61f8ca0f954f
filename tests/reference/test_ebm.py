from contextlib import nullcontext

import pytest
import torch
from torch.nn import functional

from reference.ebm import (
    ARCHITECTURE,
    EBM,
    DenoisingTraining,
    Softening,
    Training,
    corrupted_rows,
    langevin,
    langevin_step,
)
from reference.train import fit
from tests.data import embedded_digits

pytestmark = pytest.mark.numeric


class Small(Training):
    hidden = 48


class SmallDenoising(DenoisingTraining):
    hidden = 256


def network(**options):
    torch.manual_seed(3)
    return EBM(**options, hidden=24)


def rows(n):
    mask = torch.zeros(n, 1, 28, 28, dtype=torch.bool)
    mask[:, :, 0:27:2] = True
    return mask


def pixels(n, seed=0):
    return torch.rand(n, 784, generator=torch.Generator().manual_seed(seed))


def test_the_network_is_the_courseworks():
    model = EBM()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes == {
        "fc1.weight": (512, 784), "fc1.bias": (512,), "fc2.weight": (512, 512), "fc2.bias": (512,),
        "fc3.weight": (512, 512), "fc3.bias": (512,), "fc4.weight": (1, 512), "fc4.bias": (1,),
    }  # fmt: skip
    x = pixels(4)
    h = x
    for layer in (model.fc1, model.fc2, model.fc3):
        h = functional.leaky_relu(layer(h))
    assert torch.allclose(model.energy(x.view(4, 1, 28, 28)), -model.fc4(h).squeeze(1))
    other = EBM(energy_sign="plus")
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.energy(x), -model.energy(x))
    assert torch.equal(other.slope(x), -model.slope(x))


@pytest.mark.parametrize("sign", ["minus", "plus"])
def test_the_slope_is_autograds(sign):
    model = network(energy_sign=sign)
    x = (6 * pixels(9) - 3).requires_grad_()
    (expected,) = torch.autograd.grad(model.energy(x).sum(), x)
    assert torch.allclose(model.slope(x), expected, atol=1e-7)


def test_a_soft_slope_is_that_of_an_energy_with_soft_kinks():
    model = network().double()
    x = (6 * pixels(5).double() - 3).requires_grad_()
    h = x
    for layer in (model.fc1, model.fc2, model.fc3):
        z = layer(h)
        h = 0.01 * z + 0.99 * torch.log1p((7 * z).exp()) / 7
    (expected,) = torch.autograd.grad(-model.fc4(h).sum(), x)
    # `slope` rounds to float32 on its way, so that it can run under autocast.
    assert torch.allclose(model.float().slope(x.float(), 7.0).double(), expected, atol=1e-6)
    assert torch.allclose(model.slope(x.float(), 1e6), model.slope(x.float()), atol=1e-6)


def test_a_langevin_step_on_a_quadratic_energy():
    """With E = ½ Σ aᵢ(xᵢ − bᵢ)² and no noise, a step multiplies x − b by 1 − step · a."""
    a, b = torch.tensor([[1.0, 0.5, 0.0]]), torch.tensor([[0.4, 0.5, 0.6]])
    start = torch.tensor([[0.9, 0.1, 0.2]])
    x = start
    for _ in range(7):
        x = langevin_step(x, a * (x - b), 0.2, torch.zeros(1, 3))
    assert torch.allclose(x, b + (start - b) * (1 - 0.2 * a) ** 7, atol=1e-6)
    noise = torch.tensor([[0.0, 0.05, -0.1]])
    assert torch.allclose(langevin_step(start, torch.zeros(1, 3), 9.0, noise), start + noise)
    assert langevin_step(start, torch.tensor([[1.0, -1.0, 0.0]]), 3.0, torch.zeros(1, 3)).tolist()[0][:2] == [0, 1]


def test_chains_that_stay_inside_have_the_stationary_variance_of_a_quadratic_energy():
    """The stationary variance of x ← x − s a (x − ½) + n ε is n² / (1 − (1 − s a)²)."""

    class Quadratic:
        def slope(self, x):
            return 2.0 * (x - 0.5)

    ends = langevin(Quadratic(), torch.full((4000, 5), 0.5), 80, 0.1, 0.02, torch.Generator().manual_seed(1))
    expected = 0.02**2 / (1 - 0.8**2)
    # 20,000 draws: the variance's own standard deviation is 1 %.
    assert ends.var().item() == pytest.approx(expected, rel=0.05)


def test_inpainting_follows_the_energy_on_corrupted_pixels_alone():
    model = network(steps=3, step_size=2.0, decay=0.5, noise=0.0)
    images, mask = pixels(4).view(4, 1, 28, 28), rows(4)
    found = model.inpaint(images, mask)
    assert torch.equal(found[~mask], images[~mask])
    x = images.clone()
    for step_size in (2.0, 1.0, 0.5):
        y = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model.energy(y).sum(), y)
        x = torch.where(mask, (x - step_size * slope).clamp(0, 1), x)
    assert torch.allclose(found, x, atol=1e-6)
    assert not torch.allclose(found, images, atol=1e-3)


def test_inpainting_gives_each_image_the_same_answer_in_every_batch():
    model = network(steps=5, step_size=5.0, noise=0.02)
    images, mask = pixels(8).view(8, 1, 28, 28), rows(8)
    whole = model.inpaint(images, mask)
    backwards = model.inpaint(images.flip(0), mask).flip(0)
    alone = torch.cat([model.inpaint(images[i : i + 1], mask[i : i + 1]) for i in range(8)])
    assert torch.allclose(whole, backwards, atol=1e-5)
    assert torch.allclose(whole, alone, atol=1e-5)
    quiet = network(steps=5, step_size=5.0, noise=0.0).inpaint(images, mask)
    assert (whole - quiet)[mask].std() > 0.02


def test_inpainting_works_where_gradients_are_off():
    model = network(steps=2)
    with torch.no_grad():
        found = model.inpaint(pixels(2).view(2, 1, 28, 28), rows(2))
    assert found.shape == (2, 1, 28, 28)


def test_rows_are_corrupted_as_in_the_coursework():
    clean = torch.full((500, 784), 0.5)
    dirty, mask = corrupted_rows(clean, torch.Generator().manual_seed(0))
    assert torch.equal(mask.view(28, 28), rows(1)[0, 0])
    assert torch.equal(dirty[:, ~mask], clean[:, ~mask])
    # The variance of a normal of standard deviation .3 clipped at ±.5, by numerical integration.
    z = torch.linspace(-8, 8, 100_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2)
    expected = ((0.3 * z).clamp(-0.5, 0.5) ** 2 * density).sum() / density.sum()
    assert (dirty - clean)[:, mask].var().item() == pytest.approx(expected.item(), rel=0.02)


def test_most_chains_go_on_from_the_buffer():
    training = Small(1)
    training.steps, training.step_size, training.noise = 1, 0.0, 0.0
    training.buffer.fill_(0.25)
    ends = training.negatives(2000, torch.Generator().manual_seed(5))
    kept = (ends == 0.25).all(1)
    assert kept.double().mean().item() == pytest.approx(0.95, abs=0.02)
    fresh = ends[~kept]
    assert fresh.mean().item() == pytest.approx(0.5, abs=0.01) and fresh.std().item() == pytest.approx(
        12**-0.5, abs=0.01
    )
    # The buffer holds the ends of the chains.
    assert 0.005 < (training.buffer != 0.25).any(1).double().mean() < 0.02


def test_contrastive_divergence_tells_digits_from_noise():
    digits = torch.from_numpy(embedded_digits().train.images[:640])
    training = Small(1)
    training.batch, training.epochs, training.steps, training.decay = 64, 3, 3, 0.5
    training.rate = 3e-3
    fit(training, digits, torch.zeros(len(digits), dtype=torch.int64))
    model = training.result()
    with torch.no_grad():
        real = model.energy(torch.from_numpy(embedded_digits().test.images))
        noise = model.energy(pixels(500))
    assert (real[:500] < noise).double().mean() > 0.95


def test_the_loss_is_the_contrast_and_the_penalty(monkeypatch):
    monkeypatch.setattr("reference.ebm.fast_products", nullcontext)
    training, same = Small(1), Small(1)
    for each in (training, same):
        each.steps, each.step_size, each.noise = 2, 1.0, 0.1
    training.optimizer = torch.optim.SGD(training.model.parameters(), 0.1)
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    images = pixels(8, 1).view(8, 1, 28, 28)
    training.step(images, torch.zeros(8), 0.0, torch.Generator().manual_seed(2))
    negatives = same.negatives(8, torch.Generator().manual_seed(2))
    real, chains = same.model.energy(images), same.model.energy(negatives)
    loss = real.mean() - chains.mean() + (real**2).mean() + (chains**2).mean()
    gradients = torch.autograd.grad(loss, list(same.model.parameters()))
    for (name, after), gradient in zip(training.model.state_dict().items(), gradients, strict=True):
        assert torch.allclose((before[name] - after) / 0.1, gradient, atol=2e-5)


def test_kinks_are_sharpened_and_end_as_the_leaky_relus():
    softening = Softening(first=2.0, last=32.0, until=0.8, straight=7.0)
    assert softening.at(0.0) == (2.0, False)
    assert softening.at(0.4) == (pytest.approx(8.0), False)
    assert softening.at(0.8) == (pytest.approx(32.0), False)
    assert softening.at(0.81) == (7.0, True)


def test_straight_kinks_are_sharp_in_value_and_soft_in_derivative():
    model = network()
    x = 6 * pixels(5) - 3
    straight = model.slope(x, 7.0, True)
    assert torch.allclose(straight, model.slope(x), atol=1e-7)
    before = model.fc3(functional.leaky_relu(model.fc2(functional.leaky_relu(model.fc1(x)))))
    sigmoid = torch.sigmoid(7.0 * before)
    direction = torch.randn(5, 784, generator=torch.Generator().manual_seed(2))
    (found,) = torch.autograd.grad((straight * direction).sum(), model.fc3.bias)
    # ∇E·v = −Σₖ w₄ₖ sₖ (W₃ D₂ W₂ D₁ W₁ v)ₖ, so its derivative by b₃ₖ is that of sₖ = .01 + .99 σ(7 zₖ) times the rest.
    first = model.fc1(x)
    second = model.fc2(functional.leaky_relu(first))
    forward = direction @ model.fc1.weight.T * torch.where(first > 0, 1.0, 0.01)
    forward = forward @ model.fc2.weight.T * torch.where(second > 0, 1.0, 0.01)
    rest = -model.fc4.weight * (forward @ model.fc3.weight.T)
    expected = (rest * 0.99 * 7.0 * sigmoid * (1 - sigmoid)).sum(0)
    assert torch.allclose(found, expected, atol=1e-6)
    assert expected.abs().max() > 1e-3


def test_training_through_the_steps_lowers_the_error():
    digits = torch.from_numpy(embedded_digits().train.images[:1280])
    training = SmallDenoising(1)
    training.batch, training.epochs, training.steps, training.rate = 32, 3, 2, 2e-3
    history = fit(training, digits, torch.zeros(len(digits), dtype=torch.int64))
    start, _ = corrupted_rows(digits.flatten(1), torch.Generator().manual_seed(0))
    assert history[-1].losses["MSE"] < 0.75 * (start - digits.flatten(1)).square().mean()


def test_the_steps_that_are_trained_through_are_those_of_inpainting(monkeypatch):
    """The loss equals the error of `inpaint` with the recipe's options if nothing is clipped or softened."""
    monkeypatch.setattr("reference.ebm.fast_products", nullcontext)
    training = SmallDenoising(1)
    training.softening = Softening(until=-1.0)
    images = 0.5 + 0.01 * pixels(4, 2).view(4, 1, 28, 28)  # far from 0 and 1, but for the noise
    start, mask = corrupted_rows(images.flatten(1), torch.Generator().manual_seed(9))
    model = EBM(**ARCHITECTURE.choose(training.options), hidden=training.hidden)
    model.load_state_dict(training.model.state_dict())
    found = model.inpaint(start.view_as(images), mask.view(1, 1, 28, 28).expand(4, -1, -1, -1))
    said = training.step(images, torch.zeros(4), 0.5, torch.Generator().manual_seed(9))
    assert said["MSE"] == pytest.approx((found - images).square().mean().item(), rel=1e-2)
