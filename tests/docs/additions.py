"""A copy of gradebench with what docs/extending.md adds: the files of the page, and its lines in the registries."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import ROOT

PACKAGES = ("harness", "reference", "classifiers", "reports", "submissions")
_FILE = re.compile(r"^(?!One line).*`([\w./-]+\.(?:py|toml))`:\n\n```(?:python|toml)\n((?s:.*?))^```", re.MULTILINE)
_LINE = re.compile(r"^One line in `([A-Z]+)`, `([\w./]+)`.*?:\n\n```python\n([^\n]*)\n```", re.MULTILINE)


def files(page: str) -> dict[str, str]:
    """The contents of the page's files, by the name before each."""
    return dict(_FILE.findall(page))


def lines(page: str) -> Iterator[tuple[str, str, str]]:
    """The registry, its file and the new line, of each line that the page adds."""
    yield from _LINE.findall(page)


def project(page: str, folder: Path) -> None:
    """Copy gradebench into a folder and add what the page says."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    for name, text in files(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert not (folder / name).exists(), name
        (folder / name).write_text(text, encoding="utf-8")
    for registry, name, line in lines(page):
        text = (folder / name).read_text("utf-8")
        text, count = re.subn(rf"^({registry}: .*= {{)$", rf"\1\n    {line}", text, flags=re.MULTILINE)
        assert count == 1, f"{name} has no {registry}"
        (folder / name).write_text(text, encoding="utf-8")
