"""Tests of reading one submission: a folder or an archive, with a manifest."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from harness import intake
from harness.types import Entry, GradingError, Kind
from tests.harness.intake.handed_in import TOML, collect, team, write, zipped


def test_a_folder_with_a_manifest(tmp_path: Path) -> None:
    (found,) = collect(tmp_path, write(tmp_path / "s12", team()))
    assert (found.id, found.name, found.failure, found.notes) == ("s12", "Gauss", None, ())
    assert found.entries == (Entry("conditional-generation", Kind.WEIGHTS, "cvae", "cvae", "best.pt"),)
    assert found.digests["best.pt"] == hashlib.sha256(b"weights").hexdigest()
    assert intake.open_file(found, "best.pt") == b"weights"
    assert intake.digest(b"weights") == found.digests["best.pt"]


@pytest.mark.parametrize("wrapped", ["", "hw3/", "repo-main/hw3/"])
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz"])
def test_an_archive_is_named_after_its_student(tmp_path: Path, wrapped: str, suffix: str) -> None:
    files = {wrapped + name: content for name, content in team().items()} | {"__MACOSX/._x": b"", ".DS_Store": b""}
    path = tmp_path / f"ada.lovelace{suffix}"
    if suffix == ".zip":
        path.write_bytes(zipped(files))
    else:
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as archive:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    (found,) = collect(tmp_path, path)
    assert (found.id, found.name, found.failure) == ("ada.lovelace", "Gauss", None)
    assert intake.open_file(found, "best.pt") == b"weights"


def test_pax_and_gnu_long_names_in_a_tar(tmp_path: Path) -> None:
    long = "/".join(["d" * 90] * 3) + "/wéights.pt"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        name = long if form != tarfile.USTAR_FORMAT else "d" * 90 + "/" + "e" * 80 + "/weights.pt"
        path = tmp_path / f"t{form}.tar"
        with tarfile.open(path, "w", format=form) as archive:
            for member, content in (("submission.toml", TOML.format("x")), ("best.pt", "b" * 700), (name, "deep")):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content.encode()))
        (found,) = collect(tmp_path, path)
        assert found.failure is None
        assert intake.open_file(found, name) == b"deep"
        assert intake.open_file(found, "best.pt") == b"b" * 700


def test_a_manifest_error_is_the_submissions_failure(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    write(hall / "bad", {"submission.toml": "[[entry]\n", "best.pt": b""})
    write(hall / "good", team())
    bad, good = collect(tmp_path, hall)
    assert bad.id == "bad" and bad.failure is not None and bad.failure.stage == "manifest"
    assert good.failure is None


def test_a_file_that_is_named_but_missing_fails_when_it_is_opened(tmp_path: Path) -> None:
    (found,) = collect(tmp_path, write(tmp_path / "s", {"submission.toml": TOML.format("x")}))
    assert found.failure is None and set(found.digests) == {"submission.toml"}
    with pytest.raises(GradingError, match=r"best\.pt is not in the submission") as caught:
        intake.open_file(found, "best.pt")
    assert caught.value.failure.kind == "missing-file"
