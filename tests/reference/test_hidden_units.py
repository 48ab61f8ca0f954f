"""Tests of hidden units: values by hand, and those that other ways to write a network down don't change."""

import copy

import numpy as np
import pytest
import torch

from reference.cgan import Generator
from reference.cvae import CVAE
from reference.hidden_units import hidden_units
from reference.vae import VAE

DIRECTIONS = torch.randn(784, 20, generator=torch.Generator().manual_seed(0))


def asked(model, count=600):
    return model.hidden_units(DIRECTIONS, torch.tensor([count]))


def test_units_are_directions_of_columns_sorted_by_weights_before_and_behind():
    before, after = torch.nn.Linear(1, 3), torch.nn.Linear(3, 2)
    with torch.no_grad():
        before.weight.copy_(torch.tensor([[3.0], [1.0], [0.0]]))
        before.bias.copy_(torch.tensor([4.0, 0.0, 0.0]))
        # Two pixels, of which the second is looked at twice.
        after.weight.copy_(torch.tensor([[1.0, 0.0, 5.0], [0.0, 8.0, 0.0]]))
    directions = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    found = hidden_units(before, after, directions, torch.tensor([4]))
    # 1 · √2 · 8 for the second unit, 5 · 1 for the first, and 0 for the third, whose input is always 0.
    expected = [[0, 0.5**0.5, 0.5**0.5], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert torch.equal(hidden_units(before, after, directions, torch.tensor([1])), found[:1])


@pytest.mark.parametrize(
    "model", [CVAE("relu", hidden=20, latent=6), VAE(hidden_back=50, numbers=6)], ids=["cvae", "vae"]
)
def test_the_same_network_with_its_latent_space_rotated_and_units_scaled_has_the_same_units(model):
    draws = torch.Generator().manual_seed(1)
    other = copy.deepcopy(model)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=draws))[0]
    first = other.dec_latent_fc if isinstance(other, CVAE) else other.decoder
    before, after = (other.decoder[2], other.decoder[4]) if isinstance(other, CVAE) else (other.decoder, other.output)
    scales = torch.rand(before.out_features, generator=draws) + 0.5
    with torch.no_grad():
        first.weight.copy_(first.weight @ rotation)
        before.weight.mul_(scales[:, None])
        before.bias.mul_(scales)
        # A gain of the whole layer, too.
        after.weight.mul_(1.3 / scales)
    assert not torch.allclose(after.weight, (model.decoder[4] if isinstance(model, CVAE) else model.output).weight)
    torch.testing.assert_close(asked(other), asked(model), rtol=0, atol=1e-5)
    live = asked(model).norm(dim=1)
    assert live[:40].allclose(torch.ones(40)) and not live[before.out_features :].any()


def test_a_batch_normalisation_is_part_of_a_units_weights():
    model = Generator(latent=5).eval()
    norm, draws = model.bn2, torch.Generator().manual_seed(2)
    for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        values.uniform_(0.5, 2, generator=draws)
    found = asked(model, 1024)
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    plain = torch.nn.Linear(512, 1024)
    with torch.no_grad():
        plain.weight.copy_(model.fc2.weight * gain[:, None])
        plain.bias.copy_((model.fc2.bias - norm.running_mean) * gain + norm.bias)
    torch.testing.assert_close(
        hidden_units(plain, model.fc3, DIRECTIONS, torch.tensor([1024])), found, rtol=0, atol=1e-5
    )


def test_weights_that_are_no_numbers_are_units_that_do_nothing():
    model = CVAE("relu", hidden=20, latent=6)
    with torch.no_grad():
        model.decoder[4].weight[:, 3] = float("nan")
        model.decoder[4].weight[:, 4] = float("inf")
        model.decoder[4].weight[:, 5] = 0
    found = asked(model)
    assert found.isfinite().all()
    assert int(found.any(dim=1).sum()) == 37


def test_a_unit_that_was_split_is_one_again():
    model = CVAE("relu", hidden=40, latent=6)
    other, draws = copy.deepcopy(model), torch.Generator().manual_seed(3)
    before, after = other.decoder[2], other.decoder[4]
    with torch.no_grad():
        model.decoder[4].weight[:, :5] = 0  # five that do nothing, in whose places the halves come
        pictures = torch.randn(784, 5, generator=draws)
        noise = 0.02 * torch.randn(5, before.in_features, generator=draws) / before.in_features**0.5
        before.weight[:5] = 3 * (before.weight[5:10] + noise)
        before.bias[:5] = 3 * before.bias[5:10]
        after.weight[:, :5] = (after.weight[:, 5:10] * 0.4 - pictures) / 3
        after.weight[:, 5:10] = after.weight[:, 5:10] * 0.6 + pictures
    own, found = asked(model), asked(other)
    assert int(found.any(dim=1).sum()) == 75
    cosines = (own[:75] @ found[:75].T).max(dim=1).values
    assert cosines.min() > 0.9
    assert (cosines > 0.99999).sum() == 70


def test_units_of_few_inputs_are_not_merged_since_they_are_parallel_by_chance():
    model = VAE(hidden_back=50, numbers=2)
    assert int(asked(model).any(dim=1).sum()) == 50
