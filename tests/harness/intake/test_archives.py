"""Tests of the kinds of archives that are read, and of those that are refused by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import intake
from harness.intake.archives import is_archive, stem
from harness.types import Failure, GradingError
from tests.harness.intake.handed_in import collect, team, write, zipped

PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def tarred(files: Mapping[str, str | bytes], packed: str = "", links: Mapping[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return PACK[packed](buffer.getvalue()) if packed else buffer.getvalue()


def zip_with_links(files: Mapping[str, str | bytes], links: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO(zipped(files))
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return buffer.getvalue()


def failure(tmp_path: Path, name: str, content: bytes) -> Failure:
    (tmp_path / name).write_bytes(content)
    (found,) = collect(tmp_path, tmp_path / name)
    assert found.failure is not None and found.failure.fault == "submission"
    return found.failure


@pytest.mark.parametrize(
    ("suffix", "packed"),
    [(".tar.xz", "xz"), (".txz", "xz"), (".tar.bz2", "bz2"), (".tbz2", "bz2"), (".TAR.XZ", "xz"), (".zip", "xz")],
)
@pytest.mark.parametrize("wrapped", ["", "hw3/"])
def test_tars_of_every_compression(tmp_path: Path, suffix: str, packed: str, wrapped: str) -> None:
    content = tarred({wrapped + name: content for name, content in team().items()}, packed)
    (tmp_path / f"ada.lovelace{suffix}").write_bytes(content)
    (found,) = collect(tmp_path, tmp_path / f"ada.lovelace{suffix}")
    assert (found.id, found.failure, found.notes) == ("ada.lovelace", None, ())
    assert intake.open_file(found, "best.pt") == b"weights"


@pytest.mark.parametrize("packed", PACK)
def test_several_streams_and_padding_are_one_tar(tmp_path: Path, packed: str) -> None:
    """Parallel compressors write a stream for each block; tapes and xz pad with zeros."""
    whole = tarred(team("Gauss", bytes(range(256)) * 1000))
    pieces = [PACK[packed](whole[at : at + 50_000]) for at in range(0, len(whole), 50_000)]
    (tmp_path / "ada.tar.gz").write_bytes(b"".join(pieces) + bytes(512))
    (found,) = collect(tmp_path, tmp_path / "ada.tar.gz")
    assert found.failure is None and intake.open_file(found, "best.pt") == bytes(range(256)) * 1000


@pytest.mark.parametrize("packed", PACK)
def test_damaged_and_cut_off_streams(tmp_path: Path, packed: str) -> None:
    whole = tarred(team("Gauss", bytes(range(256)) * 1000), packed)
    for damaged in (whole[:-5], whole[: len(whole) // 2], whole[:12], whole + b"more", whole[:40] + whole[50:]):
        found = failure(tmp_path, "ada.tar.gz", damaged)
        assert found.kind == "damaged-archive" and "ada.tar.gz" in found.message and "Pack it anew" in found.message


def test_a_single_packed_file_is_no_tar(tmp_path: Path) -> None:
    found = failure(tmp_path, "ada.tar.xz", lzma.compress(bytes(range(256)) * 100))
    assert "what is packed has to be a tar" in found.message and "tar -czf" in found.message


@pytest.mark.parametrize(
    ("name", "head", "what"),
    [
        ("ada.rar", b"Rar!\x1a\x07\x01\x00", "a RAR file"),
        ("ada.7z", b"7z\xbc\xaf\x27\x1c", "a 7-Zip file"),
        ("ada.tar.zst", b"\x28\xb5\x2f\xfd", "packed by Zstandard"),
        ("ada.zip", b"Rar!\x1a\x07\x00", "a RAR file"),
        ("ada.zip", b"MZ\x90", "a Windows program"),
        ("ada.zip", b"\n<html>", "a web page"),
    ],
)
def test_other_kinds_are_named_with_what_to_do(tmp_path: Path, name: str, head: bytes, what: str) -> None:
    found = failure(tmp_path, name, head + bytes(64))
    assert found.kind == "not-an-archive"
    for words in (name, what, ".zip .tar", "zip -r hand-in.zip", "WinRAR"):
        assert words in found.message


def test_a_class_with_other_kinds_of_archives_has_a_row_for_each(tmp_path: Path) -> None:
    hall = {
        "ada.zip": zipped(team()),
        "bob.rar": b"Rar!\x1a\x07\x01\x00",
        "cy.7z": b"7z\xbc\xaf\x27\x1c",
        "dan.tar.xz": tarred(team(), "xz"),
        "eve.tbz2": tarred(team(), "bz2"),
    }
    found = {one.id: one.failure for one in collect(tmp_path, write(tmp_path / "class", hall))}
    assert list(found) == ["ada", "bob", "cy", "dan", "eve"]
    assert [name for name, one in found.items() if one is None] == ["ada", "dan", "eve"]


def test_names_of_archives() -> None:
    assert [stem(name) for name in ("a.tar.bz2", "a.b.7z", "A.RAR", "a.pt", "a.tar.zst")] == [
        "a",
        "a.b",
        "A",
        "a.pt",
        "a",
    ]
    assert is_archive("x.rar") and is_archive("x.TXZ") and not is_archive("x.xz") and not is_archive("x.pt")


@pytest.mark.corpus("Intake", "symlink to truth, in zip, tar and folder")
@pytest.mark.parametrize("form", ["zip", "tar", "tar.xz"])
def test_a_link_that_nothing_needs_is_passed_over_and_named(tmp_path: Path, form: str) -> None:
    links = {"hw3/wandb/latest-run": "run-1", "hw3/data": "/etc", "hw3/venv/bin/python": "/usr/bin/python3"}
    files = {f"hw3/{name}": content for name, content in team().items()}
    content = zip_with_links(files, links) if form == "zip" else tarred(files, form[4:], links)
    (tmp_path / f"ada.{form}").write_bytes(content)
    (found,) = collect(tmp_path, tmp_path / f"ada.{form}")
    assert found.failure is None and intake.open_file(found, "best.pt") == b"weights"
    (note,) = found.notes
    assert "2 links (data, wandb/latest-run)" in note and "the file itself" in note


@pytest.mark.corpus("Intake", "symlink to truth, in zip, tar and folder")
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_link_that_an_entry_needs_is_refused(tmp_path: Path, form: str) -> None:
    (tmp_path / "truth.pt").write_bytes(b"secret")
    manifest = {"submission.toml": team()["submission.toml"]}
    links = {"best.pt": str(tmp_path / "truth.pt")}
    content = zip_with_links(manifest, links) if form == "zip" else tarred(manifest, "", links)
    (tmp_path / f"ada.{form}").write_bytes(content)
    (found,) = collect(tmp_path, tmp_path / f"ada.{form}")
    assert "best.pt" not in found.digests
    with pytest.raises(GradingError, match=r"best\.pt is a link; put the file itself in its place") as caught:
        intake.open_file(found, "best.pt")
    assert caught.value.failure.kind == "link"
    placed = found.root / "best.pt"
    assert placed.is_symlink() and not placed.exists() and "truth" not in str(placed.readlink())


def test_a_manifest_that_is_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    found = failure(tmp_path, "ada.tar", tarred({"best.pt": b""}, "", {"submission.toml": "/etc/passwd"}))
    assert found.kind == "link" and "submission.toml" in found.message


@pytest.mark.corpus("Intake", "archive in archive")
@pytest.mark.parametrize("inner", ["hw3-final.zip", "code/hw3-final.zip", "hw3-final.tar.gz", "hw3-final.tar.xz"])
def test_an_archive_in_an_archive_is_read(tmp_path: Path, inner: str) -> None:
    packed = zipped(team()) if inner.endswith("zip") else tarred(team(), inner.rpartition(".")[2])
    hall = {"ada.zip": zipped({inner: packed, "__MACOSX/._x": b""}), "bob.tar.gz": tarred({inner: packed}, "gz")}
    export = {"Ada Lovelace_1001_assignsubmission_file/hw3.zip": hall["ada.zip"]}
    write(tmp_path, {"export.zip": zipped(export)})
    found = [*collect(tmp_path, write(tmp_path / "class", hall)), *collect(tmp_path, tmp_path / "export.zip")]
    assert [one.id for one in found] == ["ada", "bob", "1001"]
    for one in found:
        assert one.failure is None and intake.open_file(one, "best.pt") == b"weights"
        assert any("hw3-final" in note and "inside the archive" in note for note in one.notes)


def test_an_archive_of_data_beside_a_submission_is_a_file(tmp_path: Path) -> None:
    for data in (zipped({"x": b""}), zipped(team("Other")), b"7z\xbc\xaf\x27\x1c"):
        hall = {"ada.zip": zipped({**team(), "data.zip": data}), "bob.zip": zipped(team())}
        ada, _ = collect(tmp_path, write(tmp_path / "class", hall))
        assert ada.failure is None and ada.name == "Gauss"


def test_a_submission_without_a_manifest_but_with_data_is_told_about_the_manifest(tmp_path: Path) -> None:
    for data in (zipped({"x": b""}), b"7z\xbc\xaf\x27\x1c"):
        hall = {"ada.zip": zipped({"train.py": b"", "data.zip": data}), "bob.zip": zipped(team())}
        ada, _ = collect(tmp_path, write(tmp_path / "class", hall))
        assert ada.failure is not None and "train.py" in ada.failure.message
        assert "submission.toml" in ada.failure.message
