import pytest
import torch
from torch import nn

from reference import architecture, shipped
from reference.density import bits_per_dim, jacobian_log_det, log_density
from reference.flow_inpainting import KernelRegression
from reference.flow_layers import BatchNormFlow
from reference.realnvp import RealNVP, Training
from reference.seeding import generator_for
from reference.train import fit
from tests.data import embedded_digits, mnist_digits

pytestmark = pytest.mark.numeric


def flow(dimensions=784, hidden=16, seed=0, deviation=0.3, **options):
    """Weights and statistics far from the identity."""
    model = RealNVP(**options, dimensions=dimensions, hidden=hidden)
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=deviation / module.in_features**0.5, generator=generator)
            nn.init.normal_(module.bias, std=deviation, generator=generator)
        if isinstance(module, BatchNormFlow):
            nn.init.normal_(module.log_gamma, std=deviation, generator=generator)
            nn.init.normal_(module.beta, std=deviation, generator=generator)
            module.running_mean.normal_(std=deviation, generator=generator)
            module.running_variance.uniform_(0.5, 2, generator=generator)
    return model.eval()


def half(n):
    mask = torch.zeros(n, 1, 28, 28, dtype=torch.bool)
    mask[:, :, 14:] = True
    return mask


def images(n, seed=0):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def test_the_courseworks_layers():
    model = RealNVP()
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Coupling", "BatchNormFlow", "Shuffle"] * 8
    known = [model.layers[i].mask.nonzero().squeeze(1) for i in range(0, 24, 3)]
    for cycle in (known[:4], known[4:]):
        assert [(positions[0].item(), positions[1].item(), len(positions)) for positions in cycle] == [
            (0, 2, 392), (1, 3, 392), (0, 1, 392), (392, 393, 392),
        ]  # fmt: skip
    stored = {name.rpartition(".")[2] for name in model.state_dict()}
    assert {"mask", "order", "running_mean", "running_variance"} <= stored
    wide = sum(p.numel() for p in RealNVP(hidden=1024).parameters())
    # The coursework's networks see all 784 positions and give 784, half of them masked out: 42 million.
    full = 16 * (784 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 784 + 784) + 8 * 2 * 784
    assert wide == full - 16 * (2 * 392 * 1024 + 392) and 41e6 < full < 43e6


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_log_det_is_autograds_when_small(dtype, tolerance):
    model = flow(dimensions=12).to(dtype)
    for seed in range(3):
        value = 3 * torch.randn(12, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        said, found = jacobian_log_det(model, value)
        assert said == pytest.approx(found, abs=tolerance) and abs(found) > 0.1


def test_log_det_is_autograds_at_full_size():
    model = flow().double()
    value = 3 * torch.randn(784, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    said, found = jacobian_log_det(model, value)
    assert said == pytest.approx(found, abs=1e-8) and abs(found) > 1


def test_the_inverse_inverts():
    values = 3 * torch.randn(6, 784, generator=torch.Generator().manual_seed(2))
    model = flow()
    z, _ = model(values)
    assert not torch.allclose(z, values, atol=0.5)
    assert torch.allclose(model.inverse(z), values, atol=1e-3)
    double = model.double()
    assert torch.allclose(double.inverse(double(values.double())[0]), values.double(), atol=1e-10)


def test_the_density_integrates_to_one():
    model = flow(dimensions=2, hidden=8, deviation=0.5).double()
    with torch.no_grad():
        drawn = model.inverse(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)).double())
        centre, spread = drawn.mean(0), drawn.std(0)
        # The grid's cells are 1/16 of a standard deviation.
        axes = [m + s * torch.linspace(-10, 10, 321, dtype=torch.float64) for m, s in zip(centre, spread, strict=True)]
        grid = torch.cartesian_prod(*axes)
        mass = log_density(model, grid).exp() * (spread / 16).prod()
    assert mass.sum().item() == pytest.approx(1, abs=1e-3)
    assert torch.allclose((mass[:, None] * grid).sum(0), centre, atol=0.05 * spread.max().item())


