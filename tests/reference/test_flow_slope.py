import pytest
import torch
from torch import nn

from reference.density import log_density
from reference.flow_layers import BatchNormFlow
from reference.flow_slope import DensitySlope
from reference.realnvp import RealNVP

pytestmark = pytest.mark.numeric


def flow(dimensions, **options):
    """Weights and statistics far from the identity."""
    model = RealNVP(**options, dimensions=dimensions, hidden=16)
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.8 / module.in_features**0.5, generator=generator)
            nn.init.normal_(module.bias, std=0.3, generator=generator)
        if isinstance(module, BatchNormFlow):
            nn.init.normal_(module.log_gamma, std=0.3, generator=generator)
            nn.init.normal_(module.beta, std=0.3, generator=generator)
            module.running_mean.normal_(std=0.3, generator=generator)
            module.running_variance.uniform_(0.5, 2, generator=generator)
    return model.eval()


def autograds(model, values):
    leaf = values.clone().requires_grad_()
    return torch.autograd.grad(log_density(model, leaf).sum(), leaf)[0]


@pytest.mark.parametrize(
    ("dimensions", "blocks", "dtype", "tolerance"),
    [(13, 8, torch.float64, 1e-10), (12, 1, torch.float64, 1e-10), (784, 8, torch.float32, 1e-4)],
)
def test_the_slope_is_autograds(dimensions, blocks, dtype, tolerance):
    model = flow(dimensions, blocks=blocks).to(dtype)
    values = 3 * torch.randn(6, dimensions, generator=torch.Generator().manual_seed(1), dtype=dtype)
    slope = DensitySlope(list(model.layers))
    expected = autograds(model, values)
    assert torch.allclose(slope(values), expected, rtol=tolerance, atol=tolerance * expected.abs().max().item())
    assert torch.equal(slope(values), slope(values))
    assert expected.std() > 0.1


def test_the_slope_of_an_image_does_not_depend_on_the_others():
    model = flow(20)
    slope = DensitySlope(list(model.layers))
    values = torch.randn(30, 20, generator=torch.Generator().manual_seed(1))
    parts = torch.cat([slope(part) for part in values.split(7)])
    assert torch.allclose(slope(values), parts, rtol=1e-4, atol=1e-4)
