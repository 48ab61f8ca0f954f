"""Tests of an instructor's own coursework: the worked example, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from classifiers.judge import Judge
from harness.assignments import coursework
from harness.rubric import AssignmentError
from harness.run import run as grading
from harness.sandbox.outside import Isolation
from harness.tasks.base import Context
from harness.types import Kind, Record, Status
from submissions.examples import own_coursework
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of

EXAMPLE = Path(own_coursework.__file__).parent
MANIFEST = """
[submission]
name = "Ada"

[[entry]]
task = "conditional-generation"
part = "generator"
model = "small-generator"
checkpoint = "generator.pt"

[[entry]]
task = "salt-and-pepper"
part = "clean"
model = "mean-filter"
checkpoint = "filter.pt"
"""


@pytest.fixture(scope="module", params=["full", "reduced"])
def graded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    isolation: Isolation = request.getfixturevalue(request.param)
    base = tmp_path_factory.mktemp("own")
    chosen = coursework.find(str(EXAMPLE))
    place = base / "class" / "ada"
    place.mkdir(parents=True)
    (place / "submission.toml").write_text(MANIFEST, encoding="utf-8")
    generator = chosen.architecture("small-generator").build({})
    torch.save({"model": generator.state_dict()}, place / "generator.pt")
    weight = torch.full((1, 1, 3, 3), 1 / 9)
    torch.save({"filter.weight": weight, "filter.bias": torch.zeros(1)}, place / "filter.pt")
    context = Context(embedded_digits(), Judge.shipped(), seed=0)
    run = run_of(context, base / "results", str(EXAMPLE), isolation=isolation)
    found = grading.grade(collect(base / "class", base / "work", chosen), run)
    return {record.part: record for record in found}


def test_the_classes_own_architecture_is_graded_as_weights(graded: dict[str, Record]) -> None:
    record = graded["generator"]
    assert (record.status, record.kind, record.model) == (Status.SCORED, Kind.WEIGHTS.value, "small-generator")
    assert record.model_title == "Small generator"
    # Untrained, it draws nothing that the judge could read.
    assert record.metrics["accuracy"].value < 0.5


def test_the_classes_own_task_is_marked_by_its_own_rules(graded: dict[str, Record]) -> None:
    record = graded["clean"]
    assert record.status is Status.SCORED, record.failure
    assert (record.task_title, record.assignment_title) == (
        "Salt and pepper",
        "Week 5: small generators and clean digits",
    )
    # The mean over nine pixels, computed here.
    task = coursework.find(str(EXAMPLE)).task("salt-and-pepper")
    context = Context(embedded_digits(), Judge.shipped(), seed=0)
    noisy = torch.from_numpy(task.questions(context, None)[0].inputs["images"])
    cleaned = torch.nn.functional.avg_pool2d(noisy, 3, 1, 1).clamp(0, 1)
    truth = torch.from_numpy(context.data.test.images[: len(noisy)])
    assert record.metrics["mse"].value == pytest.approx(float(((cleaned - truth) ** 2).mean()), rel=1e-5)
    assert record.metrics["mse"].title == "MSE"
    assert record.gates["range"].holds and record.gates["range"].title == "values in [0, 1]"
    assert [figure.title for figure in record.figures] == ["Cleaned digits"]


def test_the_shipped_courseworks_go_the_same_way_in() -> None:
    by_name = coursework.find("ucl-hw4")
    assert by_name.folder is not None
    by_folder = coursework.find(str(by_name.folder))
    by_file = coursework.find(str(by_name.folder / "assignment.toml"))
    assert by_name.assignment == by_folder.assignment == by_file.assignment
    assert by_name.own_tasks == by_name.own_architectures == {}


TOML = (
    'name = "mine"\ntitle = "Mine"\n[[part]]\nid = "a"\ntitle = "A"\ntask = "half-inpainting"\npoints = 1\npass = 1\n'
)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no assignment.toml"),
        ({"assignment.toml": TOML, "tasks.py": "raise RuntimeError('no data')"}, "tasks.py: RuntimeError: no data"),
        ({"assignment.toml": TOML, "tasks.py": "x = 1"}, "tasks.py: TASKS has to be a dictionary"),
        ({"assignment.toml": TOML, "tasks.py": "TASKS = {'next-pixel': 1}"}, "which gradebench ships"),
        ({"assignment.toml": TOML.replace("half-", "no-")}, "part a: There is no task 'no-inpainting'"),
        ({"assignment.toml": TOML + 'models = ["cvae"]\n'}, "part a: there is no model 'cvae' for half-inpainting"),
    ],
)
def test_a_coursework_that_cannot_be_used_is_refused_with_what_is_wrong(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(AssignmentError) as caught:
        coursework.find(str(tmp_path)).check()
    assert said in str(caught.value)
