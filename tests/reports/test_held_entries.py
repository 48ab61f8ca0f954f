"""Entries that are held, on the pages: below those that rank, with the reason, and none of the class's strip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.types import Decision, Record
from reports.audience import Audience, visible
from reports.index import index_view
from reports.site import render
from reports.standing import Standings
from tests.reports.examples import scored


def held(record: Record) -> Record:
    assert record.score is not None
    return replace(record, score=replace(record.score, held=("mode collapse",)))


def test_a_held_entry_is_counted_apart(tmp_path: Path) -> None:
    own = held(scored("x", "X", 0.999))
    records = [own, *(scored(f"s{number}", f"S {number}", 0.98 + number / 1000) for number in range(3))]
    (section,) = index_view(records, tmp_path)
    assert [row.name for row in section.tables[0].excluded] == ["X"]
    assert ("held", "held") in section.states
    found = Standings(records)
    first, last = found.of(records[0]), found.of(records[1])
    assert first is not None and first.sentence == "Of 3 measured entries of the class, 0 are better and 3 worse."
    assert last is not None and last.sentence == "Of 3 measured entries of the class, 2 are better and 0 worse."
    text = render(records, tmp_path, tmp_path / "site").read_text("utf-8")
    assert "Held for mode collapse" in text


def test_the_instructors_word_names_nobody_on_a_pseudonymous_page(tmp_path: Path) -> None:
    record = held(scored("4711", "Zoë Quandt", 0.99, place="moodle:4711"))
    word = Decision("4711", "cvae", "accept", None, "Quandt showed me the notebook.", "", "2026-03-02T10:15:00Z")
    (seen,) = visible([replace(record, decision=word)], tmp_path, Audience()).records
    assert seen.decision is not None
    assert seen.decision.submission == seen.submission
    assert "Quandt" not in seen.decision.reason
    assert seen.decision.decided_at == "2026-03-02"
