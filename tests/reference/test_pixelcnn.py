import pytest
import torch
from torch import nn

from reference import shipped, trainings
from reference.pixel_rnn import binarised, cross_entropy
from reference.pixelcnn import CausalConv2d, PixelCNN
from tests.data import mnist_digits

pytestmark = pytest.mark.numeric


def model():
    made = PixelCNN(channels=6, blocks=2, window=(4, 7))
    generator = torch.Generator().manual_seed(6)
    for parameter in made.parameters():
        nn.init.uniform_(parameter, -0.4, 0.4, generator=generator)
    return made.eval()


def digits(n=3):
    return (torch.rand(n, 784, generator=torch.Generator().manual_seed(2)) < 0.4).float()


@pytest.mark.parametrize("name", ["small", "shipped"])
def test_no_probability_depends_on_a_later_pixel(name):
    """Probability t is that of pixel t + 1 (from 0), and must not depend on that pixel or later ones."""
    made = model() if name == "small" else shipped.module("pixelcnn")
    binary = digits(1).requires_grad_()
    for t in (0, 26, 27, 28, 300, 307, 308, 782):
        (gradient,) = torch.autograd.grad(made.logits(binary)[0, t + 1], binary)
        assert gradient[0, t + 1 :].abs().max() == 0
        assert gradient[0, : t + 1].abs().max() > 0


def test_what_stands_above_to_the_right_is_seen():
    binary = digits(1).requires_grad_()
    row, column = 10, 9
    (gradient,) = torch.autograd.grad(model().logits(binary)[0, 28 * row + column], binary)
    seen = gradient.view(28, 28) != 0
    assert seen[row - 1, column + 1 : column + 4].all()
    assert seen[row - 3, column + 3]
    assert not seen[row, column:].any()


def test_a_causal_convolution_is_a_sum_over_what_came_before():
    made = CausalConv2d(2, 3, 3, 5, own=True)
    features = torch.randn(1, 2, 6, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        outputs = made(features)
    for row, column in ((0, 0), (3, 3), (5, 6)):
        expected = made.bias.detach().clone()
        for up in range(3):
            for right in range(-2, 3):
                r, c = row - up, column + right
                if r >= 0 and 0 <= c < 7 and (up or right <= 0):
                    expected += made.weight.detach()[:, :, 2 - up, 2 + right] @ features[0, :, r, c]
        assert torch.allclose(outputs[0, :, row, column], expected, atol=1e-5)


def test_steps_give_what_the_whole_sequence_gives():
    made, binary = model(), digits()
    with torch.inference_mode():
        whole = made.next_pixel_probabilities(binary)
        state = made.start(3)
        for t in range(783):
            probability, state = made.step(state, binary[:, t])
            assert torch.allclose(probability, whole[:, t], atol=1e-6)


@pytest.mark.parametrize("lengths", [(783,), (784,), (3, 40, 7, 500, 30), (1, 27, 28, 29, 100)])
def test_scans_of_any_length_give_what_the_whole_sequence_gives(lengths):
    made, binary = model(), digits()
    with torch.inference_mode():
        whole = made.next_pixel_probabilities(binary)
        state, known = made.start(3), 0
        for length in lengths:
            probabilities, state = made.scan(state, binary[:, known : known + length])
            expected = whole[:, known : known + length]
            assert torch.allclose(probabilities[:, : expected.shape[1]].float(), expected, atol=1e-6)
            known += length
        if known < 783:
            probability, _ = made.step(state, binary[:, known])
            assert torch.allclose(probability, whole[:, known], atol=1e-6)


def test_a_state_is_not_changed_by_a_step():
    made, binary = model(), digits()
    with torch.inference_mode():
        _, state = made.scan(made.start(3), binary[:, :40])
        one, _ = made.step(state, torch.ones(3))
        other, _ = made.step(state, torch.zeros(3))
        again, _ = made.step(state, torch.ones(3))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_training_lowers_its_loss():
    training = trainings()["pixelcnn"](1)
    images = torch.zeros(2, 1, 28, 28)
    images[:, :, 6:22, 10:14] = 1
    labels = torch.zeros(2)
    losses = [training.step(images, labels, 0.2, torch.Generator())["cross-entropy"] for _ in range(6)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_shipped_record_is_as_good_as_it_is_said_to_be():
    binary = binarised(torch.from_numpy(mnist_digits().test.images[:500]))
    with torch.inference_mode():
        loss = cross_entropy(shipped.module("pixelcnn").logits(binary)[:, 1:], binary).item()
    assert loss <= 0.080 + 0.003
