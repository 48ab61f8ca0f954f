import pytest
import torch
from torch import nn

from reference.density import jacobian_log_det
from reference.flow_layers import MASKS, BatchNormFlow, Coupling, Dropout, Shuffle, known_positions

pytestmark = pytest.mark.numeric

D = 10


def randomised(layer, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    if isinstance(layer, BatchNormFlow):
        layer.running_mean.normal_(generator=generator)
        layer.running_variance.uniform_(0.2, 3, generator=generator)
    return layer.eval()


def layers():
    order = torch.randperm(D, generator=torch.Generator().manual_seed(5))
    couplings = [Coupling(known_positions(kind, D), 7) for kind in MASKS]
    return [randomised(layer, i) for i, layer in enumerate([*couplings, BatchNormFlow(D), Shuffle(order)])]


def values(n=5, dtype=torch.float32):
    return 2 * torch.randn(n, D, generator=torch.Generator().manual_seed(1), dtype=dtype)


def name(layer):
    return type(layer).__name__


def test_masks_cycle_through_two_halvings_and_their_complements():
    even, odd, first, second = (known_positions(kind, 6).tolist() for kind in MASKS)
    assert even == [True, False, True, False, True, False]
    assert odd == [False, True, False, True, False, True]
    assert first == [True, True, True, False, False, False]
    assert second == [False, False, False, True, True, True]


@pytest.mark.parametrize("layer", layers(), ids=name)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_log_det_is_that_of_autograds_jacobian(layer, dtype, tolerance):
    layer = layer.to(dtype)
    for value in values(3, dtype):
        said, found = jacobian_log_det(layer, value)
        assert said == pytest.approx(found, abs=tolerance)
    layer.float()


def test_log_dets_are_not_all_zero():
    said = [layer(values())[1].abs().min().item() for layer in layers()]
    assert all(one > 1e-3 for one in said[:5]) and said[5] == 0


@pytest.mark.parametrize("layer", layers(), ids=name)
def test_the_inverse_inverts(layer):
    outputs, _ = layer(values())
    assert not torch.allclose(outputs, values(), atol=0.1)
    assert torch.allclose(layer.inverse(outputs), values(), atol=1e-5)


def test_a_coupling_is_the_courseworks_formula():
    layer = randomised(Coupling(known_positions("odd", D), 7))
    x = values()
    known = x[:, 1::2]
    s = 3 * torch.tanh(layer.scale(known) / 3)
    expected = x.clone()
    expected[:, ::2] = x[:, ::2] * s.exp() + layer.shift(known)
    assert torch.allclose(layer(x)[0], expected)
    kinds = [type(module) for module in (*layer.scale, *layer.shift) if not isinstance(module, nn.Linear | Dropout)]
    assert kinds == [nn.Tanh, nn.Tanh, nn.ReLU, nn.ReLU]


def test_a_shuffle_is_indexing():
    layer = Shuffle(torch.tensor([2, 0, 3, 1]))
    assert layer(torch.tensor([[10.0, 11, 12, 13]]))[0].tolist() == [[12, 10, 13, 11]]
    assert "order" in layer.state_dict()


def test_batch_norm_in_training_is_torchs():
    ours, theirs = BatchNormFlow(D), nn.BatchNorm1d(D)
    for i in range(3):
        x = values(8) * (i + 1) + i
        out, log_det = ours(x)
        assert torch.allclose(out, theirs(x), atol=1e-5)
        expected = -0.5 * (x.var(0, correction=0) + 1e-5).log().sum()
        assert torch.allclose(log_det, expected.expand(8), atol=1e-4)
    assert torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-6)
    # torch's running variance is the unbiased one.
    assert torch.allclose(ours.running_variance - 0.9**3, (theirs.running_var - 0.9**3) * 7 / 8, atol=1e-4)


def test_batch_norm_at_test_time_does_not_depend_on_the_batch():
    layer = randomised(BatchNormFlow(D))
    alone, whole = layer(values()[2:3]), layer(values())
    assert torch.equal(alone[0][0], whole[0][2]) and torch.equal(alone[1][0], whole[1][2])


def test_dropout_needs_a_generator_and_keeps_the_mean():
    layer, units = Dropout(0.25), torch.ones(400, 400)
    assert torch.equal(layer(units), units)
    layer.generator = torch.Generator().manual_seed(0)
    dropped = layer(units)
    assert sorted(set(dropped.unique().tolist())) == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(layer.eval()(units), units)
