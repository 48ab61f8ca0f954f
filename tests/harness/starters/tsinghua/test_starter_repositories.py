"""Tests of grading a repository in the starter's layout, as its author left it, in the real sandbox."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.judge import Judge
from harness import intake, rubric
from harness.sandbox.outside import Isolation
from harness.tasks import TASKS
from harness.tasks.base import Context
from harness.types import Kind, Record, Status
from tests.data import embedded_digits
from tests.harness.run.grading import grade, run_of
from tests.harness.starters.tsinghua import starter_repository
from tests.harness.starters.tsinghua.starter_repository import EBM, FLOW, asked, digest, inpainted

# 41 million parameters are written, read and asked; a busy machine takes a while for it.
pytestmark = pytest.mark.timeout(900)
ASSIGNMENT = rubric.Assignment.model_validate(
    {
        "name": "starter",
        "title": "EBM and flow",
        "part": [
            {"id": "ebm", "title": "EBM", "task": "row-inpainting", "points": 1, "pass": 0.01},
            {"id": "flow", "title": "Flow", "task": "half-inpainting", "points": 1, "pass": 0.06},
        ],
    }
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return starter_repository.write(tmp_path_factory.mktemp("class") / "team", hidden=1000)


@pytest.fixture(scope="module")
def graded(full: Isolation, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Record]:
    base = tmp_path_factory.mktemp("graded")
    (base / "work").mkdir()
    before = digest(repository)
    (found,) = intake.collect([repository], base / "work", tasks=TASKS, models={})
    assert [(one.kind, one.code, one.file) for one in found.entries] == [(Kind.CODE, *EBM), (Kind.CODE, *FLOW)]
    context = Context(embedded_digits(), Judge.shipped(), seed=0)
    run = run_of(context, base / "results", ASSIGNMENT, isolation=full)
    records = {record.part: record for record in grade([found], run)}
    assert digest(repository) == before
    return records


def test_a_repository_with_a_flow_of_40_million_parameters_is_graded_unchanged(graded: Mapping[str, Record]) -> None:
    assert set(graded) == {"ebm", "flow"}
    for record in graded.values():
        assert record.status is Status.SCORED, record.failure
        assert (record.kind, record.isolation) == ("code", "full")
        value = record.metrics[str(record.primary)].value
        assert value is not None and 0 < value < 1


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("ebm", "ebm/utils was imported; not taken: utils.py, flow/utils.py, vae/utils.py"),
        ("ebm", "tensorboardX is not installed"),
        ("ebm", "torchvision is not installed"),
        ("ebm", "kept on the CPU"),
        ("ebm", "trained with --hidden_size 96, not with the script's 64"),
        ("ebm", "the command in notes.txt: langevin_k = 7, langevin_lr = 10.0"),
        ("ebm", "returned 2 values"),
        ("ebm", "returned a numpy array"),
        ("ebm", "so that pictures can be saved"),
        ("flow", "flow/utils was imported; not taken: utils.py, ebm/utils.py, vae/utils.py"),
        ("flow", "whole pickled model of 41,132,544 parameters"),
        ("flow", "torch.utils.tensorboard is not installed"),
        ("flow", "tqdm is not installed"),
        ("flow", "saved in training mode"),
        ("flow", "flat, known pixels dequantised"),
    ],
)
def test_the_report_notes_each_deviation(graded: Mapping[str, Record], part: str, said: str) -> None:
    package = said.split()[0].replace("torch.utils.tensorboard", "tensorboard")
    if "is not installed" in said and importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    assert said in "\n".join(graded[part].notes)


def test_the_energy_model_descends_with_its_own_weights_and_settings(full: Isolation, repository: Path) -> None:
    images, mask = asked()
    found, _ = inpainted(full, repository, EBM, images, mask)
    state = torch.load(repository / EBM[1], map_location="cpu", weights_only=False)["model"]
    w1, b1, w2 = (state[key].double().numpy() for key in ("fc1.weight", "fc1.bias", "fc2.weight"))
    start, hole = images.reshape(3, 784).astype(np.float64), mask.reshape(3, 784)
    shift = np.zeros_like(start)
    for _ in range(7):
        hidden = (start + shift * hole) @ w1.T + b1
        gradient = -(np.where(hidden > 0, 1.0, 0.01) * w2) @ w1
        shift -= 10.0 * gradient * hole
    expected = np.clip(start + shift * hole, 0, 1).reshape(images.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found[~mask], images[~mask])
    assert np.abs(found - images)[mask].mean() > 0.01
