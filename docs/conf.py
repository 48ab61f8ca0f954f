"""Configuration of Sphinx: the pages of the site are the Markdown files of the repository, where they lie.

`tox -e docs` builds the site into build/docs. Sources begin at the top of the repository, so that links from folder to
folder hold in both places. The navigation is made of the lists of docs/index.md.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "gradebench"
author = "the authors of gradebench"
release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "reference/MODELS.md",
    "classifiers/MODEL_CARD.md",
    "submissions/template/README.md",
    "submissions/examples/own_coursework/README.md",
]

nitpicky = True
highlight_language = "none"  # of blocks that name no language
myst_heading_anchors = 4  # the anchors that GitHub gives to headings

html_theme = "furo"
html_title = f"gradebench {release}"
html_show_copyright = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Make the navigation, and let the top of the built folder lead to the first page."""
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _write_entrance)


def _add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Add a table of contents for each section of the first page, of the pages that its list links to."""
    if page != root_doc:
        return
    for section in source[0].split("\n## ")[1:]:
        title = section.splitlines()[0]
        pages = re.findall(r"^- \[[^\]]*\]\(([^)]+)\.md\)", section, re.MULTILINE)
        if pages:
            source[0] += "\n".join(["\n\n```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```\n"])


def _write_entrance(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.format == "html":
        page = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>gradebench</title>
<meta http-equiv="refresh" content="0; url=docs/index.html">
<a href="docs/index.html">gradebench</a>
"""
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")
