"""The pages that a reader follows, and the commands in them: in blocks, and within sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("submissions/**/README.md"),
        ROOT / "classifiers" / "MODEL_CARD.md",
        ROOT / "reference" / "MODELS.md",
    )
)
"""Pages, relative to the top of the repository."""
SHELL = {"sh", "console", "bash", "shell"}
DATA = {"python", "yaml", "toml", "json"}
"""Languages of blocks in which no line is a command, even if it begins like one."""
PROGRAM = re.compile(
    r"(\$ |sudo )?(\S*/)?(gradebench|python3?|pip3?|pytest|tox|dask|git|openssl|mkdir|cat|grep|cp|mv|unzip|ssh|scp|curl"
    r"|apt-get|sbatch|srun|docker|gh)( |$)"
)
"""The beginning of a line that is a command."""


@dataclass(frozen=True)
class Command:
    """A line that a reader copies into a terminal."""

    page: str
    number: int
    """Line of the page, from 1."""
    text: str
    """As it stands there, without a comment behind it."""

    def __str__(self) -> str:
        return f"{self.page}:{self.number}: {self.text}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def commands(text: str, page: str = "") -> list[Command]:
    """The commands in the blocks of a page, in its order; lines that a backslash continues are one."""
    found = []
    for block in _blocks(text):
        if not _is_of_a_shell(block):
            continue
        assert block.map is not None
        first, begun = block.map[0] + (2 if block.type == "fence" else 1), ""
        for number, line in enumerate(block.content.splitlines(), first):
            begun += line.strip().removeprefix("$ ")
            if begun.endswith("\\"):
                begun = begun[:-1]
                continue
            if command := re.sub(r"(^|\s+)# .*$", "", begun):
                found.append(Command(page, number, command))
            begun = ""
    return found


def passed_over(text: str) -> list[str]:
    """Lines that look like a command of gradebench's in blocks that are not taken for a shell's."""
    blocks = [block for block in _blocks(text) if not _is_of_a_shell(block) and block.info not in DATA]
    return [line for block in blocks for line in block.content.splitlines() if PROGRAM.match(line.strip())]


def spans(text: str) -> Iterator[tuple[str, str]]:
    """The spans of code in a page's sentences and tables, each with the first span of its table's row, "" elsewhere."""
    first, in_row = "", False
    for token in MarkdownIt().enable("table").parse(text):
        if token.type in ("tr_open", "tr_close"):
            first, in_row = "", token.type == "tr_open"
        for inner in token.children or ():
            if inner.type == "code_inline":
                yield first, inner.content
                first = first or (inner.content if in_row else "")


def blocks_of(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks in a language."""
    return [block.content for block in _blocks(text) if block.info == language]


def _blocks(text: str) -> list[Token]:
    return [token for token in MarkdownIt().parse(text) if token.type in ("fence", "code_block")]


def _is_of_a_shell(block: Token) -> bool:
    language = block.info.split(" ")[0]
    return language in SHELL or (not language and PROGRAM.match(block.content.strip()) is not None)
