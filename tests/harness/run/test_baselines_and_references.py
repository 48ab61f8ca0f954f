"""Trivial baselines and reference models, graded beside the class and counted nowhere."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from classifiers.judge import Judge
from harness import records, rubric
from harness.assignments.coursework import Coursework
from harness.cli.app import app
from harness.run import references, workers
from harness.run.plan import plans
from harness.tasks import TASKS, task
from harness.tasks.base import Baseline, Context
from harness.tasks.inpainting.baselines import baseline
from harness.types import Role, Status
from submissions import examples
from tests.data import embedded_digits
from tests.harness.run import grading as tests_grading

ASSIGNMENT = rubric.parse(
    b"""
name = "two-halves"
title = "Half inpainting, twice"
[[part]]
id = "flow"
title = "Flow"
task = "half-inpainting"
points = 10
pass = 0.08
[[part]]
id = "own"
title = "A model of your own"
task = "half-inpainting"
points = 10
pass = 0.08
[[part]]
id = "rows"
title = "Rows"
task = "row-inpainting"
points = 10
pass = 0.01
[[part]]
id = "cvae"
title = "Conditional VAE"
task = "conditional-generation"
models = ["cvae"]
points = 10
pass = 0.98
""",
    "two-halves.toml",
)
CODE = """
import torch

class Gray:
    def inpaint(self, images, mask):
        return torch.where(mask, torch.full_like(images, 0.2), images)

def load(checkpoint):
    return Gray()
"""


class InProcess:
    """Answers as the submission's code does, without a sandbox, where the class is not what is tested."""

    notes: tuple[str, ...] = ()
    isolation_stamp = "none"

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def open_code(self, *_):
        pass

    def ask(self, question, deadline, *_):
        images, mask = question.inputs["images"], question.inputs["mask"]
        return {"images": np.where(mask, np.float32(0.2), images)}


@pytest.fixture
def in_process(monkeypatch):
    monkeypatch.setattr(workers, "Worker", InProcess)


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def hand_in(folder, *parts):
    place = folder / "class" / "one"
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.py").write_text(CODE, encoding="utf-8")
    entries = "\n".join(
        f'[[entry]]\ntask = "{task}"\npart = "{part}"\ncode = "model.py:load"\n' for part, task in parts
    )
    (place / "submission.toml").write_text(f'[submission]\nname = "T"\n\n{entries}', encoding="utf-8")
    return tests_grading.collect(folder / "class", folder / "work", Coursework(ASSIGNMENT))


def run_of(context, results, **changes):
    return tests_grading.run_of(context, results, ASSIGNMENT, **{"beside": "baselines", **changes})


HALVES = (("flow", "half-inpainting"), ("own", "half-inpainting"))
EXPECTED = set(task("half-inpainting").baselines)


@pytest.fixture(scope="module")
def graded(context, tmp_path_factory):
    base = tmp_path_factory.mktemp("class")
    seen = []
    run = run_of(context, base / "results")
    submissions = hand_in(base, *HALVES)
    found = tests_grading.grade(submissions, run, lambda record, known: seen.append((record, known)))
    # The two parts that were not handed in have records, too.
    assert len(seen) == sum(len(plan) for plan in plans(submissions, run)) == len(found) + 2
    return base, {(r.submission, r.part): r for r in found}


def test_baselines_stand_in_every_part_that_the_class_answers(graded):
    base, found = graded
    assert {identity for identity, _ in found} == {"one"} | EXPECTED
    assert {part for _, part in found} == {"flow", "own"}
    assert {r.status for r in found.values()} == {Status.SCORED}, [r.failure for r in found.values()]
    assert found["ridge", "own"].kind == "baseline"
    assert found["ridge", "own"].name == "Ridge regression"
    assert found["ridge", "own"].model is None
    on_disk = {(r.submission, r.part) for r in records.load_all(base / "results").records}
    assert on_disk == set(found) | {("one", "rows"), ("one", "cvae")}
    assert (base / "results" / "@baseline" / "ridge" / "flow.worst.png").is_file()


