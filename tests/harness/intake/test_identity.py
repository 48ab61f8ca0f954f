"""Tests of the ids of submissions."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import intake
from tests.harness.intake.handed_in import collect, team, write, zipped


@pytest.mark.corpus("Results folder", "a manifest's id that is another student's")
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


def claiming(identifier: str, name: str = "X") -> dict[str, str | bytes]:
    return {name_: content.replace("[submission]", f'[submission]\nid = "{identifier}"') if isinstance(content, str)
            else content for name_, content in team(name).items()}  # fmt: skip


@pytest.mark.corpus("Results folder", "a manifest's id that is another student's")
def test_a_claim_never_takes_the_id_of_another_place(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    write(hall / "aaa-mallory", claiming("ALICE", "Mallory"))
    write(hall, {"alice.zip": zipped(team("Alice")), "bob.rar": b"Rar!\x1a\x07"})
    write(hall / "carl", claiming("bob"))
    found = collect(tmp_path, hall)
    assert [(one.id, one.name) for one in found] == [
        ("aaa-mallory", "Mallory"),
        ("alice", "Alice"),
        ("bob", "bob"),
        ("carl", "X"),
    ]
    assert all("belongs to another" in found[n].notes[-1] for n in (0, 3))


def test_a_claim_that_nobody_else_makes_stands(tmp_path: Path) -> None:
    write(tmp_path / "class" / "ada", claiming("s1234567"))
    write(tmp_path / "class" / "bob", claiming("bob"))
    ada, bob = collect(tmp_path, tmp_path / "class")
    assert (ada.id, ada.folder_id, ada.place.partition("/")[2], ada.notes) == ("s1234567", "ada", "ada", ())
    assert (bob.id, bob.folder_id, bob.notes) == ("bob", "bob", ())


def test_no_manifest_names_itself_where_a_platform_does(tmp_path: Path) -> None:
    write(tmp_path / "export" / "Ada_1001_assignsubmission_file", team("Ada"))
    write(tmp_path / "export" / "Mal_1002_assignsubmission_file", claiming("1001", "Ada"))
    ada, mal = collect(tmp_path, tmp_path / "export")
    assert [(one.id, one.name, one.place) for one in (ada, mal)] == [
        ("1001", "Ada", "moodle:1001"),
        ("1002", "Mal", "moodle:1002"),
    ]
    assert sum("gives way to the platform's" in note for note in mal.notes) == 2


def test_places_that_give_one_id_both_fall_back(tmp_path: Path) -> None:
    write(tmp_path / "s1" / "ada", team("One"))
    write(tmp_path / "s1" / "eve", team())
    write(tmp_path / "s2" / "Ada", team("Two"))
    write(tmp_path / "s2" / "eva", team())
    found = collect(tmp_path, tmp_path / "s1", tmp_path / "s2")
    (one, eve, two, eva) = found
    assert (eve.id, eva.id) == ("eve", "eva")
    assert one.id.startswith("ada-") and two.id.startswith("Ada-") and one.id.casefold() != two.id.casefold()
    assert "after its place" in one.notes[-1] and "after its place" in two.notes[-1]
    # The ids are the same in whatever order and company they come.
    assert {s.id for s in collect(tmp_path, tmp_path / "s2", tmp_path / "s1")} == {s.id for s in found}
    assert one.place != two.place


def test_seats_of_two_platforms_with_one_number(tmp_path: Path) -> None:
    write(tmp_path / "moodle" / "Ada_7_assignsubmission_file", team())
    write(tmp_path / "canvas", {"bob_7_90001_hw3.zip": zipped(team())})
    found = collect(tmp_path, tmp_path / "moodle", tmp_path / "canvas")
    assert {(one.id, one.place) for one in found} == {("moodle-7", "moodle:7"), ("canvas-7", "canvas:7")}


def test_one_seat_in_two_exports_is_two_rows(tmp_path: Path) -> None:
    for export in ("a", "b"):
        write(tmp_path / export / "Ada_7_assignsubmission_file", team())
    found = collect(tmp_path, tmp_path / "a", tmp_path / "b")
    assert len({one.id for one in found}) == len({one.place for one in found}) == 2
    assert "by another path" in found[1].notes[-2]


def test_a_place_is_the_same_for_a_folder_and_its_archive_of_one_class(tmp_path: Path) -> None:
    hall = write(tmp_path / "hall", {"ada.zip": zipped(team()), "bob.zip": zipped(team())})
    before = [one.place for one in collect(tmp_path, hall)]
    (hall / "ada.zip").unlink()
    write(hall / "ada", team())
    assert [one.place for one in collect(tmp_path, hall)] == before
    (alone,) = collect(tmp_path, hall / "bob.zip")
    assert alone.place == before[1]
    other = write(tmp_path / "other", {"ada.zip": zipped(team()), "bob.zip": zipped(team())})
    assert not {one.place for one in collect(tmp_path, other)} & set(before)


def test_names_that_are_one_in_an_id_stay_apart(tmp_path: Path) -> None:
    hall = tmp_path / "hall"
    for name in ("Jörg", "Jorg", "jorg.zip"):
        if name.endswith(".zip"):
            write(hall, {name: zipped(team())})
        else:
            write(hall / name, team())
    found = collect(tmp_path, hall)
    assert len({one.id.casefold() for one in found}) == len({one.place for one in found}) == 3
