"""Tests that nobody of a class vanishes, whatever was handed in."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import intake
from harness.intake import regular_files
from harness.intake.archives import Limits
from harness.types import Submission
from tests.harness.intake.handed_in import MODELS, TASKS, TOML, collect, team, write, zipped


def tar(files: dict[str, str | bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


RAR, SEVEN_ZIP = b"Rar!\x1a\x07\x01\x00" + bytes(64), b"7z\xbc\xaf\x27\x1c" + bytes(64)
GOOD: dict[str, str | bytes] = {
    "ada.zip": zipped(team("Ada")),
    "ben.tar.gz": tar(team("Ben"), "w:gz"),
    "cid.tgz": tar(team("Cid"), "w:gz"),
    "dot.tar": tar(team("Dot"), "w"),
    **{f"eli/{name}": content for name, content in team("Eli").items()},
    **{f"fay/hw3/{name}": content for name, content in team("Fay").items()},
    **{f"gus/repo-main/hw3/{name}": content for name, content in team("Gus").items()},
    "gus/repo-main/README.md": "",
    "hal/hw3.zip": zipped({f"hw3/{name}": content for name, content in team("Hal").items()}),
    "ida/vae/best.pt": b"v",
    "jan.v2.zip": zipped(team("Jan")),
}
OTHER: dict[str, tuple[str | bytes, str]] = {
    "k01.rar": (RAR, "RAR"),
    "k02.7z": (SEVEN_ZIP, "7-Zip"),
    "k03.zip": (b"PK\x03\x04 cut off", "cut off"),
    "k04.zip": (b"", "empty"),
    "k05.zip.part": (b"PK\x03\x04", "k05.zip.part"),
    "k06.tar.zst": (b"\x28\xb5\x2f\xfd", "k06.tar.zst"),
    "k07.pt": (b"PK", "a checkpoint alone"),
    "k08.safetensors": (b"", "a checkpoint alone"),
    "k09.npz": (b"", "a checkpoint alone"),
    "k10.pdf": (b"%PDF", "a PDF document"),
    "k11.ipynb": ("{}", "a notebook"),
    "k12.html": ("<p>see my drive", "a web page"),
    "k13.url": ("[InternetShortcut]", "a link to a web page"),
    "k14.docx": (b"PK", "a Word document"),
    "k15.py": ("print()", "a Python file"),
    "k16.txt": ("sorry", "a text"),
    "k17.onnx": (b"", "an ONNX model"),
    "k18": (b"?", "a single file"),
    "k19.zip": (zipped({"a/deeper.zip": zipped({"deepest.zip": zipped(team())})}), "holds an archive again"),
    "k20.zip": (zipped({"hw3.ipynb": "{}"}), "a notebook"),
    "k21/report.pdf": ("", "report.pdf, a PDF document"),
    "k22/best.pt": (b"", 'checkpoint = "best.pt"'),
    "k23/hw3.rar": (RAR, "RAR"),
    "k24/only/one.ipynb": ("{}", "a notebook"),
    "k25/submission.toml": ("[[entry]\n", "TOML"),
    "k26/vae/vae.py": ("", "no checkpoint"),
    "k27.zip": (zipped({"../evil": ""}), "../evil"),
    "k28 (2)/notes.md": ("", "notes.md, a text"),
}
"""Hand-ins of other kinds, and words of the reason."""
SPECIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "s1": (lambda path: path.mkdir(), "nothing"),
    "s2": (lambda path: path.symlink_to("/etc"), "is a link"),
    "s3": (lambda path: os.mkfifo(path), "pipe"),
    "s4": (lambda path: (path / "empty" / "inside").mkdir(parents=True), "nothing"),
}
IDS = {"k28 (2)": "k28-2", "k18": "k18"}


def seat(name: str) -> str:
    """Return the id that a hand-in should have."""
    top = name.split("/")[0]
    return IDS.get(top, top if "/" in name else top.split(".")[0])


def check(found: list[Submission], special: bool = True) -> None:
    by_id = {one.id: one for one in found}
    good = {"jan.v2"} | {seat(name) for name in GOOD if not name.startswith("jan")}
    others = {seat(name): words for name, (_, words) in OTHER.items()}
    if special:
        others |= {name: words for name, (_, words) in SPECIAL.items()}
    assert set(by_id) == good | set(others) and len(found) == len(by_id)
    for identifier in good:
        assert by_id[identifier].failure is None, by_id[identifier].failure
    for identifier, words in others.items():
        failure = by_id[identifier].failure
        assert failure is not None and failure.fault == "submission", identifier
        assert words in failure.message, (identifier, failure.message)
        assert failure.stage == ("manifest" if identifier == "k25" else "intake")
    assert len({one.place for one in found}) == len(found)


def test_nobody_of_a_mixed_class_is_missing(tmp_path: Path) -> None:
    hall = write(tmp_path / "hall", GOOD | {name: content for name, (content, _) in OTHER.items()})
    for name, (make, _) in SPECIAL.items():
        make(hall / name)
    found = collect(tmp_path, hall)
    assert len(found) == 42
    check(found)
    for one in found:
        if one.failure is not None and one.failure.kind == "not-a-submission":
            assert "submission.toml" in one.failure.message


@pytest.mark.parametrize("wrapper", ["", "hall/"])
@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_nobody_of_a_mixed_class_in_an_archive_is_missing(tmp_path: Path, form: str, wrapper: str) -> None:
    files = {wrapper + name: content for name, content in GOOD.items()}
    files |= {wrapper + name: content for name, (content, _) in OTHER.items()}
    path = tmp_path / f"hall.{form}"
    path.write_bytes(zipped(files) if form == "zip" else tar(files, "w:gz"))
    check(collect(tmp_path, path), special=False)


@pytest.mark.parametrize("as_zip", [False, True])
def test_an_empty_folder_in_an_archive_is_a_seat(tmp_path: Path, as_zip: bool) -> None:
    path = write(tmp_path, {"all.zip": zipped({"ada.zip": zipped(team()), "bob/": ""})}) / "all.zip"
    if not as_zip:
        (path := tmp_path / "all").mkdir()
        write(path, {"ada.zip": zipped(team())})
        (path / "bob").mkdir()
    assert [one.id for one in collect(tmp_path, path)] == ["ada", "bob"]


def test_a_seat_whose_name_cant_be_written_is_a_failed_row(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("ada.zip", "bo\x1b[31mb.zip", "Icon\r"):
            archive.writestr(name, zipped(team()))
    found = collect(tmp_path, write(tmp_path, {"all.zip": buffer.getvalue()}) / "all.zip")
    assert [one.id for one in found] == ["ada", "bob"]
    assert found[1].failure is not None and found[1].failure.kind == "control-character"
    assert "\x1b" not in found[1].place + found[1].name + found[1].failure.message


def test_files_of_one_name_are_two_seats(tmp_path: Path) -> None:
    found = collect(tmp_path, write(tmp_path / "hall", {"ada.zip": zipped(team()), "ada.pdf": "", "bob.zip": b""}))
    assert [(one.id, one.failure is None) for one in found] == [("ada.pdf", False), ("ada.zip", True), ("bob", False)]


@pytest.mark.parametrize("folder", ["node_modules", "venv", ".venv", "env", ".git", "__MACOSX", "hw/env"])
def test_leftovers_of_tools_are_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setattr(regular_files, "LIMITS", Limits(files=10))
    place = write(tmp_path / "ada", team()) / folder / "lib"
    place.mkdir(parents=True)
    for number in range(1_050):
        (place / f"{number}.js").touch()
    (found,) = collect(tmp_path, tmp_path / "ada")
    assert found.failure is None
    assert found.notes == (f"Passed over: 1,050 files in {folder}.",)


def test_a_package_named_env_is_no_leftover(tmp_path: Path) -> None:
    files = {"env/__init__.py": "", "env/net.py": "", "Env/x.txt": "", **team()}
    (found,) = collect(tmp_path, write(tmp_path / "ada", {k: v for k, v in files.items() if not k.startswith("E")}))
    assert found.notes == () and len(intake.tree_digest(found)) == 64
    before = intake.tree_digest(found)
    (found.root / "env" / "net.py").write_text("changed")
    assert intake.tree_digest(found) != before


def test_leftovers_beside_the_seats_are_no_students(tmp_path: Path) -> None:
    hall = write(tmp_path / "hall", {"ada.zip": zipped(team()), "bob/x": "", "venv/a/b": "", "__MACOSX/._ada.zip": ""})
    write(hall, {"grades.csv": "", "assignment.toml": ""})
    notes: list[str] = []
    (tmp_path / "work").mkdir()
    found = intake.collect([hall], tmp_path / "work", tasks=TASKS, models=MODELS, on_note=notes.append)
    assert [one.id for one in found] == ["ada", "bob"]
    assert "__MACOSX/ (1 file), venv/ (1 file), assignment.toml, grades.csv" in notes[0]


def test_links_that_nothing_needs_are_one_note(tmp_path: Path) -> None:
    folder = write(tmp_path / "ada", team())
    for number in range(30):
        (folder / f"run-{number:02}").symlink_to("/nowhere")
    (folder / "loop").symlink_to("loop")
    (found,) = collect(tmp_path, folder)
    assert found.failure is None and len(found.notes) == 1
    assert "31 links (loop, run-00, run-01, run-02 and 27 more)" in found.notes[0]


def test_a_loop_of_links_in_a_class_is_a_failed_row(tmp_path: Path) -> None:
    hall = write(tmp_path / "hall", {"ada.zip": zipped(team()), "bob.zip": zipped(team())})
    (hall / "loop").symlink_to("loop")
    found = {one.id: one for one in collect(tmp_path, hall)}
    assert set(found) == {"ada", "bob", "loop"}
    assert found["loop"].failure is not None and found["loop"].failure.kind == "link"


def test_a_failed_row_is_not_digested_with_others_files(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"doe_1_90001_a.pt": b"1", "roe_2_90002_submission.toml": TOML.format("x")}
    files |= {"roe_2_90003_submission.toml": "[[entry]\n"}
    doe, roe = collect(tmp_path, write(tmp_path / "canvas", files))
    assert doe.failure is not None and roe.failure is not None
    assert doe.root != tmp_path / "canvas" and roe.root != tmp_path / "canvas"
