import numpy as np
import pytest

from harness import house
from reference import MODELS, shipped


def test_every_shipped_model_is_a_submission_with_the_options_it_was_trained_with():
    found = {s.entries[0].part: s for s in house.submissions()}
    assert {"cvae", "cgan"} < set(found)
    for name, submission in found.items():
        assert submission.id == f"house-{name}"
        assert (submission.root / submission.entries[0].file).is_file()
        assert dict(submission.entries[0].options) == house.facts(name)["options"]
        assert MODELS[submission.entries[0].model].task == submission.entries[0].task
        # Built with these options and the sizes that the file has, it takes every one of its tensors.
        assert not shipped.module(name).training


@pytest.mark.parametrize("name", ["cvae", "cgan"])
def test_a_sampler_draws_the_same_for_the_same_seed(name):
    draw = house.sampler(name)
    first, again, other = draw(20, 3), draw(20, 3), draw(20, 4)
    assert first.shape == (20, 1, 28, 28)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1
