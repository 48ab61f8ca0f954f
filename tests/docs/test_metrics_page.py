"""docs/metrics.md has every metric that a task measures, and docs/exports.md every format."""

from __future__ import annotations

import json
import re

import pytest
import torch

from harness.tasks import TASKS, task
from harness.tasks.codes.conditional import ConditionalDensity
from harness.tasks.codes.latent import BernoulliDensity
from reports.exports import EXPORTS
from tests.docs.pages import ROOT, spans, text_of
from tests.harness.tasks.codes.exam import context, entry, sit

PAGE = text_of("docs/metrics.md")
NAMED = {span for _, span in spans(PAGE)}


class Identity:
    """A flow that changes nothing."""

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return values, torch.zeros(len(values))

    def inverse(self, z: torch.Tensor) -> torch.Tensor:
        return z


def on_the_page(name: str) -> bool:
    """True if the page has a metric's name, or its form with N for a number or F for a function."""
    forms = {name, re.sub(r"\d+$", "N", name), "error_F" if name.startswith("error_") else name}
    return bool(forms & NAMED)


def measured() -> dict[str, set[str]]:
    """The metrics of each task, in the shipped results of baselines and reference models."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "reference" / "records").glob("*/*/*.json"):
        document = json.loads(path.read_text("utf-8"))
        record = document.get("record", document)
        found.setdefault(record["task"], set()).update(record["metrics"])
    flow = task("continuous-density")
    found["continuous-density"] = set(sit(flow, context(), entry(flow), Identity)[0].metrics)
    return found


def test_every_metric_of_a_task_is_on_the_page() -> None:
    found = measured()
    assert {name: one for name, metrics in found.items() for one in metrics if not on_the_page(one)} == {}
    # One class measures both, and the extended form of a task what the task does.
    assert ConditionalDensity.mark is BernoulliDensity.mark
    assert set(TASKS) - set(found) <= {"conditional-density", "half-inpainting-extended"}


def test_no_metric_is_on_the_page_that_nothing_measures() -> None:
    known = set().union(*measured().values())
    table = PAGE[PAGE.index("# Metrics of all tasks") :]
    rows = [line for line in table.splitlines() if line.startswith("| `") and "timing.md" not in line]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    forms = known | {re.sub(r"\d+$", "N", name) for name in known} | {"error_F"}
    assert named and named <= forms, named - forms


@pytest.mark.parametrize(("name", "there"), [("mse_k10", True), ("error_pca", True), ("sharpness", False)])
def test_a_metric_that_the_page_lacks_is_told(name: str, there: bool) -> None:
    assert on_the_page(name) is there


def test_every_format_is_on_the_page_of_exports() -> None:
    text = text_of("docs/exports.md")
    assert all(f"| `{name}` |" in text for name in EXPORTS)