@pytest.mark.parametrize("inpainting", architecture("realnvp").options["inpainting"])
def test_known_pixels_stay_and_the_batch_does_not_matter(inpainting, monkeypatch):
    """In float32 the companions change no bit: sums have the same order, whatever stands in the other rows.

    With the size of the batch their order changes, and each step of the ascent amplifies that: twenty steps make 1e-4
    of 6e-8. So sizes and places are compared in float64, where the same steps make 3e-13 of 1.1e-16.
    """
    monkeypatch.setattr("reference.flow_inpainting.ASCENT_STEPS", 20)
    monkeypatch.setattr("reference.realnvp.SAMPLES", 200)
    model, shown = flow(inpainting=inpainting), images(5)
    together = model.inpaint(shown, half(5))
    assert torch.equal(together[:, :, :14], shown[:, :, :14])
    assert not torch.allclose(together, shown, atol=0.1)
    assert together.min() >= 0 and together.max() <= 1 and together.shape == shown.shape
    companions = images(5, 1)
    companions[3] = shown[3]
    assert torch.equal(model.inpaint(companions, half(5))[3], together[3])

    regression = KernelRegression(model.regression().samples.double())
    monkeypatch.setattr(model, "regression", lambda: regression)
    model, shown = model.double(), shown.double()
    together = model.inpaint(shown, half(5))
    alone = torch.cat([model.inpaint(one[None], half(1)) for one in shown])
    backwards = model.inpaint(shown.flip(0), half(5)).flip(0)
    assert torch.allclose(together, alone, rtol=0, atol=1e-9)
    assert torch.allclose(together, backwards, rtol=0, atol=1e-9)


def test_the_mean_does_not_look_at_missing_pixels_and_the_ascent_starts_from_them(monkeypatch):
    monkeypatch.setattr("reference.flow_inpainting.ASCENT_STEPS", 2)
    monkeypatch.setattr("reference.realnvp.SAMPLES", 200)
    shown, other = images(2), images(2, 1)
    other[:, :, :14] = shown[:, :, :14]
    for inpainting, same in (("mean", True), ("ascent", False)):
        model = flow(inpainting=inpainting)
        assert torch.equal(model.inpaint(shown, half(2)), model.inpaint(other, half(2))) == same


def test_preprocessing_is_an_option():
    value = torch.randn(3, 784, generator=torch.Generator().manual_seed(0))
    drawn = {kind: flow(preprocessing=kind).sample(value) for kind in architecture("realnvp").options["preprocessing"]}
    assert not torch.equal(drawn["dequantised"], drawn["coursework"])
    assert torch.allclose(drawn["dequantised"], drawn["coursework"], atol=0.01)


class Small(Training):
    hidden = 24
    epochs = 4
    batch = 50
    examples = 300
    rate = 5e-3


def test_training_lowers_the_bits_and_its_result_answers_by_running_averages():
    digits = embedded_digits()
    shown, labels = torch.from_numpy(digits.train.images), torch.from_numpy(digits.train.labels)
    training = Small(4)
    history = fit(training, shown, labels)
    assert history[-1].losses["bits/dim"] < history[0].losses["bits/dim"] - 0.1
    result = training.result()
    test = torch.from_numpy(digits.test.images).flatten(1)
    together = bits_per_dim(result, test[:50], generator_for("test"))
    assert together.isfinite().all()
    assert torch.allclose(
        together[:1].float(), bits_per_dim(result, test[:1], generator_for("test")).float(), atol=1e-4
    )


@pytest.fixture(scope="module")
def trained():
    return shipped.module("realnvp")


def test_shipped_density(trained):
    test = torch.from_numpy(mnist_digits().test.images[:1000]).flatten(1)
    found = bits_per_dim(trained, test, generator_for("shipped density"))
    assert found.mean().item() < 2.10


def test_shipped_log_det(trained):
    test = torch.from_numpy(embedded_digits().test.images[:1]).flatten(1).double()
    value = trained.preprocessing.logits(test)[0][0]
    said, found = jacobian_log_det(trained.double(), value)
    trained.float()
    assert said == pytest.approx(found, abs=1e-4)
    assert trained(value[None].float())[1].item() == pytest.approx(found, abs=2e-2)


@pytest.mark.long
def test_shipped_inpainting_is_better_than_the_mean_image(trained):
    digits = mnist_digits()
    test = torch.from_numpy(digits.test.images[:100])
    recovered = trained.inpaint(torch.where(half(100), 0.0, test), half(100))
    error = (recovered - test)[:, :, 14:].square().mean().item()
    mean = torch.from_numpy(digits.train.images).mean(0)
    assert error < 0.9 * (mean - test)[:, :, 14:].square().mean().item()
    assert isinstance(trained.regression(), KernelRegression)
