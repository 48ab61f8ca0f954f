"""Checkpoints of PCA, EBL and EBM through the sandbox: sizes read off, nestings found, options with bounds."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from harness.assignments import coursework
from harness.intake.manifest import read_manifest
from harness.sandbox.outside import WeightsWorkers, probe
from harness.types import ArraySpec, GradingError, Question
from reference.ebl import Energy, Generator
from reference.ebm import EBM
from reference.pca import PCA

N = 5
IMAGES = np.random.default_rng(1).random((N, 1, 28, 28), dtype=np.float32)
PATCH = np.zeros((N, 1, 28, 28), bool)
PATCH[:, :, 9:15, 12:18] = True
ROWS = np.zeros((N, 1, 28, 28), bool)
ROWS[:, :, 0:27:2] = True


@pytest.fixture(scope="module")
def warm() -> Iterator[WeightsWorkers]:
    with WeightsWorkers(probe()) as workers:
        yield workers


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def asked(warm: WeightsWorkers, model: str, options: dict[str, str], data: bytes, mask: np.ndarray) -> tuple:
    question = Question("inpaint", {"images": IMAGES, "mask": mask}, {"images": ArraySpec(IMAGES.shape)}, 2)
    with warm.worker() as worker:
        worker.open_weights(model, options, data, "best.pt")
        answer = worker.ask(question, 60.0)["images"]
        return answer, list(worker.notes)


def expected(module: torch.nn.Module, mask: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module.inpaint(torch.from_numpy(IMAGES), torch.from_numpy(mask)).numpy()


def refusal(warm: WeightsWorkers, model: str, options: dict[str, str], content: object) -> tuple[str, str]:
    with warm.worker() as worker, pytest.raises(GradingError) as caught:
        worker.open_weights(model, options, saved(content), "best.pt")
    failure = caught.value.failure
    assert failure.fault == "submission"
    return failure.kind, failure.message


def test_pca_of_any_number_of_components(warm):
    rows = np.linalg.qr(np.random.default_rng(0).standard_normal((784, 7)))[0].T.astype(np.float32)
    model = PCA(dimensions=7)
    model.components.copy_(torch.from_numpy(rows))
    model.mean.fill_(-0.7)
    buffer = io.BytesIO()
    np.savez(buffer, components=rows, mean=np.full(784, -0.7))
    found, notes = asked(warm, "pca", {}, buffer.getvalue(), PATCH)
    np.testing.assert_allclose(found, expected(model, PATCH), atol=1e-5)
    # float64 as numpy has it by default.
    assert any("float64" in note for note in notes)
    model.value_range = "0,1"
    model.mean.fill_(0.15)
    content = {"pca": {"components_": rows, "mean_": torch.full((784,), 0.15)}}
    content["pca"]["components_"] = torch.from_numpy(rows)
    found, _ = asked(warm, "pca", {"value_range": "0,1"}, saved(content), PATCH)
    np.testing.assert_allclose(found, expected(model, PATCH), atol=1e-5)


def test_ebl_of_the_siblings_width_beside_its_energy_net(warm):
    torch.manual_seed(4)
    generator, energy = Generator(256), Energy(256)
    content = {
        "epoch": 3,
        "energy": energy.state_dict(),
        "generator": {f"module.{key}": value for key, value in generator.state_dict().items()},
        "optimizer": torch.optim.SGD(generator.parameters(), 0.1, 0.9).state_dict(),
    }
    found, notes = asked(warm, "ebl", {}, saved(content), PATCH)
    np.testing.assert_allclose(found, expected(generator, PATCH), atol=1e-5)
    assert any("taken from generator.fc1" in note for note in notes)


def test_ebm_in_the_starters_nesting(warm):
    torch.manual_seed(5)
    model = EBM(steps=4, step_size=3.0, decay=0.5, noise=0.01)
    content = {
        "model": model.state_dict(),
        "optimizer": torch.optim.Adam(model.parameters()).state_dict(),
        "replay_buffer": deque([torch.rand(1, 28, 28) for _ in range(3)], maxlen=10),
    }
    options = {"steps": "4", "step_size": "3.0", "decay": "0.5", "noise": "0.01"}
    found, _ = asked(warm, "ebm", options, saved(content), ROWS)
    np.testing.assert_allclose(found, expected(model, ROWS), atol=1e-5)
    assert np.array_equal(found[~ROWS], IMAGES[~ROWS])
    other, _ = asked(warm, "ebm", options | {"energy_sign": "plus"}, saved(content), ROWS)
    model.sign = 1.0
    np.testing.assert_allclose(other, expected(model, ROWS), atol=1e-5)
    assert not np.allclose(found, other, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "content", "said"),
    [
        ("pca", {"components": torch.zeros(7, 700), "mean": torch.zeros(784)}, "components has shape (7, 700)"),
        ("pca", {"components": torch.full((2, 784), torch.nan), "mean": torch.zeros(784)}, "not finite (components"),
        ("ebl", {"energy": Energy(16).state_dict()}, "no generator 784-h-h-784"),
        ("ebm", {"model": EBM(hidden=100).state_dict()}, "fc1.weight is (100, 784), must be (512, 784)"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_found(warm, model, content, said):
    kind, message = refusal(warm, model, {}, content)
    assert kind == "mismatch"
    assert message.startswith("best.pt: ") and said in message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": "100000"}, "ebm: steps = '100000'; allowed is a whole number from 1 to 200."),
        ({"steps": "1.5"}, "ebm: steps = '1.5'; allowed is a whole number"),
        ({"noise": "nan"}, "ebm: noise = 'nan'; allowed is a number from 0 to 1."),
        ({"step_size": "ten"}, "ebm: step_size = 'ten'; allowed is a number from 0 to 10000."),
        ({"energy_sign": "+"}, "ebm: energy_sign = '+'; allowed are minus, plus."),
    ],
)
def test_the_worker_refuses_options_out_of_bounds(warm, options, said):
    kind, message = refusal(warm, "ebm", options, {"model": EBM().state_dict()})
    assert (kind, message.startswith(said)) == ("option-value", True)


def manifest(options: str) -> bytes:
    return f"""
    [[entry]]
    task = "row-inpainting"
    model = "ebm"
    checkpoint = "ebm.pth"
    options = {{ {options} }}
    """.encode()


def read(options: str) -> dict[str, str]:
    allowed = coursework.find("tsinghua-hw3").models
    tasks = ("row-inpainting",)
    return dict(read_manifest(manifest(options), "submission.toml", tasks=tasks, models=allowed).entries[0].options)


def test_a_manifest_gives_numbers_as_numbers_or_as_text():
    assert read('steps = 30, step_size = 2.5, noise = "1e-3", energy_sign = "plus"') == {
        "steps": "30",
        "step_size": "2.5",
        "noise": "1e-3",
        "energy_sign": "plus",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("steps = 201", '"options.steps": the number 201 is not allowed; it has to be a whole number from 1 to 200'),
        ("steps = 2.5", "the number 2.5 is not allowed; it has to be a whole number"),
        ('steps = "many"', 'the text "many" is not allowed'),
        ("noise = -0.1", "the number -0.1 is not allowed; it has to be a number from 0 to 1"),
        ("noise = inf", "a large number is not allowed"),
        ("steps = true", '"options.steps" is true, but has to be a text in quotes or a number'),
        ("energy_sign = 1", '"options.energy_sign" is the number 1, but has to be a text in quotes'),
        ("step = 1", 'did you mean "steps"?'),
    ],
)
def test_a_manifest_refuses_options_out_of_bounds(options, said):
    with pytest.raises(GradingError) as caught:
        read(options)
    assert caught.value.failure.stage == "manifest"
    assert "submission.toml" in caught.value.failure.message
    assert said in caught.value.failure.message
