import dataclasses

import numpy as np
import pytest

from harness import house
from harness.types import Evidence, Metric
from reference import MODELS
from tests.harness.test_records import record


def test_every_shipped_model_is_a_submission_with_the_options_it_was_trained_with():
    found = {s.entries[0].model: s for s in house.submissions()}
    assert set(found) == set(MODELS)
    for name, submission in found.items():
        assert submission.id == f"house-{name}"
        assert (submission.root / submission.entries[0].file).is_file()
        assert dict(submission.entries[0].options) == house.facts(name)["options"]
        MODELS[name].build(submission.entries[0].options)


@pytest.mark.parametrize("name", MODELS)
def test_a_sampler_draws_the_same_for_the_same_seed(name):
    draw = house.sampler(name)
    first, again, other = draw(20, 3), draw(20, 3), draw(20, 4)
    assert first.shape == (20, 1, 28, 28)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1


def test_the_table_is_rewritten_between_its_marks_alone(tmp_path):
    path = tmp_path / "MODELS.md"
    path.write_text(f"before\n{house.BEGIN}\nold\n{house.END}\nafter\n", encoding="utf-8")
    scored = dataclasses.replace(
        record(),
        metrics={
            "accuracy": Metric(0.9962, "share", "higher", 10_000, 0.9948, 0.9972),
            "diversity": Metric(0.1234, "gray value", "higher", 10_000),
        },
        evidence=(Evidence("mode-collapse", False, 0.61, 0.9, 1.1),),
        digests={"checkpoint": "ab" * 32},
    )
    house.write_table(path, [scored], "mnist")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{house.BEGIN}\n")
    assert text.endswith(f"{house.END}\nafter\n")
    assert "old" not in text
    assert "| cvae | 99.62% | 99.48% – 99.72% | 0.1234 (gate held) | no, 0.61 | `abababababababab…` |" in text
