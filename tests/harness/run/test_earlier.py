"""Tests of comparing a class with earlier classes, and with shipped models that were not graded beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from classifiers.judge import Judge
from harness import records
from harness.cli.app import app
from harness.run import earlier
from harness.tasks.base import Context
from harness.types import Role
from tests.data import embedded_digits, mnist_digits
from tests.harness.run.grading import run_of
from tests.harness.run.test_compare import MODEL, SHEET, STREAMS, grade, hand_in, noisy, others


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


@pytest.fixture
def last_year(context: Context, tmp_path: Path) -> Path:
    hand_in(tmp_path / "then", "ada", noisy(tmp_path, 0.03, 1))
    hand_in(tmp_path / "then", "bob", noisy(tmp_path, 0.03, 2))
    run = run_of(context, tmp_path / "2025" / "results-2025", STREAMS)
    grade(run, tmp_path / "then")
    return run.results


def test_copies_of_an_earlier_class_are_found_and_nobody_there_is_accused(
    context: Context, last_year: Path, tmp_path: Path
) -> None:
    hand_in(tmp_path / "now", "eve", (tmp_path / "then" / "bob" / "m1.safetensors").read_bytes())
    # The same student's id, or another's of that number.
    hand_in(tmp_path / "now", "ada", (tmp_path / "1.safetensors").read_bytes())
    hand_in(tmp_path / "now", "dan", noisy(tmp_path, 0.5, 5))
    before = {path: path.read_bytes() for path in last_year.rglob("*") if path.is_file()}
    run = run_of(context, tmp_path / "results", STREAMS)
    assert {r.compared for r in grade(run, tmp_path / "now").values()} == {()}
    found = grade(dataclasses.replace(run, earlier=(last_year,)), tmp_path / "now")
    assert others(found["eve"]) == [("student", "Team bob (bob) of results-2025", "symbols-m1")]
    assert "handed in by Team bob (bob) of results-2025." in found["eve"].compared[0].message
    assert others(found["ada"]) == [("student", "Team ada (ada) of results-2025", "symbols-m1")]
    assert found["dan"].compared == ()
    assert {path: path.read_bytes() for path in last_year.rglob("*") if path.is_file()} == before
    # Without the folder, what it told is forgotten.
    assert {r.compared for r in grade(run, tmp_path / "now").values()} == {()}


def test_answers_that_are_like_an_earlier_students_are_found(context: Context, last_year: Path, tmp_path: Path) -> None:
    copied = {name: value * (1 + 1e-4) for name, value in load_file(tmp_path / "2.safetensors").items()}
    save_file(copied, tmp_path / "copy.safetensors")
    hand_in(tmp_path / "now", "eve", (tmp_path / "copy.safetensors").read_bytes())
    run = dataclasses.replace(run_of(context, tmp_path / "results", STREAMS), earlier=(last_year,))
    (record,) = grade(run, tmp_path / "now").values()
    assert others(record) == [("student", "Team bob (bob) of results-2025", "symbols-m1")]
    assert record.compared[0].value > 0 and "The answers to the same questions" in record.compared[0].message


def test_shipped_models_are_compared_with_though_none_is_graded_beside(tmp_path: Path) -> None:
    context = Context(mnist_digits(), Judge.shipped(), seed=0)
    hand_in(tmp_path / "class", "eve", noisy(tmp_path, 0.0002, 4))
    hand_in(tmp_path / "class", "ada", noisy(tmp_path, 0.5, 1))
    run = run_of(context, tmp_path / "results", STREAMS)
    found = grade(run, tmp_path / "class")
    assert {r.role for r in records.load_all(run.results).records} == {Role.STUDENT}
    assert others(found["eve"]) == [("reference", MODEL, "")]
    assert f"those of the shipped reference {MODEL}" in found["eve"].compared[0].message
    assert found["ada"].compared == ()
    # A demonstration's own class is made of them.
    alone = dataclasses.replace(run, compare_shipped=False)
    assert {record.compared for record in grade(alone, tmp_path / "class").values()} == {()}


def test_the_list_is_kept_and_a_folder_that_is_gone_is_named(last_year: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    assert earlier.chosen(results) == ()
    folders = earlier.chosen(results, [last_year])
    earlier.keep(results, folders)
    assert earlier.kept(results) == earlier.chosen(results, [last_year]) == (last_year.resolve(),)
    (tmp_path / "empty").mkdir()
    for wrong, said in (
        (tmp_path / "empty", "holds no records"),
        (results, "own results"),
        (tmp_path / "no", "no such"),
    ):
        with pytest.raises(earlier.EarlierError, match=said):
            earlier.chosen(results, [wrong])
    last_year.rename(tmp_path / "moved")
    with pytest.raises(earlier.EarlierError, match=r"put it back, or delete its line in .*earlier\.txt"):
        earlier.chosen(results)
    (results / earlier.FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(earlier.EarlierError, match="can't be read"):
        earlier.kept(results)


def test_the_command_keeps_the_list_and_public_pages_name_nobody_of_it(
    last_year: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hand_in(tmp_path / "now", "eve", (tmp_path / "then" / "bob" / "m1.safetensors").read_bytes())
    results, site = tmp_path / "results", tmp_path / "site"

    def command(*arguments: object) -> str:
        wanted = ["grade", tmp_path / "now", "-a", SHEET.name, "--results", results, "--no-references", *arguments]
        done = CliRunner().invoke(app, [str(each) for each in wanted])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done.output

    command("--earlier", last_year)
    assert "Team bob (bob) of results-2025" in command("--site", site, "--staff")
    assert "Team bob" in "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    command("--site", site)
    told = "".join(
        page.read_text(encoding="utf-8") for page in site.rglob("*") if page.suffix in (".html", ".json", ".csv")
    )
    assert "copied weights" in told.lower() and "bob" not in told.lower() and "results-2025" not in told
    assert "--earlier" in command("--earlier", tmp_path / "nothing")
