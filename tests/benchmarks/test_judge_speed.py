"""The judge's labels of 10,000 images against the plain PyTorch example's CNN (1,199,882 parameters), in one run.

The example is two 3 x 3 convolutions (32 and 64 channels, unpadded), a pooling and two linear layers, as in PyTorch's
introductory MNIST program, asked in batches of 1,000 without gradients. What it answers plays no part; untrained
weights take as long as trained ones.
"""

import numpy as np
import pytest
import torch
from torch import nn

from classifiers.judge import Judge
from tests.data import mnist_digits

GROUP = "labels of 10,000 images"


def example() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    ).eval()


@pytest.mark.benchmark(group=GROUP)
def test_plain_example_cnn(benchmark):
    network = example()
    assert sum(p.numel() for p in network.parameters()) == 1_199_882
    images = torch.from_numpy(mnist_digits().test.images)

    def ask():
        with torch.inference_mode():
            return torch.cat([network(part).argmax(1) for part in images.split(1000)])

    assert len(benchmark.pedantic(ask, rounds=5, warmup_rounds=1)) == 10_000


@pytest.mark.benchmark(group=GROUP)
def test_judge(benchmark):
    judge, test = Judge.shipped(), mnist_digits().test
    labels = benchmark.pedantic(judge.labels, (test.images,), rounds=5, warmup_rounds=1)
    assert np.mean(labels == test.labels) > 0.996


@pytest.mark.benchmark(group=GROUP)
def test_judge_asking_all_members_about_each_image(benchmark):
    judge, test = Judge.shipped(), mnist_digits().test
    probabilities = benchmark.pedantic(judge.committee, (test.images,), rounds=3, warmup_rounds=1)
    assert np.mean(probabilities.argmax(1) == test.labels) > 0.996
