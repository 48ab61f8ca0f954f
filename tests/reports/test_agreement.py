"""Pages, JSON, CSV and JUnit XML say the same of a class: ranks, points, totals, states and reasons."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from rich.console import Console

from harness.cli.console import results_table
from harness.ranking.intervals import rank_text
from harness.rubric import Assignment
from harness.summary import summary
from harness.types import NOTHING_HANDED_IN, Failure, Metric, Record, Role, Score, Tried
from reports.common import page_name
from reports.exports import csv as csv_export
from reports.exports import junit
from reports.leaderboard import places
from reports.site import render
from tests.reports.examples import scored, unscored, with_scores

PARTS = ("cvae", "cgan", "ebm", "flow")
SHEET = Assignment.model_validate(
    {
        "name": "sheet",
        "title": "A sheet",
        "part": [
            {"id": part, "title": f"Part {part}", "task": "conditional-generation", "points": 20, "pass": 0.98, **more}
            for part, more in zip(PARTS, [{}, {}, *[{"choice": "one", "bonus": 5}] * 2], strict=True)
        ],
    }
)
STATUS = {
    "Passed": "scored",
    "Mark missed": "scored",
    "Not measured": "scored",
    "Failed": "failed",
    "Not gradable": "not-gradable",
    "Not handed in": "not-handed-in",
}
LINES = '[[entry]]\ntask = "conditional-generation"\npart = "cgan"'


@dataclass(frozen=True)
class Said:
    """The statements of one output about one part of one submission."""

    status: str
    rank: str
    """Such as "2–5"; empty for none."""
    points: float | None
    passed: bool
    reason: str
    """Empty where the part passed."""


@dataclass(frozen=True)
class Sum:
    """The statements of one output about one submission."""

    points: float | None
    max_points: float


def of(part: str, record: Record) -> Record:
    """The record as one of this part of the sheet."""
    score = record.score
    if score is not None and part in PARTS[2:]:
        score = replace(score, choice="one", bonus=5.0)
    return replace(
        record, part=part, assignment="sheet", full_marks=60.0, order=PARTS.index(part), score=score, figures=(),
        part_title=f"Part {part}",
    )  # fmt: skip


def missing(submission: str, part: str) -> Record:
    lines = LINES.replace("cgan", part)
    reason = f"Nothing was handed in for the part {part}. Add an [[entry]] with {', '.join(lines.splitlines()[1:])}."
    return of(part, unscored(submission, submission, Failure("intake", NOTHING_HANDED_IN, reason, detail=lines)))


def crashed(submission: str, part: str) -> Record:
    return of(
        part, unscored(submission, submission, Failure("worker", "exception", f"{part}.py raised KeyError: 'x'."))
    )


def ungraded(submission: str, part: str) -> Record:
    failure = Failure("marking", "judge", "The judge could not be read.", fault="harness")
    return of(part, unscored(submission, submission, failure))


def given(submission: str, part: str, accuracy: float, points: float | None = None) -> Record:
    record = of(part, scored(submission, submission, accuracy))
    if points is not None and record.score is not None:
        record = replace(record, score=replace(record.score, points=points))
    return record


def unmeasured(submission: str, part: str) -> Record:
    record = of(part, scored(submission, submission, 0.99))
    score = Score(0.0, 20.0, False, "accuracy could not be measured.")
    return replace(record, score=score, metrics={"accuracy": Metric(None, "share", "higher", 10_000)})


CLASS: list[Record] = [
    # All passed; of the alternatives the second counts as a bonus.
    given("s01", "cvae", 0.997), given("s01", "cgan", 0.996), given("s01", "ebm", 0.99), given("s01", "flow", 0.98),
    # Equal values have the same ranks.
    given("s02", "cvae", 0.99), given("s02", "cgan", 0.985), given("s02", "ebm", 0.95, 7.25),
    given("s03", "cvae", 0.99), given("s03", "cgan", 0.95), given("s03", "flow", 0.99),
    # Half of the work.
    given("s04", "cvae", 0.995), missing("s04", "cgan"), missing("s04", "ebm"), missing("s04", "flow"),
    given("s05", "cvae", 0.96, 12.5), crashed("s05", "cgan"), given("s05", "ebm", 0.97),
    given("s06", "cvae", 0.992), ungraded("s06", "cgan"), given("s06", "flow", 0.985),
    *(crashed("s07", part) for part in PARTS),
    *(ungraded("s08", part) for part in PARTS),
    *(missing("s09", part) for part in PARTS),
    unmeasured("s10", "cvae"), missing("s10", "cgan"), given("s10", "ebm", 0.9, 0.0),
    ungraded("s11", "cvae"), crashed("s11", "cgan"), missing("s11", "ebm"), missing("s11", "flow"),
    crashed("s12", "cvae"), given("s12", "cgan", 0.94, 0.0), given("s12", "ebm", 0.985), crashed("s12", "flow"),
]  # fmt: skip
BESIDE = [
    replace(given("pca", "cvae", 0.999), role=Role.REFERENCE),
    replace(given("same", "cgan", 0.2), role=Role.BASELINE),
]
TOTALS = {
    "s01": 65.0, "s02": 47.25, "s03": 52.5, "s04": 20.0, "s05": 25.0, "s06": 40.0, "s07": 0.0, "s08": None, "s09": 0.0,
    "s10": 0.0, "s11": 0.0, "s12": 20.0,
}  # fmt: skip
"""Points by submission, added up by hand."""
OPEN = {"s06", "s08", "s11"}


class _Tree(HTMLParser):
    """A page as a tree of elements."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.builder = ElementTree.TreeBuilder()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in ("meta", "img", "br"):
            self.builder.end(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)


