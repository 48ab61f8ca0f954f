"""Tests of digests over the code of sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import provenance

SOURCE = '''
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
    assert old in SOURCE
    assert digest(tmp_path, SOURCE) == digest(tmp_path, SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 * x", "x * 2"), ("LIMIT = 3", "LIMIT = 4"), ("LIMIT = 3", 'LIMIT = "3"'), ("import harness.text\n", "")],
)
def test_all_else_is_code(tmp_path: Path, old: str, new: str) -> None:
    assert digest(tmp_path, SOURCE) != digest(tmp_path, SOURCE.replace(old, new))


def test_imports_are_followed_but_for_what_is_left_out_unless_it_is_given() -> None:
    task = "harness.tasks.inpainting.patch"
    every = set(provenance.sources((task,)))
    assert {"harness.types", "harness.metrics.bootstrap", "harness.mnist"} <= every
    without = set(provenance.sources((task,), (), ("harness.types", "harness.metrics")))
    assert every - without == {name for name in every if name == "harness.types" or name.startswith("harness.metrics")}
    given = set(provenance.sources((task, "harness.metrics.bootstrap"), (), ("harness.types", "harness.metrics")))
    assert given - without == {"harness.metrics.bootstrap"}
