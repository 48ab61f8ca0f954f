"""The pages in a real browser: the policy lets our own style and script run, and nothing else."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.types import Record
from reports.common import page_name
from reports.site import render
from tests.reports.browser import CHROMIUM, PLAIN
from tests.reports.examples import a_class
from tests.reports.test_site import ATTRIBUTES, ELEMENTS, HOSTILE, Page, hostile_records

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
FLAGS = (*PLAIN, "--virtual-time-budget=3000", "--enable-logging=stderr")


def dump(page: Path, profile: Path, *flags: str) -> tuple[str, str]:
    """The page's DOM after its script ran, and what the browser logged of it."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "data-ready" not in done.stdout and "<html" not in done.stdout:
        pytest.skip(f"Chromium could not start here (exit status {done.returncode})")
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def outer(page: Path, folder: Path, script: str, width: int = 1200) -> Path:
    """A page that embeds `page` without its policy and then runs `script` in it, as a visitor's hands would."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    acted = folder / f"acted-{width}.html"
    acted.write_text(text.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    return acted


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser")
    records: list[Record] = a_class(root / "results")
    for text in HOSTILE[:10]:
        good, bad = hostile_records(text, root / "results")
        records += [replace(good, assignment="tsinghua-hw3"), replace(bad, assignment="tsinghua-hw3")]
    render(records, root / "results", root / "site")
    return root / "site"


@pytest.mark.parametrize(
    "name", ["index.html", f"submissions/{page_name(HOSTILE[0])}", f"submissions/{page_name(HOSTILE[2])}"]
)
def test_our_script_runs_under_the_policy_and_no_other(site: Path, tmp_path: Path, name: str) -> None:
    dom, log = dump(site / name, tmp_path / "profile")
    assert 'data-ready="yes"' in dom
    assert log == ""
    for tag, attributes in Page(dom).elements:
        assert tag in ELEMENTS | {"button"}
        assert set(attributes) <= ATTRIBUTES | {"aria-disabled", "data-ready"}
    if name == "index.html":
        assert dom.count('<button type="button">') >= 12


def test_nothing_hostile_ran(site: Path, tmp_path: Path) -> None:
    told = 'document.body.dataset.pwned = String("pwned" in window);'
    dom, _ = dump(outer(site / "index.html", tmp_path, told), tmp_path / "profile")
    assert 'data-pwned="false"' in dom  # even without the policy


def test_sorting_by_click(site: Path, tmp_path: Path) -> None:
    script = """
    const table = Array.from(document.querySelectorAll("table.board")).find(t => t.textContent.includes("Mode Zero"));
    const button = Array.from(table.querySelectorAll("button")).find(b => b.textContent.trim() === "Accuracy");
    const names = () => Array.from(table.tBodies[0].rows).map(r => r.cells[1].dataset.value).join("|");
    const head = button.closest("th"), seen = [];
    button.click(); seen.push(head.getAttribute("aria-sort") + ":" + names());
    button.click(); seen.push(head.getAttribute("aria-sort") + ":" + names());
    const rank = table.querySelector("button"); rank.click(); seen.push("rank:" + names());
    document.body.dataset.seen = seen.join(" / ");
    """
    dom, _ = dump(outer(site / "index.html", tmp_path, script), tmp_path / "profile")
    found = re.search(r'data-seen="([^"]*)"', dom)
    assert found is not None
    down, up, rank = found[1].replace("&amp;", "&").split(" / ")
    names = [
        "Mode Zero",
        "Reference cVAE",
        "Team Gauss",
        "Bayes & Söhne",
        "Latent Lovers",
        "Kullback und die Leiblers",
        "Nocturne",
    ]
    assert down == "descending:" + "|".join(names)
    assert up == "ascending:" + "|".join(reversed(names))
    # The reference model has no rank and so comes last.
    assert rank == "rank:" + "|".join([n for n in names if n != "Reference cVAE"] + ["Reference cVAE"])


@pytest.mark.parametrize(
    "name", ["index.html", f"submissions/{page_name('s1003')}", f"submissions/{page_name(HOSTILE[0])}"]
)
def test_a_phone_needs_no_sideways_scrolling(site: Path, tmp_path: Path, name: str) -> None:
    # Chromium's own window is never narrower than 500 pixels, so the page is laid out in a frame of 390.
    inner = outer(site / name, tmp_path, "parent.postMessage(document.documentElement.scrollWidth, '*')", 390)
    frame = tmp_path / "frame.html"
    frame.write_text(
        "<!doctype html><script>onmessage = e => document.body.dataset.width = e.data</script>"
        f'<body><iframe src="{inner.name}" style="width:390px;height:800px;border:0"></iframe>'
    )
    dom, _ = dump(frame, tmp_path / "profile")
    found = re.search(r'data-width="(\d+)"', dom)
    assert found is not None
    assert int(found[1]) <= 390
