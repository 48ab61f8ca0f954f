"""Pictures: only PNGs below the results folder, and nothing but their pixels."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from reports.pictures import MAX_BYTES, embed, thumbnail


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    note = PngImagePlugin.PngInfo()
    note.add_text("comment", "SECRET")
    ramp = np.arange(100, dtype=np.uint8).repeat(40).reshape(100, 40)
    Image.fromarray(ramp).save(folder / "good.png", pnginfo=note)
    Image.fromarray(ramp).save(tmp_path / "outside.png")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "not.png").write_bytes(b"<svg onload=alert(1)>")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:80])
    (folder / "large.png").write_bytes((folder / "good.png").read_bytes() + bytes(MAX_BYTES))
    (folder / "folder.png").mkdir()
    return folder


def test_embedded_pixels_are_the_files(results: Path) -> None:
    picture = embed(results, "good.png")
    assert picture is not None
    assert (picture.width, picture.height) == (40, 100)
    raw = base64.b64decode(picture.uri.removeprefix("data:image/png;base64,"))
    assert b"SECRET" not in raw
    pixels = np.asarray(Image.open(io.BytesIO(raw)))
    assert (pixels[:, 7] == np.arange(100)).all()


def test_a_thumbnail_is_a_strip(results: Path) -> None:
    picture = thumbnail(results, "good.png", (0.0, 0.2))
    assert picture is not None
    assert (picture.width, picture.height) == (40, 20)


@pytest.mark.parametrize(
    "file",
    [
        "../outside.png",
        "link.png",
        "not.png",
        "cut.png",
        "large.png",
        "folder.png",
        "absent.png",
        "",
        "nul\0.png",
        "lone\ud800.png",
        "a" * 5000,
        "..\\outside.png",
        "javascript:alert(1)",
    ],
)
def test_anything_else_is_not_shown(results: Path, file: str) -> None:
    assert embed(results, file) is None
    assert thumbnail(results, file, (0.0, 0.2)) is None


def test_absolute_paths_are_refused(results: Path) -> None:
    assert embed(results, str(results / "good.png")) is None
