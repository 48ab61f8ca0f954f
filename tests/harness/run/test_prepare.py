"""A run finds data and judges first, and reads them when an entry needs them; what is damaged ends it."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from classifiers import weights_file
from classifiers.judge import Judge
from harness import mnist, records
from harness.assignments import DEFAULT
from harness.cli.app import main
from harness.run import run as grading
from harness.run.prepare import Request, RequestError, prepare
from submissions import examples
from tests.harness.run.grading import collect


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Embedded digits as MNIST's four files, whose hashes replace MNIST's."""
    folder = tmp_path / "data"
    folder.mkdir()
    digits, published = mnist.embedded(), {}
    for part, split in (("train", digits.train), ("t10k", digits.test)):
        pixels = np.rint(split.images[:, 0] * 255).astype(np.uint8)
        for kind, array in (("images-idx3", pixels), ("labels-idx1", split.labels.astype(np.uint8))):
            name = f"{part}-{kind}-ubyte"
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            published[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(mnist, "FILES", {name: published[name] for name in mnist.FILES})
    return folder


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    place = tmp_path / "class" / "one"
    place.mkdir(parents=True)
    examples.mediocre(place)
    return place.parent


def damage(folder: Path) -> None:
    file = folder / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1] + b"\x09\x09"))


def test_damaged_data_end_a_run_that_needs_them_and_no_other(data: Path, handed_in: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    request = Request(DEFAULT, results, data, 0)
    submissions = collect(handed_in, tmp_path / "work")
    first = grading.grade(submissions, prepare(request))
    damage(data)
    known: list[bool] = []
    again = grading.grade(submissions, prepare(request), lambda record, taken_over: known.append(taken_over))
    assert [records.repeatable(r) for r in again] == [records.repeatable(r) for r in first]
    assert all(known)
    with pytest.raises(RequestError, match=r"t10k-labels-idx1-ubyte\.gz is damaged"):
        grading.grade(submissions, prepare(Request(DEFAULT, results, data, 0, fresh=True)))
    # What was known stays: the failure is no entry's.
    kept = [record for record in records.load_all(results).records if record.part == "cvae"]
    assert [record.primary for record in kept] == ["accuracy"]


def test_a_missing_data_file_is_refused_before_anything_is_graded(data: Path, tmp_path: Path) -> None:
    (data / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(RequestError, match="has no file train-images-idx3-ubyte"):
        prepare(Request(DEFAULT, tmp_path / "results", data, 0))


def test_the_command_ends_with_a_sentence_and_exit_code_2(
    data: Path, handed_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(data)
    command = ["gradebench", "grade", str(handed_in), "--data", str(data), "--results", str(tmp_path / "results")]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "t10k-labels-idx1-ubyte.gz is damaged" in said
    assert "Traceback" not in said


def test_a_judge_whose_networks_cannot_be_built_ends_the_run(data: Path, handed_in: Path, tmp_path: Path) -> None:
    judge = Judge.shipped()
    networks, facts, _ = weights_file.load(weights_file.SHIPPED, fold=False)
    networks[0].head.weight.data[0, 0] = float("nan")
    weights_file.save(tmp_path / "judge.safetensors", networks, facts)
    run = prepare(Request(DEFAULT, tmp_path / "results", data, 0, tmp_path / "judge.safetensors"))
    assert run.context.judge.digest != judge.digest
    with pytest.raises(RequestError, match="not finite"):
        grading.grade(collect(handed_in, tmp_path / "work"), run)
