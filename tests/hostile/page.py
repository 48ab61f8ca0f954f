"""The tables of SECURITY.md: what is written between its markers, and what differs from the tests' marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.hostile.cases import CASES
from tests.hostile.marks import ROOT, Proof

PAGE = ROOT / "SECURITY.md"
BEGIN, END = "<!-- tables: written by python -m tests.hostile.table -->", "<!-- end of the tables -->"
PLACES = {"full": "full", "reduced": "reduced", "": "no worker"}
"""Where a case was tested, in the tables' words."""
USERS = ("root", "unprivileged")
NOT_TESTED = "**not tested**"
_HEAD = ("Case", "Outcome", "Tested at", "As", "Tests")

Seen = dict[tuple[str, str], set[tuple[str, str]]]
"""Levels and users under which tests of a case have passed, by section and case."""


def _links(case: tuple[str, str], proofs: Iterable[Proof]) -> str:
    tests = dict.fromkeys((one.path, one.test) for one in proofs if (one.section, one.case) == case)
    return ", ".join(f"[{test}]({path})" for path, test in sorted(tests))


def tables(seen: Seen, proofs: list[Proof]) -> str:
    """All tables, with what was seen of each case."""
    lines = []
    for section, cases in CASES.items():
        lines += [f"### {section}", "", f"| {' | '.join(_HEAD)} |", "|" + " --- |" * len(_HEAD)]
        for case, outcome in cases.items():
            found = seen.get((section, case), set())
            levels = ", ".join(word for level, word in PLACES.items() if level in {one for one, _ in found})
            users = ", ".join(user for user in USERS if user in {one for _, one in found})
            row = (case, outcome, levels or NOT_TESTED, users or "–", _links((section, case), proofs) or "–")
            lines.append(f"| {' | '.join(row)} |")
        lines.append("")
    return "\n".join(lines)


def within(text: str) -> str:
    """The part of the page between the markers; ValueError where they are missing."""
    found = re.search(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", text, re.DOTALL)
    if found is None:
        raise ValueError(f"the page has no markers: {BEGIN} … {END}")
    return found[1]


def write(seen: Seen, proofs: list[Proof], path: Path = PAGE) -> None:
    """Put the tables between the page's markers."""
    text = path.read_text(encoding="utf-8")
    within(text)
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n\n{tables(seen, proofs)}\n{END}{after}", encoding="utf-8")


def faults(text: str, proofs: list[Proof], root: Path = ROOT) -> Iterator[str]:
    """Every difference between a page and the tests' marks, as a sentence; nothing is run."""
    known = {(section, case) for section, cases in CASES.items() for case in cases}
    for one in proofs:
        if (one.section, one.case) not in known:
            yield f"{one.path}: {one.test} is marked with {one.case!r} of {one.section!r}, which cases.py lacks"
    rows, section = {}, ""
    for line in within(text).splitlines():
        if line.startswith("### "):
            section = line[4:]
        elif line.startswith("| ") and not line.startswith((f"| {_HEAD[0]} |", "| ---")):
            case, *cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
            rows[section, case] = cells
    for key in known - set(rows):
        yield f"the page lacks {key}"
    for (section, case), cells in rows.items():
        if (section, case) not in known:
            yield f"the page has {case!r} of {section!r}, which cases.py lacks"
            continue
        outcome, levels, users, tests = cells
        if outcome != CASES[section][case]:
            yield f"{case}: the outcome differs from that in cases.py"
        for test, path in re.findall(r"\[(\w+)\]\(([^)]+)\)", tests):
            if not (root / path).is_file() or f"def {test}(" not in (root / path).read_text(encoding="utf-8"):
                yield f"{case}: there is no test {test} in {path}"
        if tests != (_links((section, case), proofs) or "–"):
            yield f"{case}: the page names {tests}; the marks say {_links((section, case), proofs) or 'no test'}"
        if (levels == NOT_TESTED) != (users == "–") or (tests == "–" and levels != NOT_TESTED):
            yield f"{case}: tested at {levels!r} as {users!r} by {tests!r}"
        if levels != NOT_TESTED and not set(levels.split(", ")) <= set(PLACES.values()):
            yield f"{case}: unknown levels {levels!r}"
        if users != "–" and not set(users.split(", ")) <= set(USERS):
            yield f"{case}: unknown users {users!r}"
