"""Times scoring 1,000 records again after a changed threshold, and grading an unchanged class again.

The naive way marks every entry's answers again, or asks it again, as a grader does that keeps no stages apart; it is
measured on a few entries.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from classifiers.judge import Judge
from harness import records
from harness.assignments import coursework
from harness.run import run as grading
from harness.run.remark import remark
from harness.run.settings import Run
from harness.tasks.base import Context
from reference.shipped import WEIGHTS, options
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of

MANY = 1000
CLASS = 50


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def hand_in(folder: Path, count: int) -> None:
    """A class of equal conditional VAEs."""
    chosen = ", ".join(f'{key} = "{value}"' for key, value in options("cvae").items())
    for number in range(count):
        place = folder / f"s{number:04}"
        place.mkdir(parents=True)
        (place / "cvae.safetensors").write_bytes((WEIGHTS / "cvae.safetensors").read_bytes())
        (place / "submission.toml").write_text(
            '[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "cvae.safetensors"\n'
            f"options = {{ {chosen} }}\n",
            encoding="utf-8",
        )


def strict(run: Run) -> Run:
    """The run with another threshold than the one before."""
    first, *others = run.assignment.part
    mark = 0.5 if first.pass_mark != 0.5 else 0.6
    part = first.model_copy(update={"pass_mark": mark, "steps": [(mark, 1.0)]})
    assignment = run.assignment.model_copy(update={"part": [part, *others]})
    return dataclasses.replace(run, coursework=coursework.Coursework(assignment))


@pytest.fixture(scope="module")
def graded(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A results folder of 1,000 records, copies of one."""
    base = tmp_path_factory.mktemp("many")
    hand_in(base / "class", 1)
    run = run_of(context, base / "results", keep_answers=True)
    grading.grade(collect(base / "class", base / "work"), run)
    text = (base / "results" / "s0000" / "cvae.json").read_text(encoding="utf-8")
    for number in range(1, MANY):
        place = base / "results" / f"s{number:04}"
        place.mkdir()
        record = json.loads(text) | {"submission": place.name}
        (place / "cvae.json").write_text(json.dumps(record), encoding="utf-8")
    return run


def test_a_changed_threshold(compare, graded: Run, tmp_path: Path) -> None:
    """All records are scored again, against marking each again, of which one, in a folder of its own, is timed."""
    shutil.copytree(graded.results / "s0000", tmp_path / "s0000")
    alone = dataclasses.replace(graded, results=tmp_path)
    state = {"run": graded}
    number = iter(range(1000))

    def change() -> None:
        state["run"] = strict(state["run"])

    def score() -> int:
        return remark(records.load_all(graded.results).records, state["run"]).changed

    def mark_one() -> None:
        class Other:
            digest = f"{next(number):064}"

            def __getattr__(self, name: str) -> object:
                return getattr(graded.context.judge, name)

        known = [records.load(tmp_path / "s0000" / "cvae.json")]
        other = dataclasses.replace(alone, context=dataclasses.replace(graded.context, judge=Other()))
        assert remark(known, other).changed == 1

    change()
    assert score() == MANY
    compare(
        "a changed threshold, 1,000 records",
        score,
        "marking each again",
        mark_one,
        share=1 / MANY,
        rounds=3,
        before=change,
    )


@pytest.fixture(scope="module")
def unchanged(context: Context, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A class of 50 that is graded already."""
    base = tmp_path_factory.mktemp("class")
    hand_in(base / "class", CLASS)
    run = run_of(context, base / "results", jobs=2)
    grading.grade(collect(base / "class", base / "work"), run)
    return base, run


def test_an_unchanged_class(compare, unchanged: tuple[Path, Run]) -> None:
    """Nobody is asked again, against asking each, of which one is timed."""
    base, run = unchanged
    known: list[bool] = []
    fresh = dataclasses.replace(run, fresh=True, only=frozenset({"s0000"}))
    compare(
        f"grading an unchanged class of {CLASS} again",
        lambda: grading.grade(collect(base / "class", base / "work"), run, lambda record, old: known.append(old)),
        "asking each again",
        lambda: grading.grade(collect(base / "class", base / "work"), fresh),
        share=1 / CLASS,
    )
    assert known and all(known)
