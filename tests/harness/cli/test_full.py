"""Tests of entries that are measured in full: the record says so, and verify and mark take it from there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from harness import records
from harness.cli.app import app
from harness.tasks.samples.quality import MEASURES
from harness.types import Record, Status
from tests.data import embedded_digits

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = (
    '[submission]\nname = "{}"\n\n[[entry]]\ntask = "conditional-generation"\npart = "cvae"\noutputs = "samples.npz"\n'
)
ONLY_IN_FULL = set(MEASURES) - {"frechet_judge_distance"}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GRADEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def command(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, [str(each) for each in (*arguments, "--json")])
    assert done.stdout and (done.exception is None or isinstance(done.exception, SystemExit)), done.output
    return done.exit_code, json.loads(done.stdout)


def hand_in(folder: Path, seed: int, gain: float = 1) -> Path:
    """Hand in 10,000 samples: digits of the training set under noise, a thousand of each class in turn."""
    generator, digits = np.random.default_rng(seed), embedded_digits().train
    labels = np.tile(np.arange(10), 1_000)
    chosen = [generator.choice(np.flatnonzero(digits.labels == digit), 1_000) for digit in range(10)]
    images = digits.images[np.stack(chosen, axis=1).reshape(-1)]
    noisy = np.clip(images + generator.normal(0, 0.1, images.shape), 0, 1).astype(np.float32) * np.float32(gain)
    folder.mkdir(parents=True)
    np.savez(folder / "samples.npz", imgs=noisy, labels=labels)
    (folder / "submission.toml").write_text(MANIFEST.format(folder.name))
    return folder


def grade(results: Path, hand_in: Path, *options: str) -> None:
    task = ("--task", "conditional-generation")
    assert command("grade", hand_in, "--results", results, "--no-references", "--one", *task, *options)[0] in (0, 1)


def found(results: Path) -> dict[str, Record]:
    every = records.load_all(results).records
    return {record.submission: record for record in every if record.status is Status.SCORED}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a class of two and its results: one was graded with --full, the other without."""
    place = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GRADEBENCH_DATA", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        grade(place / "results", hand_in(place / "class" / "whole", 1), "--full")
        grade(place / "results", hand_in(place / "class" / "brief", 1, gain=0.99))
    return place


def test_a_record_says_that_it_was_measured_in_full(graded: Path) -> None:
    by_id = found(graded / "results")
    assert {name: record.full for name, record in by_id.items()} == {"whole": True, "brief": False}
    assert set(by_id["whole"].metrics) - set(by_id["brief"].metrics) == ONLY_IN_FULL
    # The other one was graded without the option, and written into the record of this one as alike.
    assert [one.others for one in by_id["whole"].compared] == [(("student", "brief", "cvae"),)]
    # A record that was written before there was the field.
    path = records.path_of(graded / "results", by_id["brief"].role, "brief", "cvae")
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["full"]
    assert records.parse(json.dumps(content).encode(), path) == by_id["brief"]


def test_verify_measures_each_entry_as_it_was_graded(graded: Path, tmp_path: Path) -> None:
    results = shutil.copytree(graded / "results", tmp_path / "results")
    # Of all that is measured, brief or in full, this alone isn't as it was.
    record = found(results)["whole"]
    coverage = record.metrics["coverage"]
    assert coverage.value
    altered = {**record.metrics, "coverage": replace(coverage, value=coverage.value / 2)}
    records.save(results, replace(record, metrics=altered))
    code, document = command("verify", results, graded / "class")
    handed_in = {one["id"]: one for one in document["entries"]}
    assert (code, handed_in["brief"]["outcome"]) == (1, "equal")
    (difference,) = handed_in["whole"]["differences"]
    assert (difference["what"], float(difference["now"])) == ("coverage", coverage.value)


def test_mark_measures_each_entry_as_it_was_graded_unless_told_to_measure_all(graded: Path, tmp_path: Path) -> None:
    results = shutil.copytree(graded / "results", tmp_path / "results")
    before = found(results)
    # Answers of 31 MB were not kept, so that whatever had to be measured anew would have to be asked for again.
    assert {record.answers for record in before.values()} == {""}
    sheet = (ROOT / "harness/assignments/tsinghua-hw3/assignment.toml").read_text(encoding="utf-8")
    (tmp_path / "strict.toml").write_text(sheet.replace("pass = 0.98\n", "pass = 0.9999\n"), encoding="utf-8")
    assert command("mark", results, "-a", tmp_path / "strict.toml")[0] == 1
    after = found(results)
    for name, record in after.items():
        assert (record.full, record.metrics) == (before[name].full, before[name].metrics)
        assert record.keys["mark"] == before[name].keys["mark"]
        assert record.keys["score"] != before[name].keys["score"]
    # The one that was graded in brief would have to be asked again, and it alone.
    code, document = command("mark", results, "-a", tmp_path / "strict.toml", "--full")
    assert code == 3
    marked = {each["id"] for each in document["submissions"] if any(one["metrics"] for one in each["entries"])}
    assert marked == {"whole"}
    assert found(results) == after
