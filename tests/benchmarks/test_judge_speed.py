"""The judge's labels of 10,000 images against the plain PyTorch example's CNN (1,199,882 parameters), in one run."""

import numpy as np
import pytest

from classifiers.evaluate import plain_example
from classifiers.judge import Judge
from tests.data import mnist_digits

GROUP = "labels of 10,000 images"


@pytest.mark.benchmark(group=GROUP)
def test_plain_example_cnn(benchmark):
    ask, images = plain_example(), mnist_digits().test.images
    assert len(benchmark.pedantic(ask, (images,), rounds=5, warmup_rounds=1)) == 10_000


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
