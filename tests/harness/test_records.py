"""Records on disk: what survives, what is refused, and what must repeat."""

import dataclasses
import json
import os

import numpy as np
import pytest
from PIL import Image

from harness import records
from harness.records import RecordError
from harness.types import Evidence, Failure, Figure, Gate, Metric, Record, Role, Score, Status


def record(**changes):
    base = Record(
        submission="s1",
        name="Team Ö <b>",
        role=Role.STUDENT,
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
        metrics={"accuracy": Metric(0.99, "share", "higher", 10_000, 0.988, 0.992, title="accuracy")},
        evidence=(Evidence("mode-collapse", False, 0.9, 0.25, 1.1, "fine", "mode collapse"),),
        gates={"diversity": Gate(True, "diversity")},
        figures=(Figure("confusion", "matrix", "Confusion", {"counts": [[1, 2], [3, 4]]}),),
        data="mnist",
        seed=0,
        keys={"ask": "1", "mark": "2", "score": "3"},
        digests={"data": "ab"},
        versions={"torch": "2.13.0"},
        device="cpu",
        isolation="full",
        timings={"answers": 1.5},
        graded_at="2026-01-01T00:00:00+00:00",
    )
    return dataclasses.replace(base, **changes)


def path(results, of=None):
    of = of or record()
    return records.path_of(results, of.role, of.submission, of.part)


def test_a_record_survives_the_disk(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    counts = np.array([[5, 6], [7, 8]])
    drawn = record(
        figures=(
            Figure("samples", "picture", "Samples", {"pixels": pixels}),
            Figure("m", "matrix", "M", {"counts": counts}),
        )
    )
    saved = records.save(tmp_path, drawn)
    assert records.load(path(tmp_path)) == saved
    assert saved.figures[0].file == "s1/cvae.samples.png"
    assert saved.figures[0].data == {}
    assert saved.figures[1].data == {"counts": [[5, 6], [7, 8]]}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "s1" / "cvae.samples.png")), pixels)
    assert sorted(p.name for p in (tmp_path / "s1").iterdir()) == ["cvae.json", "cvae.samples.png"]
    # A picture that lies on disk already is not written again.
    stamp = (tmp_path / "s1" / "cvae.samples.png").stat().st_mtime_ns
    assert records.save(tmp_path, saved) == saved
    assert (tmp_path / "s1" / "cvae.samples.png").stat().st_mtime_ns == stamp


def test_roles_keep_records_of_equal_ids_apart(tmp_path):
    for role in Role:
        records.save(tmp_path, record(role=role))
    loaded = records.load_all(tmp_path)
    assert [r.role for r in loaded.records] == list(Role)
    assert loaded.problems == ()
    assert path(tmp_path, record(role=Role.REFERENCE)) == tmp_path / "@reference" / "s1" / "cvae.json"


def test_a_failed_record_survives_the_disk(tmp_path):
    failed = record(
        status=Status.FAILED,
        failure=Failure("checkpoint", "truncated", "cut short", "submission", "…"),
        score=None,
        metrics={},
        figures=(),
        primary=None,
    )
    assert records.save(tmp_path, failed) == failed
    assert records.load(path(tmp_path)) == failed


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_written(tmp_path, value):
    bad = record(metrics={"accuracy": Metric(value, "share", "higher", 1)})
    with pytest.raises(ValueError, match="accuracy"):
        records.save(tmp_path, bad)
    assert not path(tmp_path).exists()


def test_a_damaged_record_is_named(tmp_path):
    records.save(tmp_path, record())
    path(tmp_path).write_text(path(tmp_path).read_text()[:-40])
    with pytest.raises(RecordError, match=r"cvae\.json"):
        records.load(path(tmp_path))


@pytest.mark.parametrize(("schema", "said"), [(1, "older version"), (99, "newer version")])
def test_another_schema_is_told_and_not_guessed_at(tmp_path, schema, said):
    records.save(tmp_path, record())
    changed = json.loads(path(tmp_path).read_text()) | {"schema": schema}
    path(tmp_path).write_text(json.dumps(changed))
    with pytest.raises(RecordError, match=f"{said}.*schema {schema}"):
        records.load(path(tmp_path))


@pytest.mark.corpus("Results folder", "a foreign .json")
def test_one_unreadable_record_stops_no_other(tmp_path):
    for part in ("a", "b", "c", "d"):
        records.save(tmp_path, record(part=part))
    (tmp_path / "s1" / "b.json").write_text("{}")
    (tmp_path / "s1" / "c.json").unlink()
    os.mkfifo(tmp_path / "s1" / "c.json")
    loaded = records.load_all(tmp_path)
    assert [r.part for r in loaded.records] == ["a", "d"]
    assert len(loaded.problems) == 2
    assert "b.json" in loaded.problems[0]
    assert "c.json: not a regular file" in loaded.problems[1]


def test_removing_a_record_removes_its_own_files_and_no_others(tmp_path):
    pixels = np.zeros((2, 2), np.uint8)
    (tmp_path / "precious.png").write_bytes(b"mine")
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "cgan.json").write_bytes(b"other")
    saved = records.save(tmp_path, record(figures=(Figure("samples", "picture", "Samples", {"pixels": pixels}),)))
    hostile = [
        Figure("x", "picture", "X", {}, file=name) for name in ("precious.png", "../precious.png", "s1/cgan.json")
    ]
    records.remove(
        tmp_path, dataclasses.replace(saved, figures=(*saved.figures, *hostile), answers="s1/../precious.png")
    )
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["precious.png", "s1/cgan.json"]


def test_clocks_are_not_part_of_what_must_repeat():
    later = record(timings={"answers": 9.0}, graded_at="2027-01-01T00:00:00+00:00")
    assert records.repeatable(later) == records.repeatable(record())
    assert records.repeatable(record(seed=1)) != records.repeatable(record())
