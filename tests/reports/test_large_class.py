"""A class too large for one page: the index holds the first rows of each part, and a page a part holds all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.types import Evidence, Record
from reports import index, site
from reports.site import render
from tests.reports.examples import cgan, samples, scored

SUBMISSIONS = 15


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    monkeypatch.setattr(index, "MOST_ROWS", 20)
    found = []
    for number in range(SUBMISSIONS):
        one = scored(f"s{number:02}", f"Team {number:02}", 0.97 + number / 1000)
        found += [one, cgan(one)]
    return found


def rows(text: str) -> list[str]:
    """Names in the tables of parts."""
    boards = "".join(re.findall(r'<table class="board.*?</table>', text, flags=re.DOTALL))
    return re.findall(r"<bdi>(Team \d\d)</bdi>", boards)


def test_parts_have_pages_of_their_own_and_the_index_their_first_rows(records: list[Record], tmp_path: Path) -> None:
    start = render(records, tmp_path, tmp_path / "site").read_text("utf-8")
    best = [f"Team {number:02}" for number in reversed(range(SUBMISSIONS))]
    assert rows(start) == 2 * best[: site.FIRST_ROWS]
    # All totals are there.
    assert set(re.findall(r"<bdi>(Team \d\d)</bdi>", start)) == set(best)
    links = re.findall(r'href="(parts/[^"]+)"', start)
    assert len(links) == 2
    for link in links:
        page = (tmp_path / "site" / link).read_text("utf-8")
        assert rows(page) == best
        targets = re.findall(r'href="(\.\./submissions/[^"]+)"', page)
        assert len(targets) == SUBMISSIONS
        assert all(((tmp_path / "site" / link).parent / target).resolve().is_file() for target in targets)


def test_pages_of_parts_go_when_the_class_is_small_again(records: list[Record], tmp_path: Path) -> None:
    render(records, tmp_path, tmp_path / "site")
    assert len(list((tmp_path / "site" / "parts").iterdir())) == 2
    start = render(records[:4], tmp_path, tmp_path / "site").read_text("utf-8")
    assert list((tmp_path / "site" / "parts").iterdir()) == []
    assert "parts/" not in start


def test_strips_have_the_titles_of_their_columns_once(tmp_path: Path) -> None:
    one = scored("a", "A", 0.99, figures=(samples("a.png"),))
    (section,) = index.index_view([one, scored("b", "B", 0.98, figures=(samples("b.png"),))], tmp_path)
    assert section.tables[0].strip_columns == tuple("0123456789")
    other = replace(samples("c.png"), columns=("x",))
    (section,) = index.index_view([one, scored("c", "C", 0.98, figures=(other,))], tmp_path)
    assert section.tables[0].strip_columns == ()


def test_flags_and_states_that_there_are_can_be_chosen(tmp_path: Path) -> None:
    flagged = Evidence("mode-collapse", True, 0.02, 0.1, 0.2, "", "mode collapse")
    two = [scored("a", "A", 0.99), scored("b", "B", 0.9, evidence=(flagged,))]
    (section,) = index.index_view(two, tmp_path)
    assert section.flags == ("mode collapse",)
    assert section.states == (("pass", "passed"), ("below", "missed the mark"))
    assert section.has_references is False
