import pytest
import torch
from torch import nn
from torch.nn import functional

from reference.products import linear, multiply_by_onednn

pytestmark = pytest.mark.numeric


def draws(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("rows", [1, 7, 500])
def test_products_are_those_of_float64(rows):
    inputs, weight, bias = draws(rows, 37), draws(11, 37, seed=1), draws(11, seed=2)
    expected = inputs.double() @ weight.double().T + bias.double()
    with torch.no_grad():
        assert torch.allclose(linear(inputs, weight, bias).double(), expected, atol=1e-5)
        assert torch.allclose(linear(inputs, weight).double(), expected - bias, atol=1e-5)


def test_transposed_weights_need_no_copy():
    inputs, weight = draws(5, 11), draws(11, 37, seed=1)
    with torch.no_grad():
        assert torch.allclose(linear(inputs, weight.T), inputs @ weight, atol=1e-5)


def test_no_product_depends_on_the_rows_beside_it():
    inputs, weight = draws(64, 392), draws(320, 392, seed=1)
    with torch.no_grad():
        whole = linear(inputs, weight)
        parts = torch.cat([linear(part, weight) for part in inputs.split(9)])
    assert torch.allclose(whole, parts, atol=1e-4)


def test_gradients_and_float64_take_torchs_own_product():
    inputs, weight = draws(4, 6, dtype=torch.float64), draws(3, 6, seed=1, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(linear(inputs, weight), functional.linear(inputs, weight))
    leaf = draws(4, 6).requires_grad_()
    (slope,) = torch.autograd.grad(linear(leaf, weight.float()).sum(), leaf)
    assert torch.allclose(slope, weight.float().sum(0).expand(4, 6), atol=1e-6)


class Doubled(nn.Linear):
    def forward(self, inputs):
        return 2 * super().forward(inputs)


def test_layers_of_a_module_multiply_by_onednn_with_the_weights_that_they_hold_then():
    module = nn.Sequential(nn.Linear(37, 11), nn.ReLU(), Doubled(11, 5))
    multiply_by_onednn(module)
    first, last = draws(11, 37, seed=1), draws(5, 11, seed=2)
    module.load_state_dict({"0.weight": first, "0.bias": torch.ones(11), "2.weight": last, "2.bias": torch.zeros(5)})
    inputs = draws(4, 37)
    expected = 2 * ((inputs.double() @ first.double().T + 1).clamp(min=0) @ last.double().T)
    with torch.no_grad():
        assert torch.allclose(module(inputs).double(), expected, atol=1e-4)
    several = draws(2, 4, 37)
    assert torch.allclose(module(several)[1], module(several[1]), atol=1e-5)


def test_a_module_that_multiplies_by_onednn_has_gradients():
    module = nn.Linear(6, 3)
    multiply_by_onednn(module)
    inputs = draws(4, 6).requires_grad_()
    module(inputs).sum().backward()
    assert torch.allclose(inputs.grad, module.weight.sum(0).expand(4, 6))
