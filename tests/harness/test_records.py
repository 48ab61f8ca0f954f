import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from harness import records
from harness.records import RecordError
from harness.types import Evidence, Failure, Metric, Record, Score, Status


def record(**changes):
    base = Record(
        submission="s1",
        name="Team Ö <b>",
        part="cvae",
        task="conditional-generation",
        kind="weights",
        model="cvae",
        assignment="tsinghua-hw3",
        protocol=1,
        status=Status.SCORED,
        failure=None,
        score=Score(20.0, 25.0, True, "reached"),
        primary="accuracy",
        metrics={"accuracy": Metric(0.99, "share", "higher", 10_000, 0.988, 0.992)},
        evidence=(Evidence("mode-collapse", False, 0.9, 0.25, 1.1, "fine"),),
        gates={"diversity": True},
        tables={"confusion": [[1, 2], [3, 4]]},
        pictures={"samples": records.picture_name("s1", "cvae", "samples")},
        data="mnist",
        seed=0,
        digests={"data": "ab"},
        versions={"torch": "2.13.0"},
        device="cpu",
        isolation="full",
        timings={"answers": 1.5},
        graded_at="2026-01-01T00:00:00+00:00",
    )
    return dataclasses.replace(base, **changes)


def test_a_record_survives_the_disk(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = records.save(tmp_path, record(), {"samples": pixels})
    assert records.load(path) == record()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "s1" / "cvae.samples.png")), pixels)
    assert [p.name for p in (tmp_path / "s1").iterdir() if p.name.startswith(".")] == []


def test_a_failed_record_survives_the_disk(tmp_path):
    failed = record(
        status=Status.FAILED,
        failure=Failure("checkpoint", "truncated", "cut short", "submission", "…"),
        score=None,
        metrics={},
        pictures={},
        primary=None,
    )
    assert records.load(records.save(tmp_path, failed, {})) == failed


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_written(tmp_path, value):
    bad = record(metrics={"accuracy": Metric(value, "share", "higher", 1)}, pictures={})
    with pytest.raises(ValueError, match="accuracy"):
        records.save(tmp_path, bad, {})
    assert not records.path_of(tmp_path, "s1", "cvae").exists()


def test_a_damaged_record_is_named(tmp_path):
    path = records.save(tmp_path, record(pictures={}), {})
    path.write_text(path.read_text()[:-40])
    with pytest.raises(RecordError, match=r"cvae\.json"):
        records.load(path)


def test_another_schema_is_not_guessed_at(tmp_path):
    path = records.save(tmp_path, record(pictures={}), {})
    changed = json.loads(path.read_text()) | {"schema": 99}
    path.write_text(json.dumps(changed))
    with pytest.raises(RecordError, match="99"):
        records.load(path)


def test_clocks_are_not_part_of_what_must_repeat():
    later = record(timings={"answers": 9.0}, graded_at="2027-01-01T00:00:00+00:00")
    assert records.repeatable(later) == records.repeatable(record())
    assert records.repeatable(record(seed=1)) != records.repeatable(record())
