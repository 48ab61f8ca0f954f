import math

import pytest
import torch
from torch.distributions import Normal

from reference.density import bits, bits_per_dim, jacobian_log_det, log_density
from reference.preprocessing import Dequantised

pytestmark = pytest.mark.numeric


def levels(n=40, d=6):
    return torch.randint(0, 256, (n, d), generator=torch.Generator().manual_seed(0)) / 255


def uniform(logits):
    """Apply the flow under which u is uniform, z = Φ⁻¹(sigmoid(logit)), in float64."""
    share = torch.sigmoid(logits.double())
    z = Normal(0.0, 1.0).icdf(share)
    log_det = (share.log() + (1 - share).log() - Normal(0.0, 1.0).log_prob(z)).sum(1)
    return z, log_det


def test_a_uniform_density_costs_eight_bits():
    found = bits_per_dim(uniform, levels(), torch.Generator().manual_seed(3), draws=2, chunk=7)
    assert found.shape == (40,) and torch.allclose(found, torch.tensor(8.0).double(), atol=1e-4)


def test_a_triangular_density_costs_its_integral():
    """For p(u) = 2u and level k, the mean of −log2 over noise is −log2 2 − mean log2 u over the level, plus 8."""

    def flow(logits):
        unit = (torch.sigmoid(logits.double()) - 1e-6) / (1 - 2e-6)
        _, uniform_log_det = uniform(logits)
        z, _ = uniform(logits)
        return z, uniform_log_det + (2 * unit).log().sum(1)

    level = 100
    found = bits_per_dim(flow, torch.full((2000, 1), level / 255), torch.Generator().manual_seed(3), draws=4).mean()

    def antiderivative(u):  # of log2 u
        return u * math.log2(u) - u / math.log(2)

    low, high = level / 256, (level + 1) / 256
    expected = 8 - 1 - (antiderivative(high) - antiderivative(low)) * 256
    assert found.item() == pytest.approx(expected, abs=1e-4)


def test_bits_are_the_density_of_the_unit_interval():
    """Bits equal −log2 of the density of u, by the change of variables for one pixel."""
    image, noise = torch.tensor([[0.4]]).double(), torch.tensor([[0.25]]).double()

    def flow(logits):
        return 0.5 * logits + 1, torch.full((len(logits),), math.log(0.5))

    unit = (255 * image + noise) / 256
    squeezed = 1e-6 + (1 - 2e-6) * unit
    density = Normal(-2.0, 2.0).log_prob(torch.logit(squeezed)).exp() * (1 - 2e-6) / (squeezed * (1 - squeezed))
    assert bits(flow, image, noise).item() == pytest.approx((8 - density.log2()).item(), abs=1e-9)
    assert log_density(flow, Dequantised().logits(image, noise)[0]).item() == pytest.approx(
        Normal(-2.0, 2.0).log_prob(torch.logit(squeezed)).item()
    )


def test_the_check_sees_a_wrong_log_det():
    matrix = torch.randn(5, 5, generator=torch.Generator().manual_seed(2)).double()
    right = torch.linalg.slogdet(matrix).logabsdet

    def flow(values):
        return values @ matrix.T, (right + 0.01).expand(len(values))

    said, found = jacobian_log_det(flow, torch.ones(5).double())
    assert found == pytest.approx(right.item()) and said - found == pytest.approx(0.01)
