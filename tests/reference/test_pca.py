import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as ReferencePCA

from reference.pca import PCA, Training, adapt, principal_components
from reference.train import fit
from tests.data import embedded_digits, mnist_digits

pytestmark = pytest.mark.numeric


def trained(images, dimensions):
    training = Training(1, dimensions)
    fit(training, torch.from_numpy(images), torch.zeros(len(images), dtype=torch.int64))
    return training.result()


def test_the_projection_is_scikit_learns():
    images = embedded_digits().train.images[:1200]
    model = trained(images, 12)
    pixels = 2 * images.reshape(len(images), -1).astype(np.float64) - 1
    expected = ReferencePCA(12, svd_solver="full").fit(pixels)
    found = model.project(torch.from_numpy(pixels[:50]).float())
    np.testing.assert_allclose(model.mean, expected.mean_, atol=1e-6)
    np.testing.assert_allclose(found, expected.inverse_transform(expected.transform(pixels[:50])), atol=2e-5)
    # Directions agree up to the sign, which the decomposition leaves open.
    np.testing.assert_allclose(np.abs(model.components.numpy() @ expected.components_.T), np.eye(12), atol=1e-4)


def test_components_are_ordered_and_signed():
    covariance = torch.diag(torch.tensor([1.0, 5.0, 3.0]))
    assert principal_components(covariance, 2).tolist() == [[0, 1, 0], [0, 0, 1]]


def test_what_is_missing_is_gray_and_what_is_known_stays():
    images = embedded_digits().train.images[:500]
    model = trained(images, 10)
    batch = torch.from_numpy(images[:6])
    mask = torch.zeros(6, 1, 28, 28, dtype=torch.bool)
    mask[:, :, 10:16, 12:18] = True
    found = model.inpaint(batch, mask)
    assert torch.equal(found[~mask], batch[~mask])
    # The hole's content is not used.
    assert torch.equal(model.inpaint(batch.masked_fill(mask, 0.9), mask), found)
    native = 2 * batch.flatten(1) - 1
    native[mask.flatten(1)] = 0
    components, mean = model.components.double(), model.mean.double()
    by_hand = mean + ((native.double() - mean) @ components.T) @ components
    expected = ((by_hand + 1) / 2).clamp(0, 1).view(6, 1, 28, 28)
    assert torch.allclose(found[mask].double(), expected[mask], atol=1e-6)


def test_a_mean_of_pixels_in_zero_to_one_gives_the_same_projection():
    images = embedded_digits().train.images[:500]
    ours = trained(images, 7)
    other = PCA("0,1", 7)
    other.components.copy_(ours.components)
    other.mean.copy_((ours.mean + 1) / 2)
    batch = torch.from_numpy(images[:5])
    mask = torch.zeros(5, 1, 28, 28, dtype=torch.bool)
    mask[:, :, 8:14, 8:14] = True
    assert torch.allclose(ours.inpaint(batch, mask), other.inpaint(batch, mask), atol=1e-6)


def test_a_checkpoints_components_are_found_whatever_their_number_and_nesting():
    generator = np.random.default_rng(0)
    rows = np.linalg.qr(generator.standard_normal((784, 7)))[0].T.astype(np.float32)
    mean = generator.random(784).astype(np.float32)
    state, sizes, notes = adapt({"pca.components_": rows.T, "pca.mean_": mean.reshape(28, 28), "pca.other": mean})
    assert sizes == {"dimensions": 7}
    np.testing.assert_array_equal(state["components"], rows)
    np.testing.assert_array_equal(state["mean"], mean)
    assert notes == ["components has shape (784, d) and was transposed."]
    _, _, notes = adapt({"components": 2 * rows, "mean": mean})
    assert "not orthonormal (off by 3)" in notes[0]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"components": np.zeros((3, 784))}, "no array 'mean'; it holds components"),
        ({"mean": np.zeros(784)}, "no array 'components'"),
        ({"components": np.zeros((3, 700)), "mean": np.zeros(784)}, r"shape \(3, 700\), must be \(d, 784\)"),
        ({"components": np.zeros((3, 784)), "mean": np.zeros(7)}, r"mean has shape \(7,\)"),
        ({"a.mean": np.zeros(784), "b.mean": np.zeros(784), "components": np.zeros((3, 784))}, "2 arrays 'mean'"),
        ({}, "no arrays"),
    ],
)
def test_what_is_no_projection_is_refused_with_what_was_found(arrays, said):
    with pytest.raises(ValueError, match=said):
        adapt(arrays)


def test_ten_components_reach_the_published_error_on_mnist():
    """The shipped model's error is .1336, in [0, 1] units, over 6 × 6 holes around the centre of the test images."""
    digits = mnist_digits()
    model = trained(digits.train.images[::4], 10)
    images = torch.from_numpy(digits.test.images)
    mask = torch.zeros(len(images), 1, 28, 28, dtype=torch.bool)
    corners = np.random.default_rng(3).integers(7, 16, (len(images), 2))
    for row, (top, left) in enumerate(corners.tolist()):
        mask[row, 0, top : top + 6, left : left + 6] = True
    error = (model.inpaint(images, mask) - images)[mask].square().mean().item()
    assert error == pytest.approx(0.1336, abs=0.0015)
