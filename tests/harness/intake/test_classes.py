"""Tests of folders and archives that hold a class."""

from __future__ import annotations

from pathlib import Path

from tests.harness.intake.handed_in import collect, team, write, zipped


def test_a_class_in_a_folder(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    write(hall / "bob", team("Bob"))
    write(hall / "carol" / "work", team("Carol"))
    write(hall / "empty", {"report.pdf": b"%PDF"})
    write(hall, {"alice.zip": zipped(team("Alice")), "grades.csv": "a,b"})
    found = collect(tmp_path, hall)
    assert [(one.id, one.name) for one in found] == [
        ("alice", "Alice"),
        ("bob", "Bob"),
        ("carol", "Carol"),
        ("empty", "empty"),
    ]
    assert [one.failure is None for one in found] == [True, True, True, False]
    assert found[3].failure is not None and "report.pdf" in found[3].failure.message


def test_a_report_beside_the_folder_of_code(tmp_path: Path) -> None:
    inner = {"report.pdf": b"%PDF"} | {f"code/{name}": content for name, content in team().items()}
    (alone,) = collect(tmp_path, write(tmp_path, {"eve.zip": zipped(inner)}) / "eve.zip")
    assert (alone.id, alone.failure) == ("eve", None)
    found = collect(tmp_path, write(tmp_path / "class", {"eve.zip": zipped(inner), "bob.zip": zipped(team())}))
    assert [(one.id, one.failure) for one in found] == [("bob", None), ("eve", None)]


def test_a_class_in_a_zip_in_a_wrapper(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"class/zoe.zip": zipped(team("Zoe"))}
    files |= {f"class/yan/{name}": content for name, content in team("Yan").items()}
    found = collect(tmp_path, write(tmp_path, {"all.zip": zipped(files)}) / "all.zip")
    assert [(one.id, one.name, one.failure) for one in found] == [("yan", "Yan", None), ("zoe", "Zoe", None)]


def test_an_archive_in_an_archive_of_a_class_is_read_and_one_in_that_is_not(tmp_path: Path) -> None:
    inner = zipped({"deeper.zip": zipped(team())})
    everybody = {"a.zip": inner, "b.zip": zipped(team()), "c.zip": zipped({"x.zip": inner})}
    found = collect(tmp_path, write(tmp_path, {"all.zip": zipped(everybody)}) / "all.zip")
    assert [one.id for one in found] == ["a", "b", "c"]
    assert found[0].failure is None and "deeper.zip" in found[0].notes[0]
    assert found[1].failure is None and found[1].notes == ()
    assert found[2].failure is not None and found[2].failure.kind == "nested-archives"
    assert "x.zip" in found[2].failure.message and "deeper.zip" in found[2].failure.message


def test_folders_of_a_similar_name_are_no_export(tmp_path: Path) -> None:
    write(tmp_path / "class" / "submission_1", team())
    write(tmp_path / "class" / "run_2024_01_final", team())
    assert [one.id for one in collect(tmp_path, tmp_path / "class")] == ["run_2024_01_final", "submission_1"]
