"""The pages in a browser that is used by hand: search, filters, sorting, pages, keyboard, schemes, paper, axe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.types import Record
from reports.common import page_name
from reports.site import render
from tests.reports.browser import CHROMIUM, Browser, BrowserError, started
from tests.reports.examples import a_class, scored

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
AXE = Path(__file__).parent / "assets" / "axe-4.14.1.min.js"
MANY = 60
"""Further submissions, so that a table has more rows than one page of it shows."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("board")
    records: list[Record] = a_class(root / "results")
    plain = scored("t", "T", 0.985)
    for number in range(MANY):
        own = replace(plain, submission=f"t{number:03}", name=f"Team {number:03}", figures=plain.figures[1:])
        value = replace(own.metrics["accuracy"], value=0.9805 + number * 1e-5)
        records.append(replace(own, metrics={**own.metrics, "accuracy": value}))
    render(records, root / "results", root / "site")
    return root / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def board(browser: Browser, site: Path) -> Browser:
    browser.size(1280)
    browser.scheme("light")
    browser.open(site / "index.html")
    return browser


def rows(browser: Browser, table: str = "table.board") -> list[str]:
    """Names in the first group of rows of the first such table, as shown."""
    found: list[str] = browser.run(
        f"Array.from(document.querySelector('{table}').tBodies[0].rows, r => r.querySelector('.team a').textContent)"
    )
    return found


