"""Pages of entries that are alike: a link to each other's page, and pictures side by side."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from harness.evidence.copied_weights import Other, copied_weights
from harness.types import Figure, Record, Role
from reports.audience import Audience
from reports.common import page_name
from reports.pairs import entries_of, pairs_of
from reports.site import render
from tests.reports.examples import scored


def pictured(results: Path, record: Record) -> Record:
    file = f"{record.submission}/{record.part}.samples.png"
    (results / record.submission).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((28, 28), 90, np.uint8)).save(results / file)
    return replace(record, figures=(Figure("samples", "picture", "Samples", {}, file=file),))


def copied_from(record: Record, other: Record) -> Record:
    named = (other.role.value, other.submission, other.part)
    return replace(record, compared=(copied_weights([Other(named, f"{other.name} ({other.submission})")]),))


def test_both_pages_link_to_each_other_and_show_both_pictures(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    one, two = (pictured(results, scored(name, f"<b>Team {name}</b>", 0.99)) for name in ("ada", "eve"))
    records = [copied_from(one, two), copied_from(two, one), scored("bob", "Bob", 0.9)]
    render(records, results, site, audience=Audience(staff=True))
    for own, other in ((one, two), (two, one)):
        page = (site / "submissions" / page_name(own.submission)).read_text()
        assert f'href="{page_name(other.submission)}"' in page
        assert "flag: copied weights" in page
        assert f"The same file was handed in by &lt;b&gt;Team {other.submission}" in page
        assert "<b>Team" not in page
        assert page.count("data:image/png") >= 3  # the entry's own picture, and the pair
    assert "copied weights" not in (site / "submissions" / page_name("bob")).read_text()


def test_students_see_that_their_weights_are_anothers_and_not_whose(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    one, two = (pictured(results, scored(name, name.capitalize(), 0.99)) for name in ("ada", "eve"))
    render([copied_from(one, two), copied_from(two, one)], results, site)
    page = (site / "submissions" / page_name("ada")).read_text()
    assert "flag: copied weights" in page
    assert "The same file was handed in by another submission" in page
    assert not re.search(r"\beve\b", page, re.IGNORECASE)
    assert page.count("data:image/png") == 1


def test_an_entry_that_is_not_on_the_site_is_named_without_a_link(tmp_path: Path) -> None:
    one, two = scored("ada", "Ada", 0.99), scored("eve", "Eve", 0.99)
    evidence = copied_from(one, two).compared[0]
    (pair,) = pairs_of(evidence, one, tmp_path, entries_of([one]))
    assert (pair.name, pair.page, pair.own, pair.other) == ("eve", "", None, None)
    reference = replace(two, role=Role.REFERENCE)
    (pair,) = pairs_of(copied_from(one, reference).compared[0], one, tmp_path, entries_of([one, reference]))
    assert pair.page == page_name("eve", Role.REFERENCE)
