"""Tests that adding a thing takes its file and one line, and that pages and JSON show it as it says itself.

A copy of the project gets a task, a model, an export format, a platform and a starter layout that the code has never
seen; a class in the platform's form is graded by the copy's own command line, in the real sandbox.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from harness.sandbox.outside import Isolation

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "reference", "classifiers", "reports", "submissions")

FILES = {
    "harness/tasks/inversion.py": '''
        """Inversion: turn black into white and white into black."""

        import numpy as np

        from harness.metrics.pictures import grid
        from harness.tasks.base import gates
        from harness.types import ArraySpec, Evidence, Figure, Gate, Marks, Metric, Question


        class Inversion:
            """`invert(images) -> images`."""

            name, title, summary, protocol = "inversion", "Turning digits over", "turn black into white", 1
            primary, gates, outputs, baselines = "distance", ("no-black", "too-even"), None, {}

            def questions(self, context, entry):
                images = context.data.test.images[:50]
                return [Question("invert", {"images": images}, {"images": ArraySpec(images.shape)}, 10)]

            def mark(self, context, entry, answers):
                answered, truth = answers[0]["images"], 1 - context.data.test.images[:50]
                errors = np.abs(answered - truth).mean(axis=(1, 2, 3), dtype=float)
                metrics = {
                    "distance": Metric(errors.mean(), "sheets of paper", "lower", 50, 0.0, 1.0, title="mean distance"),
                    "worst": Metric(errors.max(), "sheets of paper", "lower", 50, title="worst distance", beside=True),
                }
                even = Evidence("too-even", False, 0.25, 0.5, None, "It is quite even.", "evenness of the paper")
                figures = (
                    Figure("by-image", "line", "Distance along the queue", {"values": errors},
                           "Each digit waits for its turn.", x="place in the queue", y="sheets of paper"),
                    Figure("turned", "picture", "Digits turned over", {"pixels": grid(answered[None, :5, 0])},
                           "What was black is white.", strip=(0.0, 1.0)),
                )
                own = {"no-black": Gate(True, "nothing stays black")}
                marks = Marks(metrics, self.primary, (even,), figures, gates([even], own), errors)
                return marks, ["A note of the task."]
        ''',
    "reference/inverter.py": '''
        """Inverts images by one learned factor and one learned offset."""

        import torch
        from torch import nn

        from reference.architecture import Architecture


        class Inverter(nn.Module):
            """x -> factor x + offset."""

            def __init__(self, sign: str) -> None:
                super().__init__()
                self.factor, self.offset = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
                self.sign = 1.0 if sign == "plus" else -1.0

            def invert(self, images):
                return self.sign * self.factor * images + self.offset


        ARCHITECTURE = Architecture(
            title="Inverter of digits", summary="one factor and one offset", task="inversion", checkpoint_key="model",
            module=Inverter, options={"sign": ("plus", "minus")},
        )
        ''',
    "reports/exports/lines.py": '''
        """The class as lines of text."""

        from harness.files import write_atomically


        def write(records, folder, results, options):
            lines = [f"{r.submission} {r.part_title}: {r.score.points if r.score else r.status}" for r in records]
            write_atomically(folder / "lines.txt", "\\n".join(lines).encode())
            return folder / "lines.txt"
        ''',
    "harness/intake/desk.py": '''
        """Hand-ins as the secretary's desk exports them."""

        import re

        from harness.intake.platforms import Owner, Platform


        def owner_of(name):
            match = re.fullmatch(r"(.+) \\((\\d+)\\)", name)
            return Owner(match[2], match[1]) if match else None


        DESK = Platform("The secretary's desk", owner_of=owner_of)
        ''',
    "harness/starters/potsdam/__init__.py": '"""The starter code of Potsdam: a folder inv."""\n',
    "harness/starters/potsdam/recognition.py": '''
        """Recognises the folder inv."""

        from harness.starters.layout import Starter
        from harness.types import Entry, Kind


        def entries(files, tasks, models):
            if "inv/net.py" in files:
                code = Entry("inversion", Kind.CODE, "turned", None, None, "starter:inv")
                return (code,), ("inv/ was asked by its code.",)
            weights = Entry("inversion", Kind.WEIGHTS, "turned", "inverter", "inv/net.pt")
            return (weights,), ("inv/net.pt was taken.",)


        POTSDAM = Starter(
            summary="Potsdam", layout="the folder inv/", codes=("starter:inv",), is_layout=lambda names: "inv" in names,
            entries=entries, opening="harness.starters.potsdam.opening:open_starter",
        )
        ''',
    "harness/starters/potsdam/opening.py": '''
        """Opens inv/net.py in the worker."""

        import importlib.util


        def open_starter(root, code, checkpoint):
            spec = importlib.util.spec_from_file_location("net", root / "inv" / "net.py")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.Net()
        ''',
}
LINES = {
    "harness/tasks/__init__.py": (
        "TASKS",
        '"inversion": ("harness.tasks.inversion:Inversion", "turn black into white"),',
    ),
    "reference/__init__.py": (
        "MODELS",
        '"inverter": ("reference.inverter:ARCHITECTURE", "one factor and one offset"),',
    ),
    "reports/exports/__init__.py": ("EXPORTS", '"lines": ("reports.exports.lines:write", "lines of text: lines.txt"),'),
    "harness/intake/platforms.py": ("PLATFORMS", '"desk": ("harness.intake.desk:DESK", "The secretary\'s desk"),'),
    "harness/starters/__init__.py": (
        "STARTERS",
        '"potsdam": ("harness.starters.potsdam.recognition:POTSDAM", "Potsdam"),',
    ),
}
"""The dictionary of each file that gets one more line."""
ASSIGNMENT = """
name = "turning"
title = "Everything turned over"
[[part]]
id = "turned"
title = "Digits on their heads"
task = "inversion"
points = 4
pass = 0.1
steps = [[0.5, 0.5], [0.1, 1.0]]
gates = ["no-black", "too-even"]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with five additions."""
    root = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    for name, source in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(source).lstrip(), encoding="utf-8")
    for name, (dictionary, line) in LINES.items():
        text = (root / name).read_text(encoding="utf-8")
        text, count = re.subn(rf"^({dictionary}: .*= {{)$", rf"\1\n    {line}", text, flags=re.MULTILINE)
        assert count == 1, f"{name} has no {dictionary}"
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def classroom(project: Path) -> Path:
    folder = project / "class"
    for name, factor in (("Ada Lovelace (1815)", -1.0), ("Carl Friedrich (1777)", -0.7)):
        (folder / name / "inv").mkdir(parents=True)
        np.savez(folder / name / "inv" / "net.npz", factor=np.float32(factor), offset=np.float32(1))
        (folder / name / "inv" / "net.npz").rename(folder / name / "inv" / "net.pt")
    (folder / "Emmy Noether (1882)" / "inv").mkdir(parents=True)
    (folder / "Emmy Noether (1882)" / "inv" / "net.py").write_text(
        "class Net:\n    def invert(self, images):\n        return 1 - images\n", encoding="utf-8"
    )
    (project / "turning.toml").write_text(ASSIGNMENT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def graded(project: Path, classroom: Path, full: Isolation) -> Mapping[str, str]:
    """The standard output of grading the class and exporting it, by command."""
    shown = {
        "grade": command(
            project, "grade", classroom, "-a", "turning.toml", "--results", "r", "--site", "s", "--names", "--json"
        ),
        "report": command(project, "report", "r", "--site", "s", "--names", "--export", "lines"),
        "tasks": command(project, "tasks"),
        "models": command(project, "models"),
    }
    shown["index"] = (project / "s" / "index.html").read_text(encoding="utf-8")
    pages = sorted((project / "s" / "submissions").glob("*.html"))
    shown["pages"] = "".join(page.read_text(encoding="utf-8") for page in pages)
    return shown


def command(project: Path, *arguments: object) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "GRADEBENCH_DATA"} | {
        "PYTHONPATH": str(project),
        "XDG_CACHE_HOME": str(project / "cache"),
        "COLUMNS": "160",
    }
    line = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    done = subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr if arguments[0] in ("tasks", "models") else done.stdout


def test_each_addition_is_its_file_and_one_line() -> None:
    assert len(LINES) == 5
    assert all("\n" not in line for _, line in LINES.values())


def test_the_class_is_graded_under_the_names_of_the_platform(graded: Mapping[str, str]) -> None:
    document = json.loads(graded["grade"])
    points = {(s["id"], s["name"]): s["points"] for s in document["submissions"]}
    assert points == {("1777", "Carl Friedrich"): 4.0, ("1815", "Ada Lovelace"): 4.0, ("1882", "Emmy Noether"): 4.0}
    entry = next(s for s in document["submissions"] if s["id"] == "1815")["entries"][0]
    assert entry["metrics"]["distance"]["value"] == pytest.approx(0, abs=1e-6)
    assert entry["metrics"]["distance"]["unit"] == "sheets of paper"
    assert entry["gates"] == {"no-black": True, "too-even": True}
    assert entry["notes"] == ["inv/net.pt was taken.", "A note of the task."]
    emmy = next(s for s in document["submissions"] if s["id"] == "1882")["entries"][0]
    assert emmy["notes"][0] == "inv/ was asked by its code."


@pytest.mark.parametrize(
    "said",
    ["Everything turned over", "Digits on their heads", "mean distance", "sheets of paper", "Carl Friedrich"],
)
def test_the_leaderboard_shows_titles_and_units(graded: Mapping[str, str], said: str) -> None:
    assert said in graded["index"]


@pytest.mark.parametrize(
    "said",
    [
        "Digits on their heads",
        "Worst distance",
        "Evenness of the paper",
        "It is quite even.",
        "Nothing stays black",
        "Distance along the queue",
        "Each digit waits for its turn.",
        "place in the queue",
        "Digits turned over",
        "What was black is white.",
        "Turning digits over",
    ],
)
def test_the_pages_show_figures_captions_and_evidence(graded: Mapping[str, str], said: str) -> None:
    assert said in graded["pages"]


def test_exports_and_listings_know_the_additions(graded: Mapping[str, str], project: Path) -> None:
    lines = (project / "s" / "lines.txt").read_text(encoding="utf-8").splitlines()
    assert "1815 Digits on their heads: 4.0" in lines
    assert "inversion" in graded["tasks"] and "turn black into white" in graded["tasks"]
    assert "inverter" in graded["models"]
