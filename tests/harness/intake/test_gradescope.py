"""Tests of Gradescope's exports."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from harness import intake
from tests.harness.intake.handed_in import MODELS, TASKS, TOML, collect, team, write, zipped


def test_an_export_of_gradescope(tmp_path: Path) -> None:
    metadata = """---
submission_77:
  :submitters:
  - :name: Ada Lovelace
    :sid: '1'
    :email: a@example.org
  - :name: "Emmy \\e[31mNoether"
    :sid: '2'
  :created_at: 2024-01-01
submission_78:
  :submitters:
  - :name: Carl Gauss
"""
    files: dict[str, str | bytes] = {"assignment_5/submission_metadata.yml": metadata}
    plain = TOML.partition("\n")[2].partition("\n")[2]
    for number in (77, 78):
        files |= {f"assignment_5/submission_{number}/submission.toml": plain}
        files |= {f"assignment_5/submission_{number}/best.pt": b"x"}
    found = collect(tmp_path, write(tmp_path, {"e.zip": zipped(files)}) / "e.zip")
    assert [(one.id, one.name) for one in found] == [
        ("77", "Ada Lovelace & Emmy Noether"),
        ("78", "Carl Gauss"),
    ]


METADATA = r"""---
submission_77:
  :submitters:
  - :name: 'Conan O''Brien'
    :sid: 'A1'
    :email: c@example.org
  :created_at: 2024-01-01 00:00:00.000000000 Z
  :score: 1.0
submission_78:
  :submitters:
  - :name: "J\u00F6rg \"Joe\" M"
    :sid: '2'
  - :sid: '3'
    :name: Z Last
submission_79:
  :submitters: &2
  - :name: &1 Amy Dup
submission_80:
  :submitters: []
submission_81:
  :submitters: *2
submission_82:
  :submitters:
  - :name: *1
  - :name: ~
    :sid: 0012
"""


def test_metadata_are_read_as_yaml(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"submission_metadata.yml": METADATA}
    files |= {f"submission_{n}/{name}": data for n in range(77, 82) for name, data in team().items()}
    files |= {"submission_90/report.pdf": ""}
    found = collect(tmp_path, write(tmp_path / "export", files))
    assert [(one.id, one.name, one.place[:13]) for one in found[:6]] == [
        ("77", "Conan O'Brien", "gradescope:77"),
        ("78", 'Jörg "Joe" M & Z Last', "gradescope:78"),
        ("79", "Amy Dup", "gradescope:79"),
        ("80", "submission_80", "gradescope:80"),
        ("81", "Amy Dup", "gradescope:81"),
        ("82", "Amy Dup & ~", "gradescope:82"),
    ]
    # Listed without a folder, and a folder that is not listed: both have a row.
    assert found[5].failure is not None and found[5].failure.kind == "nothing-handed-in"
    assert found[6].id == "submission_90" and found[6].failure is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested"),
        ("submission_1:\n  :submitters:\n  - :name: *nobody\n", "alias"),
        ("a: b: c", "not YAML"),
        ("x" * (17 << 20), "too large"),
        ("\x00\x01", "not YAML"),
    ],
)
def test_metadata_that_cant_be_read_leave_folders_as_seats(tmp_path: Path, text: str, words: str) -> None:
    export = write(tmp_path / "export", {"submission_metadata.yml": text, "submission_1/x.pdf": ""})
    write(export / "submission_2", team())
    notes: list[str] = []
    (tmp_path / "work").mkdir()
    found = intake.collect([export], tmp_path / "work", tasks=TASKS, models=MODELS, on_note=notes.append)
    assert [(one.id, one.failure is None) for one in found] == [("submission_1", False), ("submission_2", True)]
    assert words in notes[0] and "after their folders" in notes[0]


def test_metadata_construct_nothing(tmp_path: Path) -> None:
    laughs = "a: &a [x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in pairwise("abcdefghijkl"))
    merged = "p: &p {':name': x}\nq: &q {<<: [*p, *p]}\n"
    text = f"{laughs}{merged}submission_1:\n  :submitters: *l\nsubmission_2:\n  :submitters:\n"
    text += "  - :name: !!python/object/apply:os.system ['touch evil']\n  - {<<: *q}\n  - :name: Ada\n"
    export = write(tmp_path / "export", {"submission_metadata.yml": text})
    write(export / "submission_2", team())
    found = collect(tmp_path, export)
    assert [(one.id, one.name) for one in found] == [("1", "submission_1"), ("2", "Ada")]
    assert not Path("evil").exists()
