"""Tests of what student code sees of gradebench where it is installed among the libraries, not in a checkout."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.sandbox.outside import Isolation
from harness.sandbox.outside.exposure import _OPENS_CODE
from tests.harness.sandbox.sandbox_asking import hostile_submission

ROOT = Path(__file__).parents[4]
INSTALLED = """
import sys
import numpy as np
import harness
from harness.sandbox.outside import Isolation, Worker
from harness.sandbox.outside.exposure import expose
from harness.types import ArraySpec, Question
level, root, site = sys.argv[1:]
assert harness.__file__ == site + "/harness/__init__.py"
assert site in expose((), None, level == "full").sys_path
with Worker(Isolation(level, (), "")) as worker:
    worker.open_code(root, "adapter.py:load", None)
    for method in ("echo", "import_gradebench"):
        found = worker.ask(Question(method, {"x": np.ones(1, np.float32)}, {"y": ArraySpec((1,))}), 60)
        print(method, float(found["y"][0]))
    print(worker.log, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library folder that holds gradebench, beside a library that workers need."""
    place = tmp_path_factory.mktemp("lib") / "site-packages"
    place.mkdir()
    for package in ("harness", "reference", "classifiers", "reports", "submissions"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    for package in ("reference", "classifiers"):
        (place / package / "weights").mkdir()
        (place / package / "weights" / "w").write_text("secret")
    spec = importlib.util.find_spec("safetensors")
    assert spec is not None and spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, place / "safetensors")
    return place


@pytest.mark.corpus("Runtime, found later", "`import reference` in a student's worker")
@pytest.mark.parametrize("level", ["full", "reduced"])
def test_student_code_can_not_import_gradebench_from_a_library_folder(
    request: pytest.FixtureRequest, site: Path, tmp_path: Path, level: str
) -> None:
    isolation: Isolation = request.getfixturevalue(level)
    root = hostile_submission(tmp_path / "s")
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED, isolation.level, str(root), str(site)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(site), "PATH": ""},
        cwd=tmp_path,
        timeout=240,
    )
    assert done.stdout.split() == ["echo", "2.0", "import_gradebench", "0.0"], done.stderr[-3000:]


def test_the_parts_that_open_code_are_those_that_it_imports() -> None:
    from harness import provenance
    from harness.starters import STARTERS, starter

    opened = [starter(name).opening.partition(":")[0] for name in STARTERS]
    needed = provenance.sources(("harness.sandbox.inside.entry", *opened), without=("reference",))
    within = {str(path.relative_to(ROOT / "harness")) for path in needed.values()}
    for file in within:
        assert any(file == part or file.startswith(f"{part}/") for part in _OPENS_CODE), file
    for part in _OPENS_CODE:
        assert part == "text.py" or any(file == part or file.startswith(f"{part}/") for file in within), part
