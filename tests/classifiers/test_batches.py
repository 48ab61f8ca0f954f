import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from classifiers import batches
from classifiers.batches import BATCH, in_batches

pytestmark = pytest.mark.numeric


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def sums(images):
    """Features: the ink of the upper and the lower half; logits: the ink, and the number of images in the batch."""
    upper, lower = images[:, 0, :14].sum((1, 2)), images[:, 0, 14:].sum((1, 2))
    logits = torch.zeros(len(images), 10)
    logits[:, 0], logits[:, 1] = upper + lower, len(images)
    return torch.stack([upper, lower], 1), logits


@pytest.mark.parametrize("count", [0, 1, BATCH, 3 * BATCH + 7])
def test_each_image_has_its_own_row_whatever_the_number_of_threads(threads, count):
    images = np.random.default_rng(0).random((count, 1, 28, 28), np.float32)
    logits, features = in_batches(sums, images, 2)
    assert np.allclose(features, np.stack([images[:, 0, :14].sum((1, 2)), images[:, 0, 14:].sum((1, 2))], 1), rtol=1e-5)
    assert np.allclose(logits[:, 0], features.sum(1), rtol=1e-5)
    assert (logits[:, 1] == BATCH).all()
    assert in_batches(sums, images)[1].shape == (count, 0)


def test_views_of_other_order_and_type_are_read_as_they_are():
    images = np.random.default_rng(0).random((BATCH + 3, 28, 28, 1))[::-1].transpose(0, 3, 2, 1)
    expected, _ = in_batches(sums, np.ascontiguousarray(images, np.float32))
    assert np.array_equal(in_batches(sums, images)[0], expected)


def test_batches_are_shared_by_threads_of_which_each_computes_alone():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    together = threading.Barrier(2, timeout=60)
    seen = []

    def network(images):
        together.wait()  # breaks unless two batches are answered at the same time
        found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"]
        seen.append((threading.get_ident(), max(found, default=1), torch.is_inference_mode_enabled()))
        return sums(images)

    try:
        in_batches(network, np.zeros((2 * BATCH, 1, 28, 28), np.float32))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert len({thread for thread, _, _ in seen}) == 2
    assert [rest for _, *rest in seen] == [[1, True]] * 2


def test_a_fault_of_the_network_is_told(threads):
    def network(images):
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        in_batches(network, np.zeros((2 * BATCH, 1, 28, 28), np.float32))


def test_batches_are_whole_parts_of_what_is_compared_elsewhere():
    """Tests of independence of the batch cut at 250 images."""
    assert 250 % batches.BATCH == 0
