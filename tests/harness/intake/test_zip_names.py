"""Tests of the names in zips that don't tell their encoding."""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest

from harness import intake
from harness.intake.zip_names import code_page, names_of
from tests.harness.intake.handed_in import collect, team, zipped

NAMES = {
    "gbk": ["模型/最优.pt", "作业三/报告.pdf", "第三次作业 张伟/流模型.pt", "实验报告.pdf", "王小明.pt", "提交(1).zip"],
    "cp932": ["モデル.pt", "課題3.pdf", "最終提出/モデル.pt", "田中太郎.pt", "レポート_佐藤.pdf"],
    "cp950": ["作業三.pt", "深度學習報告.pdf", "陳小明 作業.pt"],
    "cp949": ["모델.pt", "과제.pt", "최종 보고서.pdf", "김민준_과제3.pt"],
    "cp437": ["modèle.pt", "Müller/größe.pt", "niño.pt", "Übung 3.pt"],
    "cp850": ["Søren.pt", "São.pt", "Ángel.pt"],
    "cp852": ["přednáška.pt", "Dvořák.pt"],
    "cp866": ["модель.pt", "Отчёт/МОДЕЛЬ.pt", "Лабораторная работа 3.pdf"],
    "cp1252": ["modèle.pt", "Übung/café.pt"],
    "cp1251": ["модель.pt", "Отчет по лабораторной.pdf"],
    "utf-8": ["modèle.pt", "模型.pt", "модель.pt", "größe.pt", unicodedata.normalize("NFD", "Übung é.pt"), "모델.pt"],
}


def raw_zip(files: dict[bytes, bytes | str], extra: dict[bytes, bytes] | None = None) -> bytes:
    """Build a zip whose names are these bytes, without the flag that says that they are UTF-8."""
    out, directory = bytearray(), bytearray()
    for name, given in files.items():
        content = given.encode() if isinstance(given, str) else given
        more = (extra or {}).get(name, b"")
        fields = struct.pack("<HHHHHIII", 20, 0, 0, 0, 33, zlib.crc32(content), len(content), len(content))
        lengths = struct.pack("<HH", len(name), len(more))
        directory += b"PK\x01\x02\x14\x00" + fields + lengths + bytes(10) + struct.pack("<I", len(out)) + name + more
        out += b"PK\x03\x04" + fields + lengths + name + more + content
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(out), 0)
    return bytes(out + directory + b"PK\x05\x06" + end)


def unicode_path(raw: bytes, name: str, crc: int | None = None) -> bytes:
    content = b"\x01" + struct.pack("<I", zlib.crc32(raw) if crc is None else crc) + name.encode()
    return b"UT\x01\x00\x00" + struct.pack("<HH", 0x7075, len(content)) + content


def read(content: bytes) -> tuple[str, ...]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return names_of(archive.infolist()).names


@pytest.mark.parametrize(("codec", "name"), [(codec, name) for codec, names in NAMES.items() for name in names])
def test_one_name_is_enough_to_tell_its_code_page(codec: str, name: str) -> None:
    raw = name.encode(codec)
    assert raw.decode(code_page([raw]).codec) == name


@pytest.mark.parametrize("codec", NAMES)
def test_all_names_are_judged_together(codec: str) -> None:
    # Alone, the last of these bytes is UTF-8 for one letter.
    names = [*NAMES[codec], *(["模.pt", "猫.pt"] if codec == "gbk" else [])]
    content = raw_zip({name.encode(codec): b"x" for name in names} | {b"plain.txt": b""})
    assert read(content) == (*names, "plain.txt")
    reordered = raw_zip({name.encode(codec): b"x" for name in reversed(names)})
    assert read(reordered) == tuple(reversed(names))


def test_a_manifest_finds_a_file_whose_name_is_in_gbk(tmp_path: Path) -> None:
    toml = str(team()["submission.toml"]).replace("best.pt", "模型/最优.pt")
    (tmp_path / "ada.zip").write_bytes(raw_zip({b"submission.toml": toml, "模型/最优.pt".encode("gbk"): b"weights"}))
    (found,) = collect(tmp_path, tmp_path / "ada.zip")
    assert found.failure is None and intake.open_file(found, "模型/最优.pt") == b"weights"
    assert len(found.notes) == 1 and "GBK (Chinese)" in found.notes[0] and '"模型/最优.pt"' in found.notes[0]


def test_the_unicode_path_counts_where_its_checksum_fits() -> None:
    raw = "größe.pt".encode("cp437")
    assert read(raw_zip({raw: b""}, {raw: unicode_path(raw, "模型.pt")})) == ("模型.pt",)
    assert read(raw_zip({raw: b""}, {raw: unicode_path(raw, "模型.pt", crc=1)})) == ("größe.pt",)
    with zipfile.ZipFile(io.BytesIO(raw_zip({raw: b""}))) as archive:
        (entry,) = archive.infolist()
        for broken in (b"\x75\x70\x03\x00\x01aa", b"\x75\x70\xff\xff\x01", b"\x75", unicode_path(raw, "x")[:-1]):
            entry.extra = broken
            assert names_of([entry]).names == ("größe.pt",)


def test_a_backslash_inside_a_character_is_none() -> None:
    # The second byte of 表 and of ソ is that of a backslash.
    name = "発表/ソース表.pt"
    assert name.encode("cp932").count(b"\\") == 3
    assert read(raw_zip({name.encode("cp932"): b""})) == (name,)


def test_backslashes_of_powershell(tmp_path: Path) -> None:
    files: dict[bytes, bytes | str] = {b"hw3\\" + name.encode(): content for name, content in team().items()}
    (tmp_path / "ada.zip").write_bytes(raw_zip({b"hw3\\": b"", b"hw3\\data\\": b"", **files}))
    (found,) = collect(tmp_path, tmp_path / "ada.zip")
    assert found.failure is None and intake.open_file(found, "best.pt") == b"weights"
    assert len(found.notes) == 1 and "backslashes" in found.notes[0]


def test_both_kinds_of_slashes_for_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ada.zip").write_bytes(raw_zip({b"a/b.pt": b"1", b"a\\b.pt": b"2", b"submission.toml": b""}))
    (found,) = collect(tmp_path, tmp_path / "ada.zip")
    assert found.failure is not None and found.failure.kind == "duplicate-name"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_accents_are_one_name(tmp_path: Path, form: str) -> None:
    toml = str(team()["submission.toml"]).replace("best.pt", unicodedata.normalize(form, "modèle.pt"))
    for other in ("NFC", "NFD"):
        name = unicodedata.normalize(other, "modèle.pt")
        (tmp_path / "a.zip").write_bytes(zipped({"submission.toml": toml, name: b"weights"}))
        folder = tmp_path / f"folder-{other}"
        folder.mkdir()
        (folder / "submission.toml").write_text(toml, encoding="utf-8")
        (folder / name).write_bytes(b"weights")
        for path in (tmp_path / "a.zip", folder):
            (found,) = collect(tmp_path, path)
            assert found.failure is None and found.notes == ()
            file = found.entries[0].file
            assert file is not None and intake.open_file(found, file) == b"weights"
