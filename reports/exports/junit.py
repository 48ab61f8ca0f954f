"""JUnit XML, for CI: one testsuite a submission, one testcase a part. Baselines and reference models are left out.

`failure` is a part below its pass mark (an earlier state of a model has none) or a submission at fault, `error` one
that could not be graded; metrics are properties of the testcase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from harness.files import write_atomically
from harness.types import Record, Status
from reports.common import ranks

FILE = "junit.xml"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(records: Sequence[Record], folder: Path) -> Path:
    """Write the class's records to junit.xml in `folder`; characters that XML can't hold are dropped."""
    write_file(records, folder / FILE)
    return folder / FILE


def write_file(records: Sequence[Record], path: Path) -> None:
    """`write` to a file of any name. Replaces it in one step; raises `OSError` if it can't be written."""
    records = [record for record in records if ranks(record)]
    root = ElementTree.Element("testsuites", name="gradebench")
    for submission in sorted({record.submission for record in records}):
        own = [record for record in records if record.submission == submission]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_text(submission),
            tests=str(len(own)),
            failures=str(sum(_kind(record) == "failure" for record in own)),
            errors=str(sum(_kind(record) == "error" for record in own)),
        )
        for record in own:
            _case(suite, record)
    ElementTree.indent(root)
    write_atomically(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _case(suite: ElementTree.Element, record: Record) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"{record.assignment}.{record.submission}"),
        name=_text(record.part),
        time=f"{sum(record.timings.values()):.3f}",
    )
    if record.metrics:
        properties = ElementTree.SubElement(case, "properties")
        for name, metric in record.metrics.items():
            ElementTree.SubElement(properties, "property", name=_text(name), value=str(metric.value))
    kind = _kind(record)
    if kind is not None:
        reason = record.failure.message if record.failure is not None else ""
        if not reason and record.score is not None:
            reason = record.score.explanation
        ElementTree.SubElement(case, kind, message=_text(reason)).text = _text(
            record.failure.detail if record.failure is not None else ""
        )


def _kind(record: Record) -> str | None:
    if record.status is Status.NOT_GRADABLE:
        return "error"
    if record.status is Status.FAILED or record.score is None:
        return "failure"
    if not record.score.passed and not record.earlier_of:
        return "failure"
    return None


def _text(value: str) -> str:
    return _NOT_XML.sub("", value)[:10_000]
