"""JUnit XML, for CI: one testsuite a submission, one testcase a part. Baselines and reference models are left out.

`failure` is a part below its pass mark (an earlier state of a model has none), one that is held (of the type "held",
with the reason and without points) or a submission at fault, `error` one that could not be graded, `skipped` one that
was not handed in. Properties of a testcase are its status, state and decision, rank ("2–5"), "borderline" where single
members of the judge disagree about the pass mark, points, metrics ("metric.accuracy") and time
("timing.times_reference"); properties of a testsuite the submission's points so far and the full marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from harness.files import write_atomically
from harness.numbers import finite
from harness.ranking.intervals import Rank, rank_text
from harness.totals import earned, reason
from harness.types import HELD, Record, Status
from reports.common import ranks
from reports.exports.grades import DEFAULTS, Options, exportable
from reports.leaderboard import places, totals
from reports.teams import joined

FILE = "junit.xml"
SEEN_BY_STUDENTS = False
"""A class's file is for the instructor's own CI."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(records: Sequence[Record], folder: Path, results: Path | None = None, options: Options = DEFAULTS) -> Path:
    """Write the class's records to junit.xml in `folder`; characters that XML can't hold are dropped.

    `results` is the folder that holds the scores beside the records, by which they rank.
    """
    path = options.path(folder, FILE)
    write_file(records, path, results, options)
    return path


def write_file(records: Sequence[Record], path: Path, results: Path | None = None, options: Options = DEFAULTS) -> None:
    """`write` to a file of any name. Replaces it in one step; raises `OSError` if it can't be written."""
    class_ = joined([record for record in records if ranks(record)], options.teams, options.tell)
    of_entries, records = places(class_.records, results), class_.of_members
    # A team is ranked once, and its place is that of each member.
    placed = {
        (own.submission, own.part): of_entries.get((record.submission, record.part))
        for record in class_.records
        for own in class_.each(record)
    }
    sums = {row["submission"]: row for row in totals(records).to_dict("records")}
    root = ElementTree.Element("testsuites", name="gradebench")
    for submission in sorted({record.submission for record in records}):
        own = [record for record in records if record.submission == submission]
        kinds = [_kind(record) for record in own]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_text(submission),
            tests=str(len(own)),
            failures=str(kinds.count("failure")),
            errors=str(kinds.count("error")),
            skipped=str(kinds.count("skipped")),
        )
        if submission in sums:
            _properties(suite, {name: finite(sums[submission][name]) for name in ("points", "max_points")})
        for record in own:
            _case(suite, record, placed[record.submission, record.part], options)
    ElementTree.indent(root)
    write_atomically(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _case(suite: ElementTree.Element, record: Record, rank: Rank | None, options: Options) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"{record.assignment}.{record.submission}"),
        name=_text(record.part),
        time=f"{sum(record.timings.values()):.3f}",
    )
    _properties(
        case,
        {
            "status": record.status.value,
            "state": record.state,
            "decision": record.decision.verdict if record.decision is not None else None,
            "rank": rank_text(rank) or None,
            "borderline": "true" if record.score is not None and record.score.borderline else None,
            "points": earned(record) if exportable(record) or options.open_as_number else None,
            "max_points": finite(record.score.max_points) if record.score is not None else None,
            **{f"metric.{name}": str(metric.value) for name, metric in record.metrics.items()},
            **_timing(record),
        },
    )
    if kind := _kind(record):
        detail = record.failure.detail if record.failure is not None else ""
        failure = ElementTree.SubElement(case, kind, message=_text(reason(record)))
        failure.text = _text(detail)
        if record.held:
            failure.set("type", HELD)


def _timing(record: Record) -> dict[str, object]:
    """Properties of a model's time: "timing.status", "timing.reason", and its metrics with the ratio's interval."""
    timing = record.timing
    if timing is None:
        return {}
    values = {f"timing.{name}": str(metric.value) for name, metric in timing.metrics.items()}
    ratio = timing.metrics.get("times_reference")
    if ratio is not None:
        values |= {"timing.times_reference.low": str(ratio.low), "timing.times_reference.high": str(ratio.high)}
    return {"timing.status": timing.status, "timing.reason": timing.reason or None, **values}


def _properties(element: ElementTree.Element, values: Mapping[str, object]) -> None:
    """Write properties; those that are None are left out."""
    properties = ElementTree.SubElement(element, "properties")
    for name, value in values.items():
        if value is not None:
            ElementTree.SubElement(properties, "property", name=_text(name), value=_text(str(value)))


def _kind(record: Record) -> str | None:
    if record.decision is not None or record.held:
        return None if record.score is not None and record.score.passed and not record.held else "failure"
    if record.status is Status.NOT_GRADABLE:
        return "error"
    if record.status is Status.NOT_HANDED_IN:
        return "skipped"
    if record.status is Status.FAILED or record.score is None:
        return "failure"
    if not record.score.passed and not record.earlier_of:
        return "failure"
    return None


def _text(value: str) -> str:
    return _NOT_XML.sub("", value)[:10_000]
