"""The class file: what it states, which differences it finds, and what a hostile one can't do."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.mnist import MNIST
from harness.provenance import versions
from harness.run import class_file
from harness.run.prepare import Request, prepare
from harness.run.quick import IMAGES, few
from harness.run.settings import RequestError, Run
from tests.data import embedded_digits


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("GRADEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return prepare(Request("tsinghua-hw3", tmp_path / "results", None, 3))


def written(run: Run, path: Path, **changes: str) -> class_file.Found:
    """The class file of a run, with lines replaced by their keys."""
    lines = class_file.text_of(run, run.assignment.name, False, None).splitlines()
    for key, value in changes.items():
        assert sum(line.startswith(f"{key} = ") for line in lines) == 1
        lines = [f"{key} = {value}" if line.startswith(f"{key} = ") else line for line in lines]
    path.write_text("\n".join(lines))
    return class_file.read(path, trusted=True)


def test_the_file_of_a_run_is_toml_and_finds_no_difference_to_it(run: Run, tmp_path: Path) -> None:
    text = class_file.text_of(run, "tsinghua-hw3", False, datetime(2026, 12, 1, 12, tzinfo=UTC))
    told = tomllib.loads(text)
    assert told["seed"] == 3 and told["deadline"] == datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert told["data"] == "digits" and told["judge_sha256"] == run.context.judge.digest
    assert told["protocols"] == {
        part.task: run.coursework.task(part.task).protocol for part in run.coursework.assignment.part
    }
    assert class_file.differences(written(run, tmp_path / "c.toml"), run) == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("assignment_sha256", f'"{"0" * 64}"', "another assignment"),
        ("judge_sha256", f'"{"0" * 64}"', "another judge (000000000000)"),
        ("seed", "4", "seed is 4, and this check's 3"),
        ("seed", '"secret"', "seed is secret"),
        ("data_sha256", f'"{"0" * 64}"', "digits is not the one"),
        ("torch", '"2.12.0"', f"torch 2.12.0, and this machine {versions()['torch']}"),
        ("half-inpainting", "99", "half-inpainting has version 99 there"),
    ],
)
def test_each_difference_is_said(run: Run, tmp_path: Path, key: str, value: str, said: str) -> None:
    found = class_file.differences(written(run, tmp_path / "c.toml", **{key: value}), run)
    assert len(found) == 1 and said in found[0]


def test_embedded_digits_in_place_of_mnist_are_said_with_the_remedy(run: Run, tmp_path: Path) -> None:
    found = written(run, tmp_path / "c.toml", data='"mnist"', data_sha256=f'"{MNIST}"')
    (said,) = class_file.differences(found, run)
    assert "on mnist, and this check on digits" in said and "gradebench data fetch" in said


def test_weaker_isolation_and_trusted_code_are_said(run: Run, tmp_path: Path) -> None:
    found = written(run, tmp_path / "c.toml", isolation='"full"')
    weaker = replace(run, isolation=replace(run.isolation, level="minimal"), trust_code=True)
    said = class_file.differences(found, weaker)
    assert len(said) == 2 and "minimal here and full there" in said[0] and "--trust-code" in said[1]
    stronger = written(run, tmp_path / "d.toml", isolation='"minimal"')
    assert class_file.differences(stronger, run) == []


def test_an_edited_threshold_is_another_assignment(run: Run) -> None:
    part = run.assignment.part[0]
    edited = part.model_copy(update={"pass_mark": part.pass_mark / 2})
    other = run.assignment.model_copy(update={"part": [edited, *run.assignment.part[1:]]})
    assert class_file.digest_of(replace(run.coursework, assignment=other)) != class_file.digest_of(run.coursework)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("schema = 2", "schema"),
        ("schema = 1", "assignment: Field required"),
        ("x = [", "is not TOML"),
        ("x" * 70_000, "larger than a class file"),
        ("a = " + "[" * 30_000, "is not TOML"),
        ("\x00", "is not TOML"),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "c.toml").write_text(content)
    with pytest.raises(RequestError, match=said):
        class_file.read(tmp_path / "c.toml", trusted=True)


def test_a_file_beside_a_submission_names_no_code(run: Run, tmp_path: Path) -> None:
    """A hand-in that brings a class file and a coursework must not have its tasks.py imported by the parent."""
    submission = tmp_path / "submission"
    (submission / "evil").mkdir(parents=True)
    (submission / "evil" / "tasks.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')\nTASKS = {{}}\n")
    (submission / "evil" / "assignment.toml").write_text('name = "e"\ntitle = "e"\n')
    for named in ("evil", "./evil", str(submission / "evil"), "evil/assignment.toml"):
        text = class_file.text_of(run, named, False, None)
        (submission / class_file.NAME).write_text(text)
        found = class_file.beside(submission)
        assert found is not None
        with pytest.raises(RequestError, match="run only where it is named by --assignment"):
            found.assignment()
    assert not (tmp_path / "pwned").exists()
    assert class_file.read(submission / class_file.NAME, trusted=True).assignment().endswith("evil/assignment.toml")


def test_a_link_beside_a_submission_is_not_followed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text("private = 1")
    (tmp_path / class_file.NAME).symlink_to(tmp_path / "elsewhere.toml")
    with pytest.raises(RequestError, match="no such file"):
        class_file.beside(tmp_path)


def test_deadlines(run: Run, tmp_path: Path) -> None:
    found = written(run, tmp_path / "c.toml").settings
    assert class_file.late(found) is None
    settings = found.model_copy(update={"deadline": datetime(2026, 12, 1, 12)})
    assert class_file.late(settings, datetime(2026, 12, 1, 11, tzinfo=UTC)) is False
    assert class_file.late(settings, datetime(2026, 12, 1, 13, tzinfo=UTC)) is True


def test_tasks_with_secret_questions_are_named(run: Run, tmp_path: Path) -> None:
    functions = prepare(Request("tu-berlin-sheet10", tmp_path / "functions", None, 0))
    assert "mixture-density" not in class_file.varying(functions)
    other = prepare(Request("ist-hw5", tmp_path / "other", None, 0))
    assert "reconstruction" in class_file.varying(other)


def test_few_digits_are_the_first_of_the_test_set_under_another_digest() -> None:
    digits = embedded_digits()
    small = few(digits, 40)
    assert len(small.test) == 40 and len(small.train) == len(digits.train)
    assert (small.test.images == digits.test.images[:40]).all()
    assert small.digest != digits.digest and few(digits, 41).digest != small.digest
    assert IMAGES < 10_000
