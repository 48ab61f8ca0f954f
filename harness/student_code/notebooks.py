"""Reads the code cells of Jupyter notebooks (nbformat 3 and 4) as syntax trees, and runs nothing of them.

Outputs and texts are ignored. IPython's magics, such as `%matplotlib inline`, `!pip install x`, `%%time` and `model?`,
are replaced by `pass`, so that the other lines keep their numbers. Format: https://nbformat.readthedocs.io.
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.types import GradingError, refuse

SUFFIX = ".ipynb"
LARGEST = 20 << 20
"""Maximum size in bytes of a notebook, its outputs included."""
_LARGEST_CELL = 1 << 20
_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit", "%%python", "%%python3")
"""Cell magics after which the cell's other lines are Python."""
_LINE_MAGIC = re.compile(
    r"\s*(?:[%!?]"  # %matplotlib inline, !pip install x, ?name
    r"|[\w.%*]+\?{1,2}\s*$"  # name?
    r"|[\w.,\s\[\]]+=\s*(?:!|%\w)"  # files = !ls
    r"|(?:pip3?|conda|mamba)\s+(?:install|uninstall)\b)"
)


@dataclass(frozen=True)
class Cell:
    """A code cell of a notebook."""

    number: int
    """Its number among the code cells, from 1."""
    source: str
    """Its text, with `pass` in place of magics."""
    body: tuple[ast.stmt, ...] = ()
    """Its statements; none if it can't be parsed."""
    magics: tuple[str, ...] = ()
    """Magics that were replaced, a line each."""
    problem: str | None = None
    """The reason why it can't be parsed."""


def is_notebook(path: Path) -> bool:
    """Decide by the file's name."""
    return path.suffix.lower() == SUFFIX


def read(path: Path, name: str) -> list[Cell]:
    """Read and parse the code cells of a notebook, in their order.

    Parameters
    ----------
    path : the file
    name : name of the file in errors

    Raises
    ------
    GradingError
        if the file is too large, or is not a notebook.
    """
    size = path.stat().st_size
    if size > LARGEST:
        message = (
            f"{name} has {size / (1 << 20):.0f} MiB; a notebook may have {LARGEST >> 20}. "
            "Clear its outputs (Edit, Clear Outputs of All Cells) and save it again."
        )
        raise refuse("manifest", "too-large", message)
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        said = str(error)[:100] if isinstance(error, ValueError) else "it is nested too deeply"
        raise _broken(name, f"is not valid JSON ({said})") from None
    return [_parsed(number, source) for number, source in enumerate(_sources(document, name), 1)]


def _broken(name: str, what: str) -> GradingError:
    message = f"{name} is not a notebook that can be read: it {what}. Save it in Jupyter again, or hand in a .py file."
    return refuse("manifest", "bad-notebook", message)


def _sources(document: Any, name: str) -> Iterator[str]:
    """Yield the text of each code cell of a notebook's JSON."""
    if not isinstance(document, Mapping):
        raise _broken(name, "holds no cells")
    sheets = document.get("worksheets", [document])  # nbformat 3 has worksheets
    cells: list[Any] = []
    for sheet in sheets if isinstance(sheets, list) else []:
        several = sheet.get("cells") if isinstance(sheet, Mapping) else None
        if not isinstance(several, list):
            raise _broken(name, "holds no list of cells")
        cells += several
    for cell in cells:
        if not isinstance(cell, Mapping):
            raise _broken(name, "holds a cell that is no table")
        if cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", ""))  # nbformat 3 says input
            lines = [source] if isinstance(source, str) else source
            if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
                raise _broken(name, "holds a cell whose source is no text")
            yield "".join(lines).replace("\r\n", "\n").replace("\r", "\n")


def _parsed(number: int, text: str) -> Cell:
    if len(text) > _LARGEST_CELL:
        return Cell(number, "", problem=f"it has more than {_LARGEST_CELL >> 20} MiB of code")
    source, magics = without_magics(text)
    try:
        return Cell(number, source, tuple(ast.parse(source).body), magics)
    except SyntaxError as error:
        return Cell(number, source, (), magics, f"{error.msg}, line {error.lineno}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Cell(number, source, (), magics, str(error)[:100] or "it is nested too deeply")


def without_magics(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace the magics of a cell by `pass`. Returns the cell, with as many lines as before, and the magics."""
    lines = text.split("\n")
    magics: list[str] = []
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        magics.append(lines[first].strip())
        if lines[first].partition(" ")[0].strip() not in _PYTHON_CELLS:
            return "", tuple(magics)
        lines[first] = "pass"
    start = index = 0
    while index < len(lines):
        line = lines[index]
        if _LINE_MAGIC.match(line) and not _goes_on(lines[start:index]):
            magics.append(line.strip())
            lines[index] = line[: len(line) - len(line.lstrip())] + "pass"
            while line.endswith("\\") and index + 1 < len(lines):
                index += 1
                line, lines[index] = lines[index], ""
            start = index + 1
        index += 1
    return "\n".join(lines), tuple(magics)


def _goes_on(lines: Sequence[str]) -> bool:
    """Decide whether a string, a bracket or a continued line is still open after these lines."""
    if lines and lines[-1].endswith("\\"):
        return True
    try:
        # Without indentation, which is no matter here and may be incomplete.
        for _ in tokenize.generate_tokens(iter([line.lstrip() + "\n" for line in lines]).__next__):
            pass
    except tokenize.TokenError as error:
        return "multi-line" in str(error) or "triple-quoted" in str(error)
    except SyntaxError:
        return False
    return False
