"""Tests of the mixture density network: likelihood, mean, mode, training, and reading of checkpoints."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from reference import architecture, trainings
from reference.ebl import holes
from reference.mdn import MDN, Mixture, adapt, dequantised, mean, mode, negative_log_likelihood
from reference.seeding import draw_linear_layers
from reference.train import fit
from tests.data import embedded_digits

pytestmark = pytest.mark.numeric


def drawn(deviations=1, **options):
    model = MDN(hidden=24, components=5, deviations=deviations, **options)
    generator = torch.Generator().manual_seed(1)
    draw_linear_layers(model, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def question(n=12):
    generator = torch.Generator().manual_seed(2)
    levels = torch.randint(256, (n, 1, 28, 28), generator=generator)
    return levels / 255, holes(n, generator)


@pytest.mark.parametrize("deviations", [1, 36])
def test_the_likelihood_is_the_mixtures_in_double_precision(deviations):
    model, (images, mask) = drawn(deviations), question()
    with torch.no_grad():
        found = negative_log_likelihood(model, images, mask, torch.Generator().manual_seed(7))
        z, mu, log_sigma = (each.double().numpy() for each in model.density(images, mask))
    noise = torch.rand(len(images), 36, generator=torch.Generator().manual_seed(7))
    levels = (255 * images[mask].view(-1, 36)).round().double()
    t = ((levels + noise) / 256).numpy()
    log_sigma = np.broadcast_to(log_sigma, mu.shape)
    log_phi = -0.5 * ((t[:, None] - mu) / np.exp(log_sigma)) ** 2 - log_sigma - 0.5 * math.log(2 * math.pi)
    log_alpha = z - logsumexp(z, axis=1, keepdims=True)
    expected = -logsumexp(log_alpha + log_phi.sum(2), axis=1)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_deviations_are_no_less_than_that_of_the_noise():
    model, (images, mask) = drawn(36), question()
    with torch.no_grad():
        model.deviations.bias -= 100
        assert model.density(images, mask).log_sigma.exp().min() == pytest.approx(1 / 256 / 12**0.5, rel=1e-5)


def test_dequantised_pixels_have_the_density_of_their_levels():
    pixels = torch.tensor([0.0, 1.0, 128 / 255]).repeat(20_000, 1)
    t = dequantised(pixels, torch.Generator().manual_seed(0))
    lowest = torch.tensor([0, 255, 128]) / 256
    assert (t >= lowest).all() and (t < lowest + 1 / 256 + 1e-7).all()
    assert torch.allclose(t.mean(0), lowest + 1 / 512, atol=3e-5)
    assert torch.allclose(t.std(0), torch.tensor(1 / 256 / 12**0.5), rtol=0.03)


def test_the_mean_is_weighed_by_the_coefficients():
    mixture = Mixture(torch.tensor([[math.log(3), 0.0]]), torch.tensor([[[0.2], [1.0]]]), torch.zeros(1, 2, 1))
    assert mean(mixture).item() == pytest.approx(0.75 * 0.2 + 0.25 * 1.0)


def test_the_mean_is_mapped_back_from_dequantised_pixels():
    model, (images, mask) = drawn(), question()
    with torch.no_grad():
        t = mean(model.density(images, mask))
        filled = model.inpaint(images, mask)[mask].view(-1, 36)
    # A level's dequantised mean is (level + ½)/256.
    assert torch.allclose(filled, ((256 * t - 0.5) / 255).clamp(0, 1), atol=1e-6)


def test_the_mode_is_the_mean_of_the_most_probable_component():
    z = torch.tensor([[0.1, 0.3, 0.2], [2.0, -1.0, 1.9]])
    mu = torch.arange(6.0).view(2, 3, 1)
    # However thin the others are.
    log_sigma = torch.tensor([[-5.0, 0.0, -5.0], [0.0, -5.0, -5.0]])[:, :, None]
    assert mode(Mixture(z, mu, log_sigma)).flatten().tolist() == [1.0, 3.0]


@pytest.mark.parametrize("inpainting", ["mean", "mode"])
def test_known_pixels_stay_and_images_are_answered_one_by_one(inpainting):
    model, (images, mask) = drawn(inpainting=inpainting), question()
    with torch.no_grad():
        filled = model.inpaint(images, mask)
        alone = torch.cat([model.inpaint(images[i : i + 1], mask[i : i + 1]) for i in range(len(images))])
        blind = model.inpaint(images.masked_fill(mask, 0.5), mask)
    assert torch.equal(filled[~mask], images[~mask])
    assert torch.equal(filled, blind)
    assert torch.allclose(filled, alone, atol=1e-4)
    assert filled.min() >= 0 and filled.max() <= 1


def test_a_training_repeats_and_lowers_the_error():
    digits = embedded_digits().train
    images, labels = torch.from_numpy(digits.images[:512]), torch.from_numpy(digits.labels[:512])
    found = []
    for _ in range(2):
        training = trainings()["mdn"](1)
        training.epochs, training.batch = 12, 64
        history = fit(training, images, labels)
        found.append((history, training.model.state_dict()))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(found[0][1][key], found[1][1][key]) for key in found[0][1])
    assert history[-1].losses["NLL"] < history[0].losses["NLL"] - 5


def arrays(prefix="", hidden=24, components=5, deviations=1):
    model = MDN(hidden=hidden, components=components, deviations=deviations)
    return {f"{prefix}{name}": value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "model.", "module.net."])
@pytest.mark.parametrize("deviations", [1, 36])
def test_sizes_are_read_off_a_checkpoint(prefix, deviations):
    given = arrays(prefix, 40, 7, deviations)
    state, sizes, notes = adapt(given)
    assert sizes == {"hidden": 40, "components": 7, "deviations": deviations} and notes == []
    built = architecture("mdn").build({"inpainting": "mode"}, **sizes)
    built.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    assert np.array_equal(built.means.weight.detach(), given[f"{prefix}means.weight"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"no arrays 'fc1.weight'; it holds no arrays"),
        ({key: value for key, value in arrays().items() if key != "means.bias"}, "no arrays 'means.bias'"),
        (arrays("a.") | arrays("b."), "2 arrays 'fc1.weight'"),
        (arrays(hidden=5000), "5000 hidden units"),
        (arrays(components=501), "501 components"),
        (arrays(deviations=3), "3 deviations a component; 1 or 36"),
    ],
)
def test_other_checkpoints_are_refused_with_what_they_hold(given, said):
    with pytest.raises(ValueError, match=said):
        adapt(given)
