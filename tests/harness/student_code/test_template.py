"""Runs every adapter of submissions/template/README.md in the sandbox, on the questions of its task."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness import tasks
from harness.intake.manifest import read_manifest
from harness.sandbox.outside import CODE_LIMITS, Isolation, Worker
from harness.tasks import interfaces
from harness.tasks.base import Context
from harness.types import Entry
from tests.data import embedded_digits
from tests.judges import ReadsFirstRow

TEMPLATE = Path(__file__).parents[3] / "submissions" / "template"
README = (TEMPLATE / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^`(\w+\.py)`:$", re.MULTILINE)
SECTIONS = [text for text in re.split(r"^##+ ", README, flags=re.MULTILINE) if FILE.search(text)]
LOAD = next(text for _, text in BLOCK.findall(README) if text.startswith("def load("))

# Models of students, as the adapters import them. The one of in-painting fills holes with .25.
MODULES = {
    "my_flow": """
    class Flow(nn.Module):
        def __init__(self):
            super().__init__()
            self.fill = nn.Parameter(torch.tensor(0.25))
        def complete(self, images, mask):
            return self.fill.expand_as(images)
    """,
    "my_gan": """
    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(110, 784)
        def forward(self, noise, labels):
            return torch.tanh(self.fc(torch.cat([noise, labels], 1)))
    """,
    "my_rnn": """
    class PixelRNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(1, 4, batch_first=True)
            self.out = nn.Linear(4, 1)
        def forward(self, binary):
            return self.out(self.gru(binary[:, :, None])[0])[:, :, 0]
    """,
    "my_holes": """
    class HoleNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(784, 16)
        def forward(self, images):
            return self.fc(images)
    """,
    "my_lstm": """
    class SymbolLSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(4, 5, batch_first=True)
            self.out = nn.Linear(5, 4)
        def forward(self, one_hot):
            return self.out(self.lstm(one_hot)[0])
    """,
}


@pytest.fixture(scope="module")
def context() -> Context:
    judge: Any = ReadsFirstRow()
    return Context(embedded_digits(), judge, seed=5, second=judge)


def source_of(module: str) -> str:
    lines = MODULES[module].strip("\n").split("\n")
    return "import torch\nfrom torch import nn\n" + "\n".join(line[4:] for line in lines)


def hand_in(section: str, root: Path) -> tuple[Entry, nn.Module]:
    """Write a submission as a section describes it. Returns its entry, and the model whose weights it holds."""
    blocks: dict[str, str] = dict(BLOCK.findall(section))
    module, model = re.findall(r"^from (my_\w+) import (\w+)", blocks["python"], re.MULTILINE)[0]
    (root / f"{module}.py").write_text(source_of(module))
    (root / FILE.findall(section)[0]).write_text(f"{blocks['python']}\n\n{LOAD}")
    names: dict[str, Any] = {}
    exec(source_of(module), names)
    torch.manual_seed(7)
    made: nn.Module = names[model]()
    entry = read_manifest(blocks["toml"].encode(), "submission.toml", tasks=tasks.TASKS, models={}).entries[0]
    torch.save(made.state_dict(), root / str(entry.file))
    return entry, made


def answered(isolation: Isolation, root: Path, entry: Entry, context: Context) -> list[dict[str, np.ndarray]]:
    with Worker(isolation, limits=CODE_LIMITS) as worker:
        assert worker.open_code(root, str(entry.code), entry.file) == []
        return [worker.ask(one, 200.0) for one in tasks.task(entry.task).questions(context, entry)]


def expected(entry: Entry, model: Any, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The answer that the student's model means, computed without the adapter."""
    values = [torch.from_numpy(one) for one in inputs.values()]
    with torch.no_grad():
        if entry.task == "half-inpainting":
            return np.where(inputs["mask"], np.float32(0.25), inputs["images"])
        if entry.task == "conditional-generation":
            return ((1 + model(*values)) / 2).reshape(-1, 1, 28, 28).numpy()
        if entry.task == "two-by-two-inpainting":
            return model(*values).log_softmax(1).numpy()
        if entry.task == "symbol-prediction":
            return model(*values).softmax(-1)[:, :99].numpy()
        return model(values[0]).sigmoid()[:, :783].numpy()


