"""SECURITY.md says what the tests' marks say, and a page that says anything else is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.cases import CASES
from tests.hostile.marks import Proof, proofs
from tests.hostile.page import PAGE, ROOT, Seen, faults, tables, write

HERE = "tests/hostile/test_security_page.py"
SECTION = "Scores"
PROOF = Proof(SECTION, "NaN", HERE, "test_the_page_is_what_the_marks_say")
SEEN: Seen = {(SECTION, "NaN"): {("full", "root"), ("reduced", "root"), ("", "unprivileged")}}


def page(folder: Path, seen: Seen, marks: list[Proof]) -> str:
    path = folder / "SECURITY.md"
    text = PAGE.read_text(encoding="utf-8")
    path.write_text(text)
    write(seen, marks, path)
    assert path.read_text().splitlines()[0] == text.splitlines()[0]
    return path.read_text(encoding="utf-8")


def test_the_page_is_what_the_marks_say() -> None:
    assert list(faults(PAGE.read_text(encoding="utf-8"), proofs())) == []


def test_every_link_above_the_tables_leads_somewhere() -> None:
    above = PAGE.read_text(encoding="utf-8").partition("<!-- tables")[0]
    links = [part.partition(")")[0] for part in above.split("](")[1:]]
    assert links
    assert all((ROOT / link).is_file() for link in links if not link.startswith("http"))


def test_marks_are_found_with_their_functions(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_a.py").write_text(
        "import pytest\n"
        '@pytest.mark.corpus("S", "one", "a")\n'
        '@pytest.mark.parametrize("x", ["a"])\n'
        '@pytest.mark.corpus("S", "two")\n'
        "def test_it(x):\n    pass\n"
        "def test_other():\n    pass\n"
    )
    assert proofs(folder) == [
        Proof("S", "one", "tests/test_a.py", "test_it"),
        Proof("S", "two", "tests/test_a.py", "test_it"),
    ]


def test_a_row_names_levels_users_and_tests(tmp_path: Path) -> None:
    text = page(tmp_path, SEEN, [PROOF])
    link = f"[{PROOF.test}]({HERE})"
    assert f"| NaN | {CASES[SECTION]['NaN']} | full, reduced, no worker | root, unprivileged | {link} |" in text
    assert f"| infinity | {CASES[SECTION]['infinity']} | **not tested** | – | – |" in text
    assert list(faults(text, [PROOF])) == []
    assert tables(SEEN, [PROOF]) in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("| infinity |", "| infinities |", "the page lacks ('Scores', 'infinity')"),
        (f"({HERE})", "(tests/test_gone.py)", "there is no test test_the_page"),
        (f"[{PROOF.test}]", "[test_gone]", "there is no test test_gone"),
        (f"[{PROOF.test}]({HERE})", "–", "tested at"),
        ("full, reduced, no worker", "**not tested**", "tested at"),
        ("full, reduced, no worker", "everywhere", "unknown levels"),
        ("root, unprivileged", "everybody", "unknown users"),
        (CASES[SECTION]["NaN"], "all is well", "the outcome differs"),
    ],
)
def test_a_page_that_differs_is_found_out(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = page(tmp_path, SEEN, [PROOF])
    assert old in text
    assert any(said in fault for fault in faults(text.replace(old, new), [PROOF]))


def test_marks_that_the_page_does_not_know_are_found_out(tmp_path: Path) -> None:
    text = page(tmp_path, SEEN, [PROOF])
    more = [PROOF, Proof(SECTION, "infinity", HERE, PROOF.test), Proof(SECTION, "no such case", HERE, PROOF.test)]
    found = list(faults(text, more))
    assert len(found) == 2
    assert any("infinity: the page names –" in fault for fault in found)
    assert any("'no such case' of 'Scores', which cases.py lacks" in fault for fault in found)
