"""Reads, without running them, which tests prove which cases of the corpus."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Proof(NamedTuple):
    """A test that is marked with a case."""

    section: str
    case: str
    path: str
    """From the repository's root."""
    test: str


def proofs(folder: Path = ROOT / "tests") -> list[Proof]:
    """Every mark `pytest.mark.corpus` on a function, by file and line; its arguments have to be literals."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "mark.corpus(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.corpus":
                    section, case, *_ = [ast.literal_eval(argument) for argument in mark.args]
                    found.append(Proof(section, case, path.relative_to(folder.parent).as_posix(), node.name))
    return found
