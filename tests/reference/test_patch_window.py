"""Tests of the frame in which a missing patch lies at one place."""

import pytest
import torch

from reference import patch_window
from reference.ebl import holes


def question(n=50):
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, 1, 28, 28, generator=generator), holes(n, generator)


def test_pixels_lie_where_the_patch_says():
    images, mask = question()
    places = patch_window.corners(mask)
    pixels = patch_window.around(images, places)
    assert pixels.shape == (50, patch_window.INPUTS)
    for image, missing, seen, (row, column) in zip(images[:, 0], mask[:, 0], pixels, places.tolist(), strict=True):
        frame = torch.full((36, 36), torch.nan)
        # The patch's corner, at row 7 + `row` of the image, lies at row 15 of the frame.
        frame[8 - row : 36 - row, 8 - column : 36 - column] = image.masked_fill(missing, torch.inf)
        frame = frame.flatten()
        assert torch.equal(seen[:1260], frame[frame != torch.inf].nan_to_num(0))
        assert seen[1260:].nonzero().flatten().tolist() == [row, 9 + column]


def test_the_patch_is_collected_and_put_back():
    images, mask = question()
    places = patch_window.corners(mask)
    values = patch_window.inside(images, places)
    assert torch.equal(values, images[mask].view(50, 36))
    assert torch.equal(patch_window.patches(places), mask)
    assert torch.equal(patch_window.fill(images.masked_fill(mask, 0.5), mask, values), images)


def test_what_is_missing_is_not_seen():
    images, mask = question()
    places = patch_window.corners(mask)
    others = torch.where(mask, 1 - images, images)
    assert torch.equal(patch_window.around(images, places), patch_window.around(others, places))


def test_places_are_the_tasks():
    drawn = patch_window.draw(5000, torch.Generator().manual_seed(0))
    assert drawn.min() == 0 and drawn.max() == 8
    counts = torch.bincount(9 * drawn[:, 0] + drawn[:, 1], minlength=81)
    # 62 on average, with a standard deviation of 8.
    assert counts.min() > 30 and counts.max() < 100


@pytest.mark.parametrize("change", ["elsewhere", "larger", "hole", "none"])
def test_another_mask_is_refused(change):
    _, mask = question(4)
    if change == "elsewhere":
        mask[2] = False
        mask[2, :, 3:9, 10:16] = True
    elif change == "larger":
        mask[2] = False
        mask[2, :, 10:17, 10:16] = True
    elif change == "hole":
        mask[2] = False
        mask[2, :, 10:16, 10:16] = True
        mask[2, :, 12, 12] = False
    else:
        mask[2] = False
    with pytest.raises(ValueError, match="one patch of 6 × 6"):
        patch_window.corners(mask)
