"""docs/extending.md has an example for each kind of thing that can be added, in the style of the project.

`test_commands.py` adds them all to a copy of gradebench and grades a class with it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs import additions
from tests.docs.pages import ROOT, blocks_of, text_of
from tests.test_imports import FORBIDDEN, RULES, forbidden, imports, rule, within

PAGE = text_of("docs/extending.md")
FILES = additions.files(PAGE)
OPENING = "harness/starters/tsinghua/opening.py"
PYTHON = {name: text for name, text in FILES.items() if name.endswith(".py")}


def test_there_is_an_example_of_each_kind() -> None:
    folders = {Path(name).parts[:2] for name in PYTHON}
    assert folders == {
        ("harness", "metrics"), ("harness", "evidence"), ("harness", "tasks"), ("harness", "intake"),
        ("harness", "starters"), ("reference", "mirror.py"), ("reports", "exports"),
    }  # fmt: skip
    registries = {registry for registry, _, _ in additions.lines(PAGE)}
    assert registries == {"TASKS", "MODELS", "PLATFORMS", "STARTERS", "EXPORTS"}
    # No block of Python is neither a file nor a line.
    assert len(blocks_of(PAGE, "python")) == len(PYTHON) + len(registries)


@pytest.mark.parametrize("name", PYTHON)
def test_an_example_imports_what_its_folder_may(name: str) -> None:
    tree = ast.parse(PYTHON[name])
    own = {path.removesuffix(".py").replace("/", ".") for path in PYTHON}
    chosen = rule(name)
    assert chosen is not None
    # As the page says, it needs a rule like this one.
    chosen = chosen.replace("harness/starters", OPENING) if name.endswith("/opening.py") else chosen
    for module in imports(tree):
        found = next((one for one in own if module == one or module.startswith(f"{one}.")), module)
        assert within(found, RULES[chosen]), f"{name} must not import {module}"
    assert set(forbidden(tree)) & set(FORBIDDEN) == set()


@pytest.mark.parametrize("arguments", [("check", "-"), ("format", "--check", "-")])
@pytest.mark.parametrize("name", PYTHON)
def test_an_example_is_written_as_the_project_is(name: str, arguments: tuple[str, ...]) -> None:
    if find_spec("ruff") is None:
        pytest.skip("ruff is not installed")
    command = [sys.executable, "-m", "ruff", arguments[0], "--stdin-filename", str(ROOT / name), *arguments[1:]]
    done = subprocess.run(command, input=PYTHON[name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_have_types(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    additions.project(PAGE, tmp_path)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", ".types"]
    done = subprocess.run([*command, *PYTHON], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
