"""Files, notebooks and objects with functions are graded from the manifest to the points, in the real sandbox."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import reference.berlin_functions
import reference.ucl_functions
from harness.assignments import coursework
from harness.sandbox.outside import Isolation
from harness.tasks.base import Context
from harness.types import Kind, Status
from tests.harness.run.grading import collect, grade, run_of
from tests.harness.student_code.test_notebooks import notebook

BERLIN = "tu-berlin-sheet10"
TASKS = {
    "mixture-density-a": "mixture-density",
    "mixture-density-b": "mixture-density",
    "conditional-rbm-a": "conditional-rbm",
    "conditional-rbm-b": "conditional-rbm",
    "pca-function": "pca-projection",
    "ebl-function": "energy-error",
}
WRONG = """
import numpy
def grad_mu(alpha, mu, sigma, t):
    size = t.shape[0]
    phi = numpy.exp(-((t - mu) ** 2).sum(axis=1) / (2 * sigma**2)) / sigma**size
    pi = alpha * phi / (alpha * phi).sum()
    return pi[:, None] * (mu - t)
"""
HOSTILE = """
import os, torch
def dE_dz(z, mu, sigma, t):
    os._exit(0)
"""


def manifest(code: str, parts: dict[str, str]) -> str:
    entries = [f'[[entry]]\ntask = "{task}"\npart = "{part}"\ncode = "{code}"\n' for part, task in parts.items()]
    return "\n".join(entries)


def graded(context: Context, tmp_path: Path, name: str) -> dict[tuple[str, str], object]:
    found = collect(tmp_path / "class", tmp_path / "work", coursework.find(name))
    return {(r.submission, r.part): r for r in grade(found, run_of(context, tmp_path / "results", name))}


def hand_in(tmp_path: Path, name: str, file: str, text: str, code: str, parts: dict[str, str]) -> None:
    folder = tmp_path / "class" / name
    folder.mkdir(parents=True)
    (folder / file).write_text(text, encoding="utf-8")
    (folder / "submission.toml").write_text(manifest(code, parts), encoding="utf-8")


def test_a_class_hands_in_functions(full: Isolation, context: Context, tmp_path: Path) -> None:
    source = Path(reference.berlin_functions.__file__).read_text("utf-8")
    some = {part: TASKS[part] for part in ("mixture-density-a", "ebl-function")}
    hand_in(tmp_path, "file", "sheet10.py", source, "sheet10.py", TASKS)
    hand_in(tmp_path, "notebook", "sheet10.ipynb", notebook(*source.split("\n\n\n")), "sheet10.ipynb", some)
    made = (
        source + "\n\nclass Sheet:\n    dE_dmu = staticmethod(dE_dmu)\n    def grad_alpha(self, alpha, mu, sigma, t):\n"
    )
    made += "        return dE_dalpha(alpha, mu, sigma, t)\n\ndef load(path):\n    return Sheet()\n"
    hand_in(tmp_path, "object", "own.py", made, "own.py:load", {"mixture-density-a": "mixture-density"})
    hand_in(tmp_path, "wrong", "w.py", WRONG, "w.py", {"mixture-density-a": "mixture-density"})
    hand_in(tmp_path, "hostile", "h.py", HOSTILE, "h.py", {"mixture-density-b": "mixture-density"})
    records = graded(context, tmp_path, BERLIN)
    points = {part: records["file", part].score.points for part in TASKS}
    assert points == {
        "mixture-density-a": 20,
        "mixture-density-b": 10,
        "conditional-rbm-a": 20,
        "conditional-rbm-b": 10,
        "pca-function": 10,
        "ebl-function": 10,
    }
    assert {part: records["notebook", part].score.points for part in some} == {
        "mixture-density-a": 20,
        "ebl-function": 10,
    }
    assert records["object", "mixture-density-a"].score.points == 20
    wrong = records["wrong", "mixture-density-a"]
    assert wrong.status is Status.SCORED and wrong.score.points == 0
    text = "\n".join(wrong.notes)
    assert "The numbers are those of the formula without 1/σ²" in text
    assert "∂E/∂α: no function dE_dalpha(alpha, mu, sigma, t) was found" in text
    hostile = records["hostile", "mixture-density-b"]
    assert hostile.status is Status.FAILED
    assert "ended by itself with exit code 0" in hostile.failure.message


def test_the_functions_of_the_other_sheet(full: Isolation, context: Context, tmp_path: Path) -> None:
    parts = {
        "formula-one": "pixel-posterior",
        "formula-four": "pixel-posterior",
        "dirichlet-function": "dirichlet-update",
    }
    source = Path(reference.ucl_functions.__file__).read_text("utf-8")
    hand_in(tmp_path, "file", "homework4.py", source, "homework4.py", parts)
    records = graded(context, tmp_path, "ucl-hw4")
    assert {part: records["file", part].score.points for part in parts} == {
        "formula-one": 5,
        "formula-four": 5,
        "dirichlet-function": 8,
    }


def test_a_template_that_is_handed_in_as_it_is_earns_nothing(full: Isolation, context: Context, tmp_path: Path) -> None:
    template = Path(__file__).parents[4] / "submissions" / "template" / "sheet10.py"
    folder = tmp_path / "class" / "ada"
    folder.mkdir(parents=True)
    shutil.copy(template, folder)
    (folder / "submission.toml").write_text(manifest("sheet10.py", TASKS), encoding="utf-8")
    records = graded(context, tmp_path, BERLIN)
    assert {record.score.points for record in records.values()} == {0}
    assert any("raised NotImplementedError (sheet10.py, line" in n for n in records["ada", "ebl-function"].notes)


@pytest.mark.parametrize(("code", "found"), [("sheet10.py", "sheet10.py:*"), ("a/x.ipynb", "a/x.ipynb:*")])
def test_a_manifest_names_a_file_alone(tmp_path: Path, code: str, found: str) -> None:
    folder = tmp_path / "class" / "ada"
    (folder / code).parent.mkdir(parents=True)
    (folder / code).write_text("{}", encoding="utf-8")
    (folder / "submission.toml").write_text(manifest(code, {"x": "mixture-density"}), encoding="utf-8")
    entry = collect(tmp_path / "class", tmp_path / "work", coursework.find(BERLIN))[0].entries[0]
    assert (entry.kind, entry.code) == (Kind.CODE, found)
