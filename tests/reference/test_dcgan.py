"""Tests of the DCGAN, and of reading generators of other names and sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from reference import architecture, trainings
from reference.convolution_names import adapt
from reference.dcgan import LATENT, Generator
from reference.train import fit
from tests.data import embedded_digits


def warmed(network, latent):
    """The network with batch-norm statistics of its own, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    for tensor in network.parameters():
        nn.init.normal_(tensor, std=0.1, generator=generator)
    network.train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(32, latent, generator=generator))
    return network.eval()


class Tutorial(nn.Module):
    """The generator of PyTorch's DCGAN tutorial, for 32 × 32 pixels."""

    def __init__(self, latent=20, width=8):
        super().__init__()
        layers = [nn.ConvTranspose2d(latent, 4 * width, 4, 1, 0, bias=False), nn.BatchNorm2d(4 * width), nn.ReLU()]
        for before, after in ((4 * width, 2 * width), (2 * width, width)):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, noise):
        return self.main(noise[:, :, None, None])


class Projected(nn.Module):
    """A fully connected layer with a normalisation of all its outputs, then 7 × 7 doubled twice; one layer has none."""

    def __init__(self, latent=20):
        super().__init__()
        self.fc = nn.Linear(latent, 6 * 49)
        self.fc_bn = nn.BatchNorm1d(6 * 49)
        self.deconv1 = nn.ConvTranspose2d(6, 5, 4, 2, 1)
        self.deconv2 = nn.ConvTranspose2d(5, 1, 4, 2, 1)

    def forward(self, noise):
        hidden = torch.relu(self.fc_bn(self.fc(noise))).view(-1, 6, 7, 7)
        return torch.tanh(self.deconv2(torch.relu(self.deconv1(hidden))))


def read(network, in_order=True):
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    arrays, sizes, notes = adapt(state if in_order else dict(sorted(state.items())))
    built = architecture("dcgan").build({}, **sizes)
    built.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    return built.eval(), sizes, notes


@pytest.mark.parametrize("in_order", [True, False])
def test_a_padded_generator_is_read_and_cut(in_order):
    network = warmed(Tutorial(), 20)
    noise = torch.randn(5, 20, generator=torch.Generator().manual_seed(3))
    built, sizes, notes = read(network, in_order)
    assert sizes == {"latent": 20, "start": 4, "channels_1": 32, "channels_2": 16, "channels_3": 8, "channels_4": 0}
    assert notes == ["Its images of 32 × 32 pixels were cut to 28 × 28: a frame of two pixels is left out."]
    with torch.no_grad():
        assert torch.allclose(built(noise), network(noise)[:, :, 2:30, 2:30], atol=1e-5)
        assert torch.allclose(built.sample(noise), (network(noise)[:, :, 2:30, 2:30] + 1) / 2, atol=1e-5)


def test_a_projection_with_its_own_normalisation_is_read():
    network = warmed(Projected(), 20)
    noise = torch.randn(5, 20, generator=torch.Generator().manual_seed(3))
    built, sizes, notes = read(network)
    assert (sizes["start"], sizes["channels_1"], sizes["channels_2"]) == (7, 6, 5)
    assert notes == ["A layer without batch normalisation was taken as it is."]
    with torch.no_grad():
        assert torch.allclose(built(noise), network(noise), atol=1e-5)


@pytest.mark.parametrize("in_order", [True, False])
def test_the_own_generator_is_read_from_any_order(in_order):
    network = warmed(Generator(latent=20, channels_1=6, channels_2=4), 20)
    noise = torch.randn(5, 20, generator=torch.Generator().manual_seed(3))
    built, _, notes = read(network, in_order)
    assert not notes
    with torch.no_grad():
        assert torch.equal(built(noise), network(noise))


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({}, "no layers with a weight"),
        ({"a.weight": (20, 8, 4, 4)}, "a generator has one first layer"),
        ({"a.weight": (20, 8, 4, 4), "b.weight": (8, 1, 5, 5)}, "Submit another structure as code"),
        ({"a.weight": (20, 8, 4, 4), "b.weight": (8, 1, 4, 4)}, "would not be 28 × 28 or 32 × 32"),
        ({"a.weight": (20, 8, 7, 7), "b.weight": (8, 4, 4, 4), "c.weight": (5, 1, 4, 4)}, "don't follow each other"),
        ({"a.weight": (20, 8, 7, 7), "b.weight": (8, 4, 4, 4), "c.weight": (4, 3, 4, 4)}, "down to 1"),
        ({"a.weight": (9999, 8, 7, 7), "b.weight": (8, 4, 4, 4), "c.weight": (4, 1, 4, 4)}, "would not be 28"),
    ],
)
def test_other_networks_are_refused(shapes, said):
    with pytest.raises(ValueError, match=said):
        adapt({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def test_images_have_their_shape_and_range():
    noise = torch.randn(6, LATENT, generator=torch.Generator().manual_seed(0))
    for value_range, low in (("-1,1", -1), ("0,1", 0)):
        generator = Generator(value_range).eval()
        images = generator(noise)
        assert images.shape == (6, 1, 28, 28)
        assert low <= images.min() and images.max() <= 1
        assert generator.sample(noise).min() >= 0 and generator.sample(noise).max() <= 1
    assert Generator().noise_dimension == LATENT


def test_training_repeats_and_its_result_does_not_depend_on_the_batch():
    digits = embedded_digits().train
    images, labels = torch.from_numpy(digits.images[:96]), torch.from_numpy(digits.labels[:96])
    found = []
    for _ in range(2):
        training = trainings()["dcgan"](1)
        training.epochs, training.learning, training.batch = 3, 1, 32
        history = fit(training, images, labels)
        found.append((history, training.result()))
    noise = torch.randn(8, LATENT, generator=torch.Generator().manual_seed(0))
    assert found[0][0] == found[1][0]
    with torch.no_grad():
        first, again, alone = found[0][1](noise), found[1][1](noise), found[0][1](noise[:3])
    assert torch.equal(first, again)
    assert torch.allclose(first[:3], alone, atol=1e-5)


def test_shapes_are_those_of_the_module_down_to_the_counters():
    # A checkpoint is compared with the module array by array before it is loaded.
    state = {name: value.numpy() for name, value in Generator().state_dict().items()}
    arrays, _, _ = adapt(state)
    assert {name: array.shape for name, array in arrays.items()} == {name: array.shape for name, array in state.items()}