def parsed(path: Path) -> Element:
    return _Tree(path.read_text(encoding="utf-8")).builder.close()


def text(element: Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def with_class(root: Element, name: str, tag: str = "*") -> list[Element]:
    return [
        element for element in root.iter() if tag in ("*", element.tag) and name in element.get("class", "").split()
    ]


def number(words: str) -> float | None:
    return float(words) if words not in ("", "—") else None


def with_right_answers(results: Path, record: Record) -> Record:
    """The record with scores beside it, right for the first questions, as many as its accuracy says."""
    metric = record.metrics.get("accuracy")
    if metric is None or metric.value is None:
        return record
    return with_scores(results, record, np.arange(metric.n) < round(metric.value * metric.n))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agreement")
    results = folder / "results"
    records = [with_right_answers(results, record) for record in CLASS + BESIDE]
    render(records, results, folder)
    csv_export.write(records, folder, results)
    junit.write(records, folder, results)
    data: Any = SimpleNamespace(name="mnist", digest="5f" * 32)
    document = summary(CLASS, SHEET, data, "full", 1.0, places(records, results))
    (folder / "summary.json").write_text(json.dumps(document, allow_nan=False))
    return folder


def pages(folder: Path) -> tuple[dict[tuple[str, str], Said], dict[str, Sum], set[str]]:
    """Read what index.html and the submissions' pages say, and the ids of the totals that are still open."""
    index = parsed(folder / "index.html")
    ids = {f"submissions/{page_name(name)}": name for name in TOTALS}
    said: dict[tuple[str, str], Said] = {}
    for table in with_class(index, "board", "table"):
        part = text(table.find("caption")).partition(":")[0].removeprefix("Part ")
        for row in table.iter("tr"):
            name = ids.get(next((a.get("href", "") for a in row.iter("a")), ""))
            if name is None:
                continue
            verdict = next(text(chip) for chip in with_class(row, "chip") if text(chip) in STATUS)
            ranked = with_class(row, "rank")
            points = number(text(with_class(row, "given")[0]).partition(" of ")[0]) if ranked else None
            rank = text(ranked[0]) if ranked else ""
            reason = "" if ranked else text(row[-1])
            said[name, part] = Said(STATUS[verdict], rank, points, verdict == "Passed", reason)
    sums, unfinished = {}, set()
    for row in with_class(index, "totals")[0].iter("tr"):
        name = ids.get(next((a.get("href", "") for a in row.iter("a")), ""))
        if name is not None:
            points, _, rest = text(with_class(row, "sum")[0]).partition(" of ")
            sums[name] = Sum(number(points), float(rest.removesuffix(" so far")))
            unfinished |= {name} if rest.endswith(" so far") else set()
    for name in TOTALS:
        for article in parsed(folder / "submissions" / page_name(name)).iter("article"):
            part = text(article.find(".//h2")).removeprefix("Part ")
            verdict = text(with_class(article, "chip")[0])
            before = said[name, part]
            assert (STATUS[verdict], verdict == "Passed") == (before.status, before.passed)
            failures, verdicts = with_class(article, "failure"), with_class(article, "verdict")
            reason = text(failures[0].find("p")) if failures else text(with_class(verdicts[0], "small", "p")[-1])
            # Of what was not handed in, the index says no more than that.
            assert reason.startswith(before.reason.removesuffix("."))
            shown = [text(p).removesuffix(" points") for p in with_class(article, "points")]
            if shown:
                assert number(shown[0].partition(" of ")[0]) == before.points
            said[name, part] = replace(before, reason="" if before.passed else reason)
    return said, sums, unfinished


def test_pages_json_csv_and_junit_say_the_same(outputs: Path) -> None:
    said, sums, unfinished = pages(outputs)
    assert set(said) == {(record.submission, record.part) for record in CLASS}
    assert {said_of.status for said_of in said.values()} == set(STATUS.values())

    document = json.loads((outputs / "summary.json").read_text())
    entries = {(s["id"], e["part"]): e for s in document["submissions"] for e in s["entries"]}
    assert said == {
        key: Said(e["status"], rank_text(e["rank"]), e["points"], e["passed"], e["reason"] or "")
        for key, e in entries.items()
    }
    assert sums == {s["id"]: Sum(s["points"], s["max_points"]) for s in document["submissions"]}
    assert unfinished == {s["id"] for s in document["submissions"] if not s["complete"]}

    with (outputs / csv_export.FILE).open(encoding="utf-8", newline="") as file:
        rows = {(row["submission"], row["part"]): row for row in csv.DictReader(file)}
    assert said == {
        key: Said(
            row["status"],
            rank_text((int(row["rank_low"]), int(row["rank_high"]))) if row["rank_low"] else "",
            number(row["points"]),
            row["passed"] == "true",
            "" if row["passed"] == "true" else row["failure_message"] or row["explanation"],
        )
        for key, row in rows.items()
    }

    found: dict[tuple[str, str], Said] = {}
    outcome = {None: True, "failure": False, "error": False, "skipped": False}
    for suite in ElementTree.parse(outputs / junit.FILE).getroot():
        kept = {p.get("name"): p.get("value", "") for p in suite.findall("properties/property")}
        assert sums[suite.get("name", "")] == Sum(number(kept.get("points", "")), float(kept["max_points"]))
        results = [case.find(kind) is not None for case in suite.findall("testcase") for kind in ("skipped",)]
        assert suite.get("skipped") == str(sum(results))
        for case in suite.findall("testcase"):
            values = {p.get("name"): p.get("value", "") for p in case.findall("properties/property")}
            result = next((child for child in case if child.tag != "properties"), None)
            found[suite.get("name", ""), case.get("name", "")] = Said(
                values["status"],
                values.get("rank", ""),
                number(values.get("points", "")),
                outcome[None if result is None else result.tag],
                "" if result is None else result.get("message", ""),
            )
            tag = {"failed": "failure", "not-gradable": "error", "not-handed-in": "skipped"}.get(values["status"])
            assert tag is None or (result is not None and result.tag == tag)
    assert said == found


def test_ranks_and_totals_are_those_worked_out_by_hand(outputs: Path) -> None:
    said, sums, unfinished = pages(outputs)
    ranks = {name: said[name, "cvae"].rank for name in TOTALS}
    assert ranks == {
        "s01": "1", "s02": "4–5", "s03": "4–5", "s04": "2", "s05": "6", "s06": "3", "s07": "", "s08": "", "s09": "",
        "s10": "", "s11": "", "s12": "",
    }  # fmt: skip
    assert sums == {name: Sum(points, 60.0) for name, points in TOTALS.items()}
    assert unfinished == OPEN


def test_each_tile_counts_parts_and_the_outcomes_make_all(outputs: Path) -> None:
    tiles = with_class(parsed(outputs / "index.html"), "tiles")[0]
    shown = {text(with_class(tile, "label")[0]): int(text(tile.find("strong"))) for tile in tiles}
    assert shown == {
        "parts": len(CLASS), "passed": 12, "missed the mark": 6, "failed": 8, "not handed in": 10, "not gradable": 6,
        "without a mark": 1,
    }  # fmt: skip
    assert sum(shown.values()) == 2 * len(CLASS)
    assert text(with_class(tiles[0], "note")[0]) == "of 12 submissions"


def test_the_lines_that_would_hand_a_part_in_can_be_copied(outputs: Path) -> None:
    page = parsed(outputs / "submissions" / page_name("s09"))
    copied = ["".join(pre.itertext()) for pre in page.iter("pre")]
    assert copied == [LINES.replace("cgan", part) for part in PARTS]
    assert not list(page.iter("details"))
    assert not with_class(page, "receipt")


def test_a_borderline_verdict_says_so_everywhere(tmp_path: Path) -> None:
    record = given("s01", "cvae", 0.985)
    metric = replace(record.metrics["accuracy"], by_member=(0.9712, 0.9931))
    assert record.score is not None
    score = replace(record.score, borderline=True)
    records = [replace(record, metrics={"accuracy": metric}, score=score), given("s02", "cvae", 0.98)]
    render(records, tmp_path, tmp_path)
    (row, other) = (
        r
        for r in with_class(parsed(tmp_path / "index.html"), "board", "table")[0].iter("tr")
        if r.find("th/a") is not None
    )
    assert "Passed, borderline" in text(row) and "borderline" not in text(other)
    page = parsed(tmp_path / "submissions" / page_name("s01"))
    assert "Passed, borderline" in text(page)
    assert "by single members of the judge 97.12 – 99.31 %" in text(page).replace("\u202f", " ")
    first, second = csv.DictReader(csv_export.write(records, tmp_path).open(encoding="utf-8"))
    assert [first[name] for name in ("borderline", "lowest_member", "highest_member")] == ["true", "0.9712", "0.9931"]
    assert [second[name] for name in ("borderline", "lowest_member", "highest_member")] == ["", "", ""]
    written = junit.write(records, tmp_path).read_text(encoding="utf-8")
    assert written.count('name="borderline" value="true"') == 1
    data: Any = SimpleNamespace(name="mnist", digest="5f" * 32)
    entries = [s["entries"][0] for s in summary(records, SHEET, data, "full", 1.0)["submissions"]]
    assert [e["borderline"] for e in entries] == [True, False]
    assert entries[0]["metrics"]["accuracy"]["by_member"] == [0.9712, 0.9931]


def test_a_gate_that_shut_stands_beside_a_full_score(tmp_path: Path) -> None:
    record = given("s01", "cvae", 0.998)
    score = Score(0.0, 20.0, False, "The condition diversity does not hold: no points.", shut=("diversity",))
    shut = replace(record, score=score)
    render([shut], tmp_path, tmp_path)
    for page in ("index.html", f"submissions/{page_name('s01')}"):
        chips = [text(chip) for chip in with_class(parsed(tmp_path / page), "chip")]
        assert "Gate shut: diversity" in chips
        assert "Mark missed" not in chips
    table = Console(file=StringIO(), width=80)
    table.print(results_table([shut]))
    assert "gate shut" in table.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above


def test_options_that_were_tried_stand_on_the_page(tmp_path: Path) -> None:
    tried = (
        Tried({"concat_activation": "relu", "steps": "5"}, 0.9912, chosen=True),
        Tried({"concat_activation": "none", "steps": "5"}, 0.4105),
        Tried({"concat_activation": "none", "steps": "9"}, None),
    )
    record = replace(given("s01", "cvae", 0.99), tried=tried)
    render([record, given("s02", "cvae", 0.98)], tmp_path, tmp_path)
    page = parsed(tmp_path / "submissions" / page_name("s01"))
    (table,) = with_class(page, "tried", "table")
    assert [[text(cell) for cell in row] for row in table.iter("tr")] == [
        ["concat_activation", "steps", "Accuracy", "Choice"],
        ["relu", "5", "99.12 %", "graded"],
        ["none", "5", "41.05 %", ""],
        ["none", "9", "could not be asked", ""],
    ]
    assert "Options tried" in [text(heading) for heading in page.iter("h3")]
    assert not with_class(parsed(tmp_path / "submissions" / page_name("s02")), "tried")
