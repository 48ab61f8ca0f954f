"""Tests of the sources that a result depends on, and of digests over their code."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import harness
from harness import provenance

SOURCE = """
import harness.text
if 1:
    from harness import files
else:
    import harness.numbers
try:
    import harness.records
except ImportError:
    import harness.totals
else:
    import harness.summary
finally:
    import harness.rubric
class A:
    def method(self):
        with open("x"):
            for _ in ():
                while True:
                    import harness.mnist
        match 1:
            case 1:
                import harness.registry
async def f():
    from reference import cvae
"""
NAMES = {"text", "files", "numbers", "records", "totals", "summary", "rubric", "mnist", "registry"}


def test_imports_in_every_kind_of_statement_are_followed(tmp_path):
    file = tmp_path / "tasks.py"
    file.write_text(SOURCE)
    found = set(provenance.sources((), (file,)))
    assert {f"harness.{name}" for name in NAMES} | {"reference.cvae", "tasks.py"} <= found


def test_no_import_of_ours_is_missed():
    for file in Path(harness.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_bytes())
        of_tree = {id(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)}
        assert of_tree <= {id(node) for node in provenance._statements(tree)}, file


MODULE = '''
"""A module."""
import harness.text
LIMIT = 3
"""What is allowed."""


class One:
    """A class."""

    def f(self, x):
        """Twice x."""
        return 2 * x  # quickly
'''


def digest(folder: Path, text: str) -> str:
    # A path of its own for each text, since a file is read once.
    number = len(list(folder.iterdir()))
    path = folder / str(number) / "own.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return provenance.code_digest((), (path,))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Twice x."""', '"""Calculates twice x."""'),
        ('        """Twice x."""\n', ""),
        ('"""What is allowed."""', '"""The most."""'),
        ("  # quickly", ""),
        ("2 * x", "(2\n * x)"),
        ('"""A module."""\n', "\n# A module\n\n"),
    ],
)
def test_docstrings_comments_and_layout_are_no_code(tmp_path: Path, old: str, new: str) -> None:
    assert old in MODULE
    assert digest(tmp_path, MODULE) == digest(tmp_path, MODULE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 * x", "x * 2"), ("LIMIT = 3", "LIMIT = 4"), ("LIMIT = 3", 'LIMIT = "3"'), ("import harness.text\n", "")],
)
def test_all_else_is_code(tmp_path: Path, old: str, new: str) -> None:
    assert digest(tmp_path, MODULE) != digest(tmp_path, MODULE.replace(old, new))


def test_imports_are_followed_but_for_what_is_left_out_unless_it_is_given() -> None:
    task = "harness.tasks.inpainting.patch"
    every = set(provenance.sources((task,)))
    assert {"harness.types", "harness.metrics.mean_interval", "harness.mnist"} <= every
    without = set(provenance.sources((task,), (), ("harness.types", "harness.metrics")))
    assert every - without == {name for name in every if name == "harness.types" or name.startswith("harness.metrics")}
    given = set(provenance.sources((task, "harness.metrics.mean_interval"), (), ("harness.types", "harness.metrics")))
    assert given - without == {"harness.metrics.mean_interval"}


def test_many_threads_may_ask_for_digests_at_a_time() -> None:
    sources = sorted(Path(harness.__file__).parent.rglob("*.py"))
    # Python 3.11's parser raises SystemError at random where two threads use it.
    parse = provenance._imported.__wrapped__
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda path: parse(path, ""), sources * 3))
    assert found == [provenance._imported(path, "") for path in sources] * 3
