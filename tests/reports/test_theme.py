"""The switch of colours in a browser: light, dark or as the system, kept from page to page, and never on paper."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reports.audience import Audience
from reports.common import page_name
from reports.site import render
from tests.reports.browser import CHROMIUM, Browser, started
from tests.reports.examples import a_class
from tests.reports.test_board_in_browser import AXE

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
PAPER = "getComputedStyle(document.body).backgroundColor"
FIELD = "document.querySelector('[data-theme-choice]')"
REFUSED = """
Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('refused', 'SecurityError'); }});
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("theme")
    records = a_class(root / "results")
    render(records, root / "results", root / "site")
    until = {"tsinghua-hw3": datetime(2999, 1, 1, tzinfo=UTC)}
    render(records, root / "results", root / "hidden", audience=Audience(hidden=until))
    return root / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def fresh(browser: Browser, site: Path) -> Browser:
    browser.size(1280)
    browser.scheme("light")
    browser.open(site / "index.html")
    browser.run("localStorage.clear(); window.name = ''")
    browser.open(site / "index.html")
    return browser


def brightness(browser: Browser) -> int:
    return sum(map(int, re.findall(r"\d+", browser.run(PAPER))[:3]))


def choose(browser: Browser, value: str) -> None:
    browser.run(f"{FIELD}.value = {value!r}; {FIELD}.dispatchEvent(new Event('change', {{bubbles: true}}))")


def pages(site: Path) -> list[Path]:
    return [site / "index.html", site / "submissions" / page_name("s1004"), site.parent / "hidden" / "index.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_choice_wins_over_the_system_on_every_page(fresh: Browser, site: Path, scheme: str) -> None:
    fresh.scheme(scheme)
    for page in pages(site):
        fresh.open(page)
        assert (brightness(fresh) > 700) == (scheme == "light")
        assert fresh.run(f"{FIELD}.value") == ""
    other = "dark" if scheme == "light" else "light"
    choose(fresh, other)
    for page in pages(site):
        fresh.open(page)
        assert (brightness(fresh) > 700) == (other == "light"), page
        assert fresh.run("getComputedStyle(document.documentElement).colorScheme") == other
        assert fresh.run(f"{FIELD}.value") == other
        inked = fresh.run("(e => e === null ? null : getComputedStyle(e).filter)(document.querySelector('.ink'))")
        assert inked in (None, "invert(1)" if other == "light" else "none")
        assert fresh.problems == []
    choose(fresh, "")
    fresh.open(site / "index.html")
    assert (brightness(fresh) > 700) == (scheme == "light")


def test_a_site_keeps_the_choice_where_browsers_keep_such_things(fresh: Browser, site: Path) -> None:
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        fresh.visit(address + "index.html")
        choose(fresh, "dark")
        assert fresh.run("localStorage.getItem('gradebench-theme')") == "dark"
        assert fresh.run("window.name") == ""
        fresh.visit(f"{address}submissions/{page_name('s1004')}")
        assert brightness(fresh) < 100 and fresh.run(f"{FIELD}.value") == "dark"
        choose(fresh, "")
        assert fresh.run("localStorage.length") == 0
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


def test_the_colours_are_there_before_anything_is_shown(fresh: Browser, site: Path) -> None:
    choose(fresh, "dark")
    # The attribute is set where the style sheet begins, before there is a body to paint.
    watch = (
        "new MutationObserver(() => { if (document.body && !window.first) window.first = document.documentElement"
        ".dataset.theme ?? 'none'; }).observe(document, {childList: true, subtree: true});"
    )
    added = fresh.call("Page.addScriptToEvaluateOnNewDocument", source=watch)["identifier"]
    fresh.open(site / "index.html")
    fresh.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added)
    assert fresh.run("window.first") == "dark"


def test_without_storage_it_works_for_the_page_and_says_nothing(fresh: Browser, site: Path) -> None:
    added = fresh.call("Page.addScriptToEvaluateOnNewDocument", source=REFUSED)["identifier"]
    fresh.open(site / "index.html")
    fresh.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added)
    choose(fresh, "dark")
    assert brightness(fresh) < 100 and fresh.problems == []


def test_the_keyboard_reaches_it_first_and_changes_it(fresh: Browser) -> None:
    fresh.press("Tab", 9)
    fresh.press("Tab", 9)
    assert fresh.run(f"document.activeElement === {FIELD}")
    assert fresh.run(f"{FIELD}.labels[0].textContent.trim().startsWith('Colours')")
    fresh.press("d", 68, "d")
    assert fresh.run(f"{FIELD}.value") == "dark" and brightness(fresh) < 100


def test_paper_is_light_whatever_was_chosen(fresh: Browser) -> None:
    choose(fresh, "dark")
    fresh.call(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert fresh.run(PAPER) == "rgb(255, 255, 255)"
    assert fresh.run("getComputedStyle(document.querySelector('h1')).color") == "rgb(28, 30, 34)"
    assert fresh.run("getComputedStyle(document.querySelector('.theme')).display") == "none"
    fresh.call("Emulation.setEmulatedMedia", media="", features=[])


def test_without_scripts_there_is_no_switch(fresh: Browser, site: Path) -> None:
    fresh.open(site / "index.html", scripts=False)
    # The page's own scripts do not run; the question is asked by the protocol.
    root = fresh.call("DOM.getDocument")["root"]["nodeId"]
    node = fresh.call("DOM.querySelector", nodeId=root, selector=".theme[hidden]")["nodeId"]
    assert node != 0
    fresh.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("chosen", ["light", "dark"])
def test_axe_finds_nothing_in_chosen_colours(fresh: Browser, site: Path, width: int, chosen: str) -> None:
    fresh.scheme("dark" if chosen == "light" else "light")
    choose(fresh, chosen)
    fresh.size(width)
    for page in (pages(site)[0], pages(site)[2]):
        fresh.open(page)
        assert fresh.run("document.documentElement.scrollWidth") <= width
        overlap = "(a, b) => !(a.right < b.left || b.right < a.left || a.bottom < b.top || b.bottom < a.top)"
        boxes = "document.querySelector('.theme').getBoundingClientRect(), document.querySelector('.kicker')"
        assert not fresh.run(f"({overlap})({boxes}.getBoundingClientRect())")
        fresh.run(AXE.read_text("utf-8"))
        found: list[Any] = fresh.run(
            "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => v.id))"
        )
        assert found == []
