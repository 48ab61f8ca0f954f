"""Tests that what ran is what was digested: code runs from a private copy of the listed files."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import intake, scratch
from harness.intake import submissions as reading
from harness.run import hand_in
from harness.sandbox.outside import Worker, probe
from harness.types import Record, Status
from tests.harness.run.executors import small_class
from tests.harness.run.executors.small_class import graded, hand_in_code

pytestmark = pytest.mark.skipif(probe().level == "minimal", reason="student code needs isolation")

OTHER = "def half(images):\n    return images * 0.0\n"


@pytest.fixture(params=["full", "reduced"], autouse=True)
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """The isolation level of every run."""
    isolation = request.getfixturevalue(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_class, "probe", lambda: isolation)
        yield request.param


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of temporary folders, which nobody else uses."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def honest(tmp_path: Path) -> Record:
    hand_in_code(tmp_path / "honest" / "code")
    return graded(tmp_path / "honest", tmp_path / "first")["code"]


@pytest.mark.corpus("What ran is what was digested", "an unchecked .pyc")
def test_compiled_code_that_is_not_listed_does_not_run(
    tmp_path: Path, honest: Record, folders: Path, level: str
) -> None:
    place = tmp_path / "class" / "code"
    hand_in_code(place)
    source = tmp_path / "other.py"
    source.write_text(OTHER)
    target = importlib.util.cache_from_source(str(place / "beside.py"))
    # Unchecked: Python takes it in place of the source, whatever that holds.
    py_compile.compile(str(source), target, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    (place / "venv").mkdir()
    (place / "venv" / "beside.py").write_text(OTHER)
    found = graded(tmp_path / "class", tmp_path / "second")["code"]
    assert found.status is Status.SCORED
    assert found.isolation == honest.isolation == level
    assert found.metrics == honest.metrics
    assert found.digests["code"] == honest.digests["code"]
    assert found.digests["answers"] == honest.digests["answers"]


@pytest.mark.corpus("What ran is what was digested", "a file changed during `load`")
@pytest.mark.parametrize("when", ["before the copy", "after the copy"])
def test_a_file_that_is_swapped_is_graded_as_what_it_was_when_it_was_copied(
    tmp_path: Path, honest: Record, folders: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    place = tmp_path / "class" / "code"
    hand_in_code(place)

    def swap() -> None:
        with (place / "beside.py").open("r+") as file:  # in place: links to the same file would change, too
            file.truncate(0)
            file.write(OTHER)

    real, opened = hand_in.intake.copied, Worker.open_code

    def copied(submission: object, into: Path) -> object:
        if when == "before the copy":
            swap()
        return real(submission, into)  # type: ignore[arg-type]

    def open_code(worker: Worker, *arguments: object) -> list[str]:
        swap()
        return opened(worker, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(hand_in.intake, "copied", copied)
    monkeypatch.setattr(Worker, "open_code", open_code)
    found = graded(tmp_path / "class", tmp_path / "second")["code"]
    hand_in_code(tmp_path / "other" / "code")
    (tmp_path / "other" / "code" / "beside.py").write_text(OTHER)
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(folders))
    other = graded(tmp_path / "other", tmp_path / "third")["code"]
    assert other.digests["answers"] != honest.digests["answers"]
    expected = other if when == "before the copy" else honest
    for name in ("code", "answers"):
        assert found.digests[name] == expected.digests[name]
    assert found.metrics == expected.metrics


def test_copies_are_deleted_and_where_all_is_known_none_is_made(
    tmp_path: Path, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in_code(tmp_path / "class" / "code")
    first = graded(tmp_path / "class", tmp_path / "one")["code"]
    assert list(folders.iterdir()) == []

    def refused(*_: object) -> None:
        raise AssertionError("a copy was made")

    monkeypatch.setattr(intake, "copied", refused)
    monkeypatch.setattr(scratch, "folder", refused)
    assert reading.listed(tmp_path / "class" / "code").files
    (tmp_path / "one" / "work").rmdir()
    assert graded(tmp_path / "class", tmp_path / "one")["code"] == first


@pytest.mark.corpus("What ran is what was digested", "a manifest changed while it is graded")
def test_a_manifest_that_changes_while_it_is_graded_fails_the_entry(
    tmp_path: Path, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "class" / "code"
    hand_in_code(place)
    real = hand_in.intake.copied

    def copied(submission: object, into: Path) -> object:
        (place / "submission.toml").write_text("[submission]\n")
        return real(submission, into)  # type: ignore[arg-type]

    monkeypatch.setattr(hand_in.intake, "copied", copied)
    found = graded(tmp_path / "class", tmp_path / "one")["code"]
    assert found.status is Status.FAILED and found.failure is not None
    assert found.failure.message == "submission.toml was changed while the submission was graded; grade it again."


def test_a_disk_that_is_full_costs_the_entry_and_is_not_the_students_fault(
    tmp_path: Path, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in_code(tmp_path / "class" / "code")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(hand_in.intake, "copied", full)
    found = graded(tmp_path / "class", tmp_path / "one")["code"]
    assert found.status is Status.NOT_GRADABLE and found.failure is not None
    assert "No space left on device" in found.failure.message
