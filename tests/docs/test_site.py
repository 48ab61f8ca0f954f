"""The documentation as a site: it is built without a warning, and its pages ask nobody else for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.reports.browser import Browser, started

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in ("sphinx", "myst_parser", "furo")),
    reason="sphinx, myst-parser or furo is not installed (gradebench[docs])",
)
ROOT = Path(__file__).parents[2]
LOADING = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("object", "data"),
}
"""Attributes whose address a browser asks for by itself."""
ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")\s]+)|@import\s+['\"]([^'\"]+)")


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build as `tox -e docs` does."""
    line = [sys.executable, "-B", "-m", "sphinx", "-W", "-q", "--keep-going", "-c", "docs", "-b", "html"]
    command = [*line, "-d", str(out / "doctrees"), ".", str(out / "site")]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return out / "site"


class Asked(HTMLParser):
    """Collects the addresses that a page loads, and those of links."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.loaded += [told[name] for element, name in LOADING if element == tag and name in told]
        # A link of relation "index" or "next" is not asked for.
        if tag == "link" and {"stylesheet", "preload", "icon", "preconnect"} & set(told.get("rel", "").split()):
            self.loaded.append(told["href"])
        self.loaded += [address for pair in ADDRESS.findall(told.get("style", "")) for address in pair if address]
        if tag == "a":
            self.links.append(told.get("href", ""))


def test_every_page_of_the_documentation_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(ROOT).with_suffix(".html") for path in (ROOT / "docs").glob("*.md")}
    pages |= {Path("README.html"), Path("submissions/template/README.html"), Path("reference/MODELS.html")}
    assert {page for page in pages if not (site / page).is_file()} == set()
    navigation = Asked(site / "docs" / "index.html").links
    assert {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} - {"index.html"} <= set(navigation)


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        for address in Asked(page).loaded:
            assert not re.match(r"[a-z]+:|//", address.removeprefix("data:image/")), f"{page.name} loads {address}"
            assert (page.parent / address.split("?")[0].split("#")[0]).exists(), f"{page.name} lacks {address}"
    styles = list(site.rglob("*.css"))
    found = [address for style in styles for pair in ADDRESS.findall(style.read_text("utf-8")) for address in pair]
    assert [address for address in found if address and re.match(r"(?!data:)[a-z]+:|//", address)] == []


@pytest.mark.parametrize("text", ["[gone](gone.md)", "![gone](pictures/gone.png)", "[gone](#gone)"])
def test_a_link_or_picture_that_leads_nowhere_is_an_error(tmp_path: Path, text: str) -> None:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "conf.py", source / "docs")
    shutil.copy(ROOT / "pyproject.toml", source)
    page = source / "docs" / "index.md"
    page.write_text("# Pages\n\nAll is well.\n", encoding="utf-8")
    assert build(source, tmp_path / "good").returncode == 0
    page.write_text(f"# Pages\n\n{text}\n", encoding="utf-8")
    assert build(source, tmp_path / "bad").returncode != 0


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with started(tmp_path / "profile") as one:
        yield one


def test_a_browser_asks_for_files_of_the_site_alone(site: Path, browser: Browser) -> None:
    assert "url=docs/index.html" in (site / "index.html").read_text("utf-8")
    for name in ("docs/index.html", "docs/tasks.html", "reference/MODELS.html", "search.html"):
        browser.open(site / name)
        assert browser.run("document.title")
        assert [one for one in browser.requests if not one.startswith((site.as_uri(), "data:"))] == []
    assert browser.problems == []


def test_the_search_finds_a_page(site: Path, browser: Browser) -> None:
    browser.open(site / "search.html")
    found = browser.run("""new Promise(done => {
        Search.performSearch("pseudonym");
        const links = () => [...document.querySelectorAll("#search-results li a")].map(link => link.href);
        const look = () => links().find(address => address.includes("docs/publishing.html"));
        const timer = setInterval(() => look() && (clearInterval(timer), done(look())), 50);
    })""")
    assert found.startswith((site / "docs" / "publishing.html").as_uri())
