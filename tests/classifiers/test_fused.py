import copy

import pytest
import torch
from torch import nn

from classifiers import fused as module
from classifiers.fused import fused
from classifiers.network import NETWORKS, Member, initialise

pytestmark = pytest.mark.numeric

BATCH = 6


def images(seed=0):
    return torch.rand(BATCH, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def network(name):
    """A network with batch norms far from the identity."""
    built = NETWORKS[name]()
    initialise(built, torch.Generator().manual_seed(0))
    built.train()
    for seed in range(3):
        built(images(seed))
    return built.eval()


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_fused_layers_compute_what_the_network_does(name):
    built = network(name)
    before = copy.deepcopy(built.state_dict())
    features, logits = fused(built, BATCH)(images(9))
    expected = copy.deepcopy(built).double()(images(9).double())
    assert torch.allclose(logits.double(), expected, atol=1e-5 * expected.abs().max().item())
    # In the network's own order, whatever the order of the activations.
    assert torch.allclose(features, built.features(images(9)), atol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in built.state_dict().items())


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_network_itself_answers_where_there_is_no_onednn(name, monkeypatch):
    built = network(name)
    found = fused(built, BATCH)(images(9))
    monkeypatch.setattr(module, "_ONEDNN", False)
    plain = fused(built, BATCH)(images(9))
    assert torch.allclose(found[0], plain[0], atol=1e-4)
    assert torch.allclose(found[1], plain[1], atol=1e-4)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 26 * 26, 12)],
        [nn.Conv2d(1, 4, 3, dilation=2), nn.Flatten(), nn.Linear(4 * 24 * 24, 12)],
        [nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(4 * 24 * 24, 12)],
        [nn.Conv2d(1, 4, 3, padding="same"), nn.Flatten(), nn.Linear(4 * 28 * 28, 12)],
        [nn.Conv2d(1, 2, 3), nn.PixelUnshuffle(2), nn.Conv2d(8, 2, 3), nn.Flatten(), nn.Linear(2 * 11 * 11, 12)],
    ],
)
@torch.no_grad()
def test_a_network_of_other_layers_answers_itself(layers):
    built = Member(nn.Sequential(*layers), 12).eval()
    initialise(built, torch.Generator().manual_seed(1))
    features, logits = fused(built, BATCH)(images())
    assert torch.allclose(features, built.features(images()), atol=1e-5)
    assert torch.allclose(logits, built(images()), atol=1e-5)


@torch.no_grad()
def test_strides_padding_and_pooling_are_the_networks():
    body = nn.Sequential(
        nn.PixelUnshuffle(4),
        nn.Conv2d(16, 8, (3, 2), padding=(1, 0), bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(8, 5, 2, stride=(2, 1), padding=1), nn.ReLU()),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(30, 12),
        nn.ReLU(),
        nn.Linear(12, 7),
    )
    built = Member(body, 7).eval()
    initialise(built, torch.Generator().manual_seed(1))
    features, logits = fused(built, BATCH)(images())
    assert torch.allclose(features, built.features(images()), atol=1e-5)
    assert torch.allclose(logits, built(images()), atol=1e-5)
    assert features.std() > 0.1
