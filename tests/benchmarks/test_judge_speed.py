"""The judge against plain ways: its labels against PyTorch's example CNN, and its doubts against all members on all."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.utils.flop_counter import FlopCounterMode

from classifiers.evaluate import plain_example
from classifiers.judge import SMOOTHING, Judge
from harness.evidence import judge_fooling
from harness.tasks.conditional_generation import DOUBTED
from tests.data import mnist_digits


def work(network) -> int:
    """Floating-point operations for an image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 28, 28))
    return counter.get_total_flops()


def test_labels(compare):
    """The work is what was asked of each member, counted; a label that all members would give otherwise is an error."""
    judge, plain, test = Judge.shipped(), plain_example(), mnist_digits().test
    asked = {0: len(test.images)}
    one = judge._member

    def counted(index, images):
        asked[index] = len(images)
        return one(index, images)

    judge._member = counted
    assert np.array_equal(judge.labels(test.images), judge.probabilities(test.images).argmax(1))
    judge.labels(test.images)
    del judge._member
    compare(
        "labels of 10,000 images by the judge",
        lambda: judge.labels(test.images),
        "PyTorch's example CNN",
        lambda: plain(test.images),
        work=sum(count * work(judge.networks[index]) for index, count in asked.items()),
    )
    assert np.mean(judge.labels(test.images) == test.labels) > 0.996


def all_members(judge: Judge, images: np.ndarray) -> np.ndarray:
    """Doubts as anybody would compute them: every member, as a module, about all images, batch norm folded."""
    shown = gaussian_filter(images, (0, 0, SMOOTHING, SMOOTHING), mode="constant")
    both = []
    with torch.inference_mode():
        for batch in (torch.from_numpy(images), torch.from_numpy(shown)):
            batch = batch.contiguous(memory_format=torch.channels_last)
            of_member = [
                torch.softmax(network(batch) / member.temperature, 1)
                for network, member in zip(judge.networks, judge.facts.members, strict=True)
            ]
            both.append(torch.stack(of_member))
    label = both[0].mean(0).argmax(1)
    return 1 - both[1][:, torch.arange(len(label)), label].amin(0).numpy()


@pytest.mark.parametrize("asked", [DOUBTED[0], sum(DOUBTED)])
def test_doubts(compare, asked):
    """Doubts about real digits, whose labels are known by then, as in marking; the first part settles the verdict."""
    judge, images = Judge.shipped(), mnist_digits().test.images[: sum(DOUBTED)]
    labels = judge.labels(images)

    def ours():
        return judge.doubt(images[:asked], labels[:asked])

    assert judge_fooling.settled(ours(), judge.most_doubt)
    assert np.allclose(ours(), all_members(judge, images)[:asked], atol=1e-4)
    compare(
        f"judge-fooling from {asked} samples",
        ours,
        f"{sum(DOUBTED)} samples, all members, plain and blurred",
        lambda: all_members(judge, images),
        work=asked * sum(map(work, judge.networks)),
    )
