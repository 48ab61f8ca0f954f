"""Tests of the adversary that sees digits through a classifier."""

import math

import numpy as np
import pytest
import torch

from reference.feature_critic import Critic, Recogniser, hinge, kernel_distance, start


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def recogniser():
    network, generator = Recogniser(), torch.Generator().manual_seed(2)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.kaiming_normal_(parameter, generator=generator)
    return network.eval()


def test_layers_are_those_that_lead_to_the_logits():
    network = recogniser()
    images = drawn(3, 1, 28, 28).sigmoid()
    layers = network.layers(images)
    assert [tuple(each.shape) for each in layers] == [(3, 32, 14, 14), (3, 64, 7, 7), (3, 128)]
    assert torch.equal(network.logits(layers[-1]), network(images))


def critic_and_layers(passes=0):
    critic = Critic()
    start(critic, torch.Generator().manual_seed(1))
    with torch.no_grad():
        layers = recogniser().layers(drawn(4, 1, 28, 28).sigmoid())
        if passes:
            critic.measure(layers)
        for _ in range(passes):
            critic(layers, torch.zeros(4, dtype=torch.int64))
    return critic, layers


def test_scores_are_those_of_the_label_and_of_the_unit_of_the_features():
    critic, layers = critic_and_layers(60)
    critic.eval()
    scores = critic(layers, torch.tensor([0, 1, 2, 3]))
    assert scores.shape == (4, 3)
    others = critic(layers, torch.tensor([5, 1, 2, 3]))
    assert (scores[0] != others[0]).all() and torch.equal(scores[1:], others[1:])
    again, _ = critic_and_layers()
    larger = [10 * each for each in layers]
    again.load_state_dict(critic.state_dict() | {"lengths": 10 * critic.lengths})
    assert torch.allclose(again.eval()(larger, torch.tensor([0, 1, 2, 3])), scores, rtol=1e-4, atol=1e-5)


def test_lengths_are_taken_once():
    critic, layers = critic_and_layers()
    critic.measure(layers)
    expected = [float(each.std()) * math.sqrt(each[0].numel()) for each in layers]
    assert critic.lengths.tolist() == pytest.approx(expected, rel=1e-5)
    critic.measure([2 * each for each in layers])
    assert critic.lengths.tolist() == pytest.approx(expected, rel=1e-5)


def test_weights_have_a_spectral_norm_of_one_after_some_steps():
    critic, _ = critic_and_layers(60)
    for head in critic.heads:
        for layer in head:
            if hasattr(layer, "weight"):
                norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
                assert float(norm) == pytest.approx(1, abs=0.05)


def test_initial_values_follow_from_the_generator():
    first, second = critic_and_layers()[0].state_dict(), critic_and_layers()[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_loss_is_0_where_scores_are_apart_and_2_where_they_say_nothing():
    assert hinge(torch.full((5, 3), 1.5), torch.full((5, 3), -1.0)) == 0
    assert hinge(torch.zeros(5, 3), torch.zeros(5, 3)) == 2


def test_the_kernel_distance_is_the_double_sum_without_the_real_part():
    samples, real = drawn(6, 8), drawn(5, 8, seed=1)

    def kernel(x, y):
        return (float(x @ y) / 8 + 1) ** 3

    own = np.mean([kernel(samples[i], samples[j]) for i in range(6) for j in range(6) if i != j])
    across = np.mean([kernel(x, y) for x in samples for y in real])
    assert float(kernel_distance(samples, real)) == pytest.approx(own - 2 * across, rel=1e-5)