def choose(browser: Browser, name: str, value: str) -> None:
    """Set a control of the search as a hand would."""
    field = f"document.querySelector('[data-filter={name}]')"
    browser.run(f"{field}.value = {value!r}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


def status(browser: Browser) -> str:
    found: str = browser.run("document.querySelector('.controls [role=status]').textContent")
    return found


def test_search_finds_by_name_and_id_and_tells_how_many(board: Browser) -> None:
    choose(board, "search", "gauss")
    assert rows(board, "table.totals") == ["Team Gauss"]
    assert rows(board) == ["Team Gauss"]
    assert status(board) == "1 submission matches."
    choose(board, "search", "S1008")
    assert rows(board) == ["Latent Lovers"]
    choose(board, "search", "team 00")
    # Ten teams called so, and Team Gauss, whose id is s1001.
    assert status(board) == "11 submissions match."
    choose(board, "search", "<b>nobody")
    assert rows(board) == []
    assert status(board) == "0 submissions match."
    board.run("document.querySelector('.controls button').click()")
    assert status(board) == f"{MANY + 9} submissions match."
    assert board.problems == []


def test_filters_of_part_state_flag_and_references(board: Browser) -> None:
    choose(board, "state", "below")
    assert rows(board) == ["Kullback und die Leiblers", "Nocturne"]
    choose(board, "state", "")
    choose(board, "flag", "any")
    assert rows(board) == ["Mode Zero"]
    choose(board, "flag", "")
    assert "Reference cVAE" in rows(board)
    choose(board, "references", "muted")
    assert "Reference cVAE" in rows(board)
    assert board.run("document.querySelector('section.assignment').classList.contains('muted')")
    choose(board, "references", "hidden")
    assert "Reference cVAE" not in rows(board)
    choose(board, "part", "Conditional generative adversarial network")
    shown = "Array.from(document.querySelectorAll('[data-part-block]:not([hidden])'), b => b.dataset.partBlock)"
    assert board.run(shown) == ["Conditional generative adversarial network"]
    # The state is then that of this part alone.
    choose(board, "state", "fail")
    assert rows(board, "table.totals") == ["Kullback und die Leiblers"]


def test_pages_of_rows_and_a_sort_that_covers_all_of_them(board: Browser) -> None:
    total = MANY + 7
    assert len(rows(board)) == 50
    pager = "document.querySelector('table.board').parentElement.querySelector('.pager')"
    assert board.run(f"{pager}.querySelector('span').textContent") == f"1–50 of {total}"
    board.run(f"{pager}.querySelectorAll('button')[1].click()")
    assert len(rows(board)) == total - 50
    head = "Array.from(document.querySelectorAll('table.board thead button')).find(b => b.textContent === 'Accuracy')"
    board.run(f"{head}.click()")
    down = rows(board)
    assert down[:3] == ["Mode Zero", "Reference cVAE", "Team Gauss"]
    assert len(down) == 50
    board.run(f"{head}.click()")
    up = rows(board)
    assert up[:3] == ["Nocturne", "Kullback und die Leiblers", "Team 000"]
    assert board.run(f"{head}.closest('th').getAttribute('aria-sort')") == "ascending"


def test_everything_works_by_keyboard_alone(board: Browser) -> None:
    board.press("Tab", 9)
    assert board.run("document.activeElement.className") == "skip"
    for _ in range(30):
        board.press("Tab", 9)
        if board.run("document.activeElement.dataset.filter") == "search":
            break
    assert board.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    board.type("nocturne")
    assert rows(board) == ["Nocturne"]
    for _ in range(40):
        board.press("Tab", 9)
        if board.run("document.activeElement.closest('thead')?.parentElement.className ?? ''").startswith("totals"):
            break
    board.press("Enter", 13, "\r")
    assert board.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    block = "document.querySelector('table.totals').closest('.block')"
    said = board.run(f"{block}.querySelector('p.unseen[role=status]').textContent")
    assert said == "Sorted by Submission, ascending."


def test_without_javascript_all_rows_are_there_and_no_dead_control(browser: Browser, site: Path) -> None:
    browser.size(1280)
    browser.open(site / "index.html", scripts=False)
    text = (site / "index.html").read_text("utf-8")
    assert all(f"Team {number:03}" in text for number in range(MANY))
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    controls = browser.call("DOM.querySelector", nodeId=root, selector=".controls")["nodeId"]
    with pytest.raises(BrowserError):
        browser.call("DOM.getBoxModel", nodeId=controls)
    last = browser.call("DOM.querySelectorAll", nodeId=root, selector="table.board tbody tr")["nodeIds"][-1]
    assert browser.call("DOM.getBoxModel", nodeId=last)["model"]["height"] > 0


def test_paper_shows_all_rows_and_opens_what_is_folded(board: Browser) -> None:
    board.run("dispatchEvent(new Event('beforeprint'))")
    assert len(rows(board)) == MANY + 7
    assert board.run("document.querySelectorAll('details:not([open])').length") == 0
    board.run("dispatchEvent(new Event('afterprint'))")
    assert len(rows(board)) == 50
    assert board.pdf().startswith(b"%PDF")


PAGES = ("index.html", f"submissions/{page_name('s1003')}", f"submissions/{page_name('s1005')}")
CONTRAST = """(() => {
  const light = c => { const f = c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const rgb = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$|transparent/.test(c)) return rgb(c); } return [255, 255, 255]; };
  return Array.from(document.querySelectorAll("svg text"), e => {
    const [a, b] = [light(rgb(getComputedStyle(e).fill)), light(ground(e))].sort((x, y) => y - x);
    return (a + .05) / (b + .05); });
})()"""
"""WCAG 2.1's contrast of all texts of drawings to what is behind the drawing, which axe leaves undecided."""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, site: Path, name: str, width: int, scheme: str) -> None:
    browser.size(width)
    browser.scheme(scheme)
    browser.open(site / name)
    assert browser.problems == []
    page = (site / name).as_uri()
    assert [url for url in browser.requests if not url.startswith("data:image/png;base64,")] == [page]
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.run(AXE.read_text("utf-8"))
    found: dict[str, list[dict[str, Any]]] = browser.run(
        "axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(r => ({"
        "violations: r.violations.map(v => ({id: v.id, nodes: v.nodes.map(n => n.html.slice(0, 200))})),"
        "incomplete: r.incomplete.map(v => ({id: v.id, nodes: v.nodes.map(n => n.html.slice(0, 200))}))}))"
    )
    assert found["violations"] == []
    undecided = [(one["id"], node) for one in found["incomplete"] for node in one["nodes"]]
    assert [one for one in undecided if not (one[0] == "color-contrast" and one[1].startswith("<text"))] == []
    contrasts = browser.run(CONTRAST)
    assert min(contrasts, default=21) >= 4.5


def test_schemes_differ_and_are_the_readers(browser: Browser, site: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.open(site / "index.html")
        colours.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, re.findall(r"\d+", colour))) for colour in colours)
    assert light > 700
    assert dark < 100
