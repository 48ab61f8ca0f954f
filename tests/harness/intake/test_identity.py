"""Tests of the ids of submissions."""

from __future__ import annotations

from pathlib import Path

from harness import intake
from tests.harness.intake.handed_in import collect, team, write


def test_an_id_that_several_claim_is_nobodys(tmp_path: Path) -> None:
    toml = '[submission]\nid = "Same"\n[[entry]]\ntask = "conditional-generation"\noutputs = "a.pt"\n'
    for name in ("c", "a", "b"):
        write(tmp_path / "class" / name, {"submission.toml": toml.replace("Same", "same" if name == "b" else "Same")})
    found = collect(tmp_path, tmp_path / "class")
    assert [(one.root.name, one.id) for one in found] == [("a", "a"), ("b", "b"), ("c", "c")]
    assert all("claimed by several" in one.notes[-1] for one in found)


def test_an_id_belongs_to_the_folder_of_that_name(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    for folder, claimed in (("aaa", "bb"), ("bb", None), ("cc", "dd")):
        place = hall / folder
        place.mkdir(parents=True)
        identity = f'id = "{claimed}"\n' if claimed else ""
        (place / "submission.toml").write_text(
            f'[submission]\nname = "{folder}"\n{identity}\n[[entry]]\ntask = "conditional-generation"\n'
            'part = "cvae"\noutputs = "o.npz"\n',
            encoding="utf-8",
        )
    work = tmp_path / "work"
    work.mkdir()
    found = intake.collect([hall], work, tasks=["conditional-generation"], models={})
    assert [(s.id, s.name) for s in found] == [("aaa", "aaa"), ("bb", "bb"), ("dd", "cc")]
    assert any("belongs to another" in note for note in found[0].notes)


def test_ids_that_begin_like_a_baselines_are_ordinary(tmp_path: Path) -> None:
    write(tmp_path / "class" / "house-ridge", team())
    write(tmp_path / "class" / "HOUSE-cvae", team())
    found = collect(tmp_path, tmp_path / "class")
    assert [(one.id, one.notes, one.failure) for one in found] == [
        ("HOUSE-cvae", (), None),
        ("house-ridge", (), None),
    ]