def test_a_baseline_or_reference_is_marked_as_a_submission_is(graded, context):
    _, found = graded
    mean = found["mean-image", "flow"].metrics["masked_mse"]
    digits = context.data
    image = digits.train.images[100:].mean(axis=0, dtype=np.float64)[0, 14:]
    expected = ((digits.test.images[:100, 0, 14:] - image) ** 2).mean()
    assert mean.value == pytest.approx(expected, rel=1e-5)
    black = found["black", "flow"].metrics["masked_mse"].value
    assert black == pytest.approx((digits.test.images[:100, 0, 14:].astype(float) ** 2).mean(), rel=1e-6)
    # What the student's code answered came the long way, through the sandbox.
    own = found["one", "flow"].metrics["masked_mse"].value
    assert own == pytest.approx(((digits.test.images[:100, 0, 14:].astype(float) - 0.2) ** 2).mean(), rel=1e-5)
    assert found["ridge", "flow"].metrics == found["ridge", "own"].metrics


@pytest.mark.usefixtures("in_process")
def test_baselines_and_references_are_taken_over_until_something_changes(graded, context):
    base, found = graded
    submissions = hand_in(base, *HALVES)

    def again(**changes):
        known = {}
        run = dataclasses.replace(run_of(context, base / "results"), **changes)
        result = tests_grading.grade(submissions, run, lambda r, old: known.setdefault(r.submission, old))
        return {(r.submission, r.part): r for r in result}, known

    first, known = again()
    assert all(known[identity] for identity in EXPECTED)
    for key, record in first.items():
        assert records.repeatable(record) == records.repeatable(found[key])
    _, known = again(context=dataclasses.replace(context, seed=3))
    assert not any(known[identity] for identity in EXPECTED)


@pytest.mark.usefixtures("in_process")
def test_a_baseline_answers_once_for_all_parts_of_its_task(context, tmp_path, monkeypatch):
    calls = []

    def answer(context, questions):
        calls.append(len(questions))
        return baseline("Black", lambda _: lambda images, mask: np.zeros_like(images)).answer(context, questions)

    monkeypatch.setattr(
        task("half-inpainting"),
        "baselines",
        {"counted": Baseline("Counted", answer, same_for_parts=True)},
        raising=False,
    )
    found = tests_grading.grade(hand_in(tmp_path, *HALVES), run_of(context, tmp_path / "results"))
    assert calls == [5]
    assert {(r.submission, r.part) for r in found if r.kind == "baseline"} == {
        ("counted", "flow"),
        ("counted", "own"),
    }


@pytest.mark.usefixtures("in_process")
def test_one_failing_baseline_stops_nothing(context, tmp_path, monkeypatch):
    def breaks(context, questions):
        raise RuntimeError("no training images")

    good = task("half-inpainting").baselines["black"]
    rows = {"bad": Baseline("Bad", breaks), "black": good}
    monkeypatch.setattr(task("half-inpainting"), "baselines", rows, raising=False)
    found = {
        r.submission: r for r in tests_grading.grade(hand_in(tmp_path, HALVES[0]), run_of(context, tmp_path / "r"))
    }
    assert found["bad"].status is Status.NOT_GRADABLE
    assert "no training images" in found["bad"].failure.message
    assert found["black"].status is found["one"].status is Status.SCORED


@pytest.mark.usefixtures("in_process")
def test_former_baselines_and_references_go_and_those_of_other_parts_stay(context, tmp_path, monkeypatch):
    monkeypatch.setattr(references, "submissions", list)
    black, mean = (task("half-inpainting").baselines[name] for name in ("black", "mean-image"))
    both = {"black": black, "former": mean}
    monkeypatch.setattr(task("half-inpainting"), "baselines", both, raising=False)
    results = tmp_path / "results"
    tests_grading.grade(hand_in(tmp_path, *HALVES), run_of(context, results, beside="all"))
    monkeypatch.setattr(task("half-inpainting"), "baselines", {"black": black}, raising=False)
    tests_grading.grade(hand_in(tmp_path, HALVES[0]), run_of(context, results, beside="all"))
    left = {(r.submission, r.part) for r in records.load_all(results).records if r.status is not Status.NOT_HANDED_IN}
    assert left == {
        ("one", "flow"),
        ("black", "flow"),
        ("black", "own"),
        ("former", "own"),
    }


