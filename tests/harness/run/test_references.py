import shutil

import numpy as np
import pytest

from harness.run import references
from harness.types import Role
from reference import architecture, shipped


def test_every_shipped_model_is_a_submission_with_the_options_it_was_trained_with():
    found = {s.entries[0].part: s for s in references.submissions()}
    assert {"cvae", "cgan"} < set(found)
    for name, submission in found.items():
        assert submission.id == name
        assert submission.role is Role.REFERENCE
        path = submission.root / submission.entries[0].file
        facts = shipped.facts(path.stem)
        assert path.is_file()
        assert dict(submission.entries[0].options) == {path.stem: facts["options"], **facts.get("variants", {})}[name]
        assert architecture(submission.entries[0].model).task == submission.entries[0].task
        # Built with these options and the sizes that the file has, it takes every one of its tensors.
        assert not shipped.module(path.stem).training


def test_weights_of_several_epochs_say_so():
    found = {s.entries[0].part: {entry.epochs for entry in s.entries} for s in references.submissions()}
    assert [found[f"pixel-lstm-{n}"] for n in (0, 1, 5)] == [{0}, {1}, {5}]
    assert found["pixelcnn"] == found["cvae"] == {None}


def test_weights_of_ones_own_training_are_submissions_like_the_shipped_ones(tmp_path):
    shutil.copy(shipped.WEIGHTS / "pixel-lstm-1.safetensors", tmp_path / "pixel-lstm-1.safetensors")
    (own,) = references.submissions(tmp_path)
    (like,) = [s for s in references.submissions() if s.id == own.id]
    assert own.root == tmp_path
    assert own.entries == like.entries


def test_other_options_that_a_header_names_are_submissions_of_their_own():
    found = {s.entries[0].part: s for s in references.submissions()}
    mean, ascent = found["realnvp"], found["realnvp-ascent"]
    assert mean.entries[0].file == ascent.entries[0].file == "realnvp.safetensors"
    assert (mean.entries[0].options["inpainting"], ascent.entries[0].options["inpainting"]) == ("mean", "ascent")
    assert mean.name == "Reference RealNVP" and "inpainting = ascent" in ascent.name


@pytest.mark.parametrize("name", ["cvae", "cgan"])
def test_a_sampler_draws_the_same_for_the_same_seed(name):
    draw = references.samplers()[name]
    first, again, other = draw(20, 3), draw(20, 3), draw(20, 4)
    assert first.shape == (20, 1, 28, 28)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1
