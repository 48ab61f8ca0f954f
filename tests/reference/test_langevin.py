import pytest
import torch

from reference.ebm import EBM, SLOPE
from reference.langevin import PartialSlope, descend

pytestmark = pytest.mark.numeric


def draws(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def network(sign="minus"):
    torch.manual_seed(3)
    return EBM(energy_sign=sign, hidden=24)


@pytest.mark.parametrize("sign", ["minus", "plus"])
@torch.no_grad()
def test_the_slope_by_some_pixels_is_autograds(sign):
    model = network(sign)
    pixels = 6 * draws(9, 784) - 3
    columns = torch.tensor([3, 700, 20, 783])
    others = pixels.index_fill(1, columns, 9.0)  # the moving pixels of the images are not read
    layers = (model.fc1, model.fc2, model.fc3, model.fc4)
    slope = PartialSlope(layers, model.sign, SLOPE, others, columns)
    for _ in range(2):  # a second time, since it works in place
        found = slope(pixels[:, columns])
    with torch.enable_grad():
        leaf = pixels.clone().requires_grad_()
        (expected,) = torch.autograd.grad(model.energy(leaf).sum(), leaf)
    assert torch.allclose(found, expected[:, columns], atol=1e-7)


def test_steps_move_what_may_move_and_stay_in_range():
    start, moves = torch.tensor([[0.5, 0.5, 0.9]]), torch.tensor([[True, False, True]])
    noise = torch.tensor([[0.01, 0.01, 0.01]])
    found = descend(lambda x: torch.tensor([[1.0, 1.0, -1.0]]), start, moves, [0.1, 0.2], [noise, None])
    assert torch.allclose(found, torch.tensor([[0.5 - 0.1 + 0.01 - 0.2, 0.5, 1.0]]))
    assert start.tolist() == [[0.5, 0.5, pytest.approx(0.9)]]


def test_images_with_different_masks_are_restored_as_each_alone():
    model = EBM(hidden=24, steps=4, step_size=3.0, noise=0.02)
    images = draws(3, 1, 28, 28)
    mask = torch.zeros(3, 1, 28, 28, dtype=torch.bool)
    mask[0, :, 3:9], mask[1, :, :, 20:] = True, True
    together = model.inpaint(images, mask)
    alone = torch.cat([model.inpaint(images[i : i + 1], mask[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.equal(together[2], images[2])
    assert torch.equal(together[~mask], images[~mask])
    assert not torch.allclose(together[mask], images[mask], atol=1e-3)