@pytest.mark.usefixtures("in_process")
def test_no_baselines_and_references_are_made_where_none_are_wanted(context, tmp_path):
    found = tests_grading.grade(hand_in(tmp_path, HALVES[0]), run_of(context, tmp_path / "results", beside="none"))
    assert {r.submission for r in found} == {"one"}
    assert [path.name for path in (tmp_path / "results").glob("[!.]*")] == ["one"]


@pytest.mark.usefixtures("in_process")
def test_a_part_that_nobody_answers_has_no_baselines_and_references(context, tmp_path):
    place = tmp_path / "class" / "empty"
    place.mkdir(parents=True)
    (place / "readme.txt").write_text("see attachment", encoding="utf-8")
    found = tests_grading.grade(hand_in(tmp_path, HALVES[1]), run_of(context, tmp_path / "results"))
    assert {part for role, part in ((r.role, r.part) for r in found) if role is Role.BASELINE} == {"own"}
    assert len([r for r in found if r.submission == "empty"]) == 4


def test_the_reference_models_that_may_be_handed_in_are_baselines_and_references(context, tmp_path):
    place = tmp_path / "class" / "one"
    place.mkdir(parents=True)
    state, options = examples.weights("cvae")
    torch.save(state, place / "c.pt")
    given = ", ".join(f'{key} = "{value}"' for key, value in options.items())
    (place / "submission.toml").write_text(
        f'[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "c.pt"\noptions = {{ {given} }}\n',
        encoding="utf-8",
    )
    run = run_of(context, tmp_path / "results", beside="all", jobs=2)
    submissions = tests_grading.collect(tmp_path / "class", tmp_path / "work")
    found = {(r.submission, r.part): r for r in tests_grading.grade(submissions, run)}
    # The other reference of the task is not one that the part takes.
    assert set(found) == {("one", "cvae"), ("cvae", "cvae")}
    row = found["cvae", "cvae"]
    assert row.status is Status.SCORED, row.failure
    assert row.metrics["accuracy"].value == found["one", "cvae"].metrics["accuracy"].value
    assert row.name.startswith("Reference ")


def test_no_baseline_or_reference_goes_by_the_name_of_another():
    models = {submission.id for submission in references.submissions()}
    titles = {}
    for each in map(task, TASKS):
        for name, row in each.baselines.items():
            assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", name)
            assert name not in models
            assert titles.setdefault(name, row.title) == row.title


@pytest.mark.usefixtures("in_process")
def test_the_command_counts_baselines_and_references_nowhere(tmp_path):
    hand_in(tmp_path, HALVES[0])
    file = tmp_path / "two-halves.toml"
    text = ASSIGNMENT.model_dump_json(by_alias=True)
    document = json.loads(text)
    lines = [f'name = "{document["name"]}"', f'title = "{document["title"]}"']
    part = document["part"][0]
    lines += ["[[part]]", *(f"{key} = {json.dumps(part[key])}" for key in ("id", "title", "task", "points"))]
    # The class passes; black, coin flips and every other row that misses this mark must not fail the run.
    lines += ["pass = 0.2"]
    file.write_text("\n".join(lines), encoding="utf-8")
    runner = CliRunner()
    command = ["grade", str(tmp_path / "class"), "-a", str(file), "--results", str(tmp_path / "r"), "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GRADEBENCH_DATA", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        patch.setattr(references, "submissions", list)
        shown = runner.invoke(app, command)
        assert shown.exit_code == 0, shown.output
        said = json.loads(shown.stdout)
        assert [submission["id"] for submission in said["submissions"]] == ["one"]
        rows = {r.submission: r for r in records.load_all(tmp_path / "r").records}
        assert set(rows) == {"one"} | EXPECTED
        assert not rows["coin-flips"].score.passed
        without = runner.invoke(app, [*command[:-2], str(tmp_path / "other"), "--no-house", "--json"])
        assert without.exit_code == 0
        assert {path.name for path in (tmp_path / "other").glob("[!.]*")} == {"one"}
