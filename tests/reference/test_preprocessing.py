import math

import pytest
import torch
from torch.autograd.functional import jacobian

from reference.preprocessing import PREPROCESSINGS, Dequantised, Rescaled

pytestmark = pytest.mark.numeric


def levels(n=3, d=12):
    images = torch.randint(0, 256, (n, d), generator=torch.Generator().manual_seed(0)).double() / 255
    images[:, 0], images[:, 1] = 0, 1
    return images


def noise(n=3, d=12):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_dequantised_values_are_the_papers():
    logits, _ = Dequantised().logits(levels(), noise())
    squeezed = 1e-6 + (1 - 2e-6) * (255 * levels() + noise()) / 256
    assert torch.allclose(logits, torch.logit(squeezed))


def test_dequantised_log_det_is_autograds():
    # u = (255 x + noise) / 256, so the map from x has the same Jacobian but for (255 / 256)^D.
    image, drawn = levels()[1], noise()[1]
    found = torch.linalg.slogdet(jacobian(lambda x: Dequantised().logits(x[None], drawn)[0][0], image)).logabsdet
    said = Dequantised().logits(image[None], drawn)[1].item()
    assert said == pytest.approx(found.item() - len(image) * math.log(255 / 256), abs=1e-9)


def test_rescaled_images_span_the_courseworks_range():
    values = torch.sigmoid(Rescaled().logits(0.2 + 0.5 * levels(), noise())[0])
    assert torch.allclose(values.amin(1), torch.tensor(1e-4).double())
    assert torch.allclose(values.amax(1), torch.tensor(0.9999).double())


def test_rescaled_log_det_counts_the_stretch_of_the_pixels_between():
    """Compare with autograd, darkest and brightest pixel held fixed; u = 256 v / 257, v = x + noise / 256."""
    image, drawn = levels()[2], noise()[2]
    slopes = jacobian(lambda x: Rescaled().logits(x[None], drawn)[0][0], image).diagonal()
    logits, said = Rescaled().logits(image[None], drawn)
    v = torch.sigmoid(logits[0])
    values = image + drawn / 256
    span = values.max() - values.min()
    between = (values > values.min()) & (values < values.max())
    expected = 0.9998 / span / (v * (1 - v))
    assert torch.allclose(slopes[between], expected[between])
    assert said.item() == pytest.approx((expected * 257 / 256).log().sum().item(), abs=1e-9)


@pytest.mark.parametrize("kind", PREPROCESSINGS)
def test_images_come_back(kind):
    preprocessing = PREPROCESSINGS[kind]
    images = levels().float()
    logits, _ = preprocessing.logits(images)
    assert torch.allclose(preprocessing.images(logits, images), images, atol=2e-3 if kind == "coursework" else 1e-5)


def test_an_image_of_one_value_is_no_division_by_zero():
    logits, log_det = Rescaled().logits(torch.full((1, 4), 0.3))
    assert logits.isfinite().all() and log_det.isfinite().all()