@pytest.mark.parametrize("section", SECTIONS, ids=[text.partition("\n")[0] for text in SECTIONS])
def test_each_adapter_of_the_readme_answers_its_task(
    full: Isolation, context: Context, tmp_path: Path, section: str
) -> None:
    entry, model = hand_in(section, tmp_path)
    task = tasks.task(entry.task)
    questions = task.questions(context, entry)
    answers = answered(full, tmp_path, entry, context)
    for question, answer in zip(questions, answers, strict=True):
        if question.method != "complete":
            (value,) = answer.values()
            np.testing.assert_allclose(value, expected(entry, model, question.inputs), rtol=1e-3, atol=1e-5)
    marks, _ = task.mark(context, entry, answers)
    assert np.isfinite(marks.metrics[task.primary].value)
    flags = {one.name for one in marks.evidence if one.flag}
    assert not flags & {"batch-dependence", "causality", "known-pixels", "steps-agree"}


def test_steps_answer_all_that_is_derived_from_whole_images(full: Isolation, context: Context, tmp_path: Path) -> None:
    """Both ways of predicting pixels give the same posteriors of missing pixels."""
    found = []
    for file in ("pixels.py", "steps.py"):
        (tmp_path / file).mkdir()
        entry, _ = hand_in(next(one for one in SECTIONS if f"`{file}`:" in one), tmp_path / file)
        question = tasks.task("one-pixel-inpainting").questions(context, replace(entry, task="one-pixel-inpainting"))[1]
        with Worker(full, limits=CODE_LIMITS) as worker:
            worker.open_code(tmp_path / file, str(entry.code), entry.file)
            found.append(worker.ask(question, 200.0)["log_posterior"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.exp(found[0]).sum(axis=1), 1, rtol=1e-5)


def test_an_adapter_may_stand_in_a_notebook(full: Isolation, context: Context, tmp_path: Path) -> None:
    section = next(one for one in SECTIONS if "`symbols.py`:" in one)
    entry, model = hand_in(section, tmp_path)
    cells = ["%matplotlib inline", source_of("my_lstm"), dict(BLOCK.findall(section))["python"], LOAD]
    document = {"nbformat": 4, "cells": [{"cell_type": "code", "source": one} for one in cells]}
    (tmp_path / "hw4.ipynb").write_text(json.dumps(document))
    manifest = dict(BLOCK.findall(section))["toml"].replace("symbols.py", "hw4.ipynb")
    entry = read_manifest(manifest.encode(), "submission.toml", tasks=tasks.TASKS, models={}).entries[0]
    question = tasks.task(entry.task).questions(context, entry)[1]
    with Worker(full, limits=CODE_LIMITS) as worker:
        assert worker.open_code(tmp_path, str(entry.code), entry.file) == [
            'hw4.ipynb: 1 magic was passed over: "%matplotlib inline".'
        ]
        answer = worker.ask(question, 200.0)["probabilities"]
    np.testing.assert_allclose(answer, expected(entry, model, question.inputs), rtol=1e-3, atol=1e-5)


def test_the_readme_documents_every_task_and_every_method() -> None:
    assert len(SECTIONS) == 6
    for name in set(tasks.TASKS) - {"half-inpainting-extended"}:
        assert f"`{name}`" in README, name
    protocols = [
        one
        for one in vars(interfaces).values()
        if getattr(one, "_is_protocol", False) and one.__module__ == interfaces.__name__
    ]
    assert protocols
    for protocol in protocols:
        for method in vars(protocol):
            if not method.startswith("_"):
                assert f"{method}(" in README, method


def test_links_within_the_readme_lead_somewhere() -> None:
    titles = re.findall(r"^##+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in titles}
    assert set(re.findall(r"\(#([\w-]+)\)", README)) <= anchors
