"""Pages of a coursework, task, metric, evidence and figures that the code has never heard of: all say it themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from harness.types import Evidence, Failure, Figure, Gate, Metric, Record, Role, Score
from reports.common import page_name
from reports.exports import EXPORTS, export
from reports.index import index_view
from reports.models_table import tables
from reports.site import render
from tests.reports.examples import scored, unscored
from tests.reports.test_site import Page, check_markup


def haiku(submission: str, syllables: float = 4.25, **changes: object) -> Record:
    record = replace(
        scored(submission, submission.title(), 0.99),
        assignment="poetry-9",
        assignment_title="Poetry of machines, sheet 9",
        part="zz-short",
        part_title="Short poems",
        task="haiku-writing",
        task_title="Haiku writing",
        model="bard",
        model_title="small Bard",
        primary="syl_err",
        metrics={
            "syl_err": Metric(syllables, "syllables", "lower", 50, 4.0, 4.5, title="error of metre"),
            "kigo_rate": Metric(0.5, "share", "higher", 50, title="poems with a kigo"),
            "rhyme": Metric(3.0, "rhymes", "higher", 50, title="rhymes", beside=True),
        },
        evidence=(Evidence("xq-plag", True, 0.9, 0.0, 0.2, "Nine in ten are Bashō's.", "borrowed lines"),),
        gates={"qq": Gate(False, "seasons in order"), "xq-plag": Gate(False, "borrowed lines")},
        figures=(
            Figure(
                "syl-by-line",
                "line",
                "Metre by line",
                {"values": [5, 7, 5]},
                "Five, seven, five.",
                x="line of the poem",
                y="syllables",
            ),
            Figure(
                "seasons",
                "bars",
                "Poems a season",
                {"values": [0.1, 0.2, 0.3, 0.4]},
                "Spring comes first.",
                columns=("spring", "summer", "autumn", "winter"),
                x="season",
                unit="share",
            ),
            Figure(
                "words",
                "table",
                "Favourite words",
                {"values": [["frog", 3], ["pond", 2]]},
                columns=("word", "times"),
            ),
            Figure(
                "moods",
                "bands",
                "Mood over time",
                {"panels": [[[0.1, 0.2, 0.3, 0.2, 0.2], [0.2] * 5]]},
                columns=("One poem",),
                series=("calm", "sad", "gay", "odd", "wet"),
            ),
        ),
        score=Score(3.0, 4.0, True, "Reached."),
        order=1,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def spoken(path: Path) -> str:
    return " ".join(" ".join(Page(path.read_text("utf-8")).words).split())


def test_a_page_shows_titles_captions_and_units_as_the_record_states_them(tmp_path: Path) -> None:
    render([haiku("basho")], tmp_path, tmp_path / "site")
    path = tmp_path / "site" / "submissions" / page_name("basho")
    check_markup(Page(path.read_text("utf-8")), f"submissions/{path.name}", tmp_path / "site")
    said = spoken(path)
    for words in (
        "Short poems",
        "Haiku writing",
        "Poetry of machines, sheet 9 (poetry-9)",
        "Error of metre 4.25 syllables",
        "Poems with a kigo",
        "flag: borrowed lines",
        "Borrowed lines flagged Nine in ten",
        "Seasons in order gate missed",
        "Metre by line Five, seven, five.",
        "line of the poem",
        "Poems a season Spring comes first. Season",
        "Favourite words word times 0 frog 3 1 pond 2",
        "Mood over time calm sad gay odd wet One poem",
    ):
        assert words in said, words
    assert re.search(r"spring 10\.00\s%.*winter 40\.00\s%", said)
    for identifier in ("syl_err", "syl-by-line", "kigo_rate", "xq-plag", "zz-short"):
        assert identifier not in said


def test_the_index_shows_them_too_and_parts_in_the_order_of_the_assignment(tmp_path: Path) -> None:
    longer = {"part": "aa-long", "part_title": "Long poems", "order": 2}
    first = {"part": "mm-first", "part_title": "First words", "order": 0}
    records = [haiku("basho", **longer), haiku("basho"), haiku("basho", **first), haiku("issa", 5.0)]
    (section,) = index_view(records, tmp_path)
    assert (section.assignment, section.name) == ("Poetry of machines, sheet 9", "poetry-9")
    assert [table.title for table in section.tables] == ["First words", "Short poems", "Long poems"]
    assert section.totals[0].parts == ("First words", "Short poems", "Long poems")
    table = section.tables[1]
    assert (table.metric, table.unit, table.better) == ("error of metre", "syllables", "lower")
    assert table.subtitle == "Haiku writing, protocol 1, metric version 1"
    assert table.ranked[0].flags == ("borrowed lines",)
    render(records, tmp_path, tmp_path / "site")
    said = spoken(tmp_path / "site" / "index.html")
    assert "Poetry of machines, sheet 9 poetry-9" in said
    assert "Ranked by error of metre (syllables), lower is better." in said
    page = (tmp_path / "site" / "submissions" / page_name("basho")).read_text("utf-8")
    assert re.findall(r'<article id="part-\d-([a-z-]+)"', page) == ["mm-first", "zz-short", "aa-long"]


def test_without_titles_identifiers_are_shown_as_words(tmp_path: Path) -> None:
    bare = haiku("basho", assignment_title="", part_title="", task_title="", model_title="")
    bare = replace(bare, metrics={"syl_err": replace(bare.metrics["syl_err"], title="")})
    (section,) = index_view([bare], tmp_path)
    assert (section.assignment, section.name) == ("poetry-9", "")
    (table,) = section.tables
    assert (table.title, table.metric) == ("Zz short", "syl err")


def test_tables_of_models_show_them(tmp_path: Path) -> None:
    failed = unscored("lost", "Lost", Failure("worker", "crash", "gone"), task="haiku-writing", part="lost")
    lines = tables([haiku("bard", part="bard", role=Role.REFERENCE), replace(failed, task_title="")]).splitlines()
    assert lines[0] == "### Haiku writing"
    assert lines[2] == "MNIST, 50 cases; error of metre in syllables, lower is better."
    assert lines[4].startswith("| model | error of metre | 95 % interval | rhymes | flags | seconds |")
    assert lines[6].startswith("| bard | 4.250 | 4.000 – 4.500 | 3.000 | xq-plag |")
    assert lines[7].startswith("| lost | failed: gone |")


def test_exports_of_any_class_write_their_files(tmp_path: Path) -> None:
    # Those of platforms need a class from there; their own tests have one.
    for name in ("csv", "junit"):
        path = export(name)([haiku("basho")], tmp_path)
        assert path.parent == tmp_path
        assert path.name in EXPORTS[name][1]
        assert "basho" in path.read_text("utf-8")
