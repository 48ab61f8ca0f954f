"""The pictures of docs/tasks.md are those that docs/pictures/draw_tasks.py draws, and small."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from harness.tasks import TASKS
from tests.docs.pages import ROOT, text_of
from tests.docs.scripts import script

DRAW = script("pictures/draw_tasks.py")
STRIPS = script("pictures/strips.py")
FOLDER = ROOT / "docs" / "pictures"
PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def pixels(svg: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(found)))).astype(int) for found in PNG.findall(svg)]


def assert_alike(kept: str, drawn: str) -> None:
    """The same but for the last place of a number and one gray level: another processor rounds otherwise."""
    former, now = pixels(kept), pixels(drawn)
    assert [one.shape for one in former] == [one.shape for one in now]
    for one, other in zip(former, now, strict=True):
        assert np.abs(one - other).max() <= 1
        assert (one != other).mean() < 0.01
    texts = [NUMBER.sub("#", PNG.sub("", text)) for text in (kept, drawn)]
    assert texts[0] == texts[1]
    numbers = [NUMBER.findall(PNG.sub("", text)) for text in (kept, drawn)]
    for one, other in zip(*numbers, strict=True):
        assert float(one) == pytest.approx(float(other), abs=0.0101 if "." in one else 1)


@pytest.mark.parametrize("name", TASKS)
def test_the_picture_of_a_task_is_the_one_that_is_drawn(name: str) -> None:
    kept = (FOLDER / f"task-{name}.svg").read_text("utf-8")
    assert_alike(kept, DRAW.drawn(name))
    root = ET.fromstring(kept)
    headings = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text") if one.get("font-size") == "11"]
    assert len(headings) == 3
    assert root.find("{http://www.w3.org/2000/svg}title").text.startswith(name)


def test_every_task_has_a_picture_on_the_page_and_no_picture_is_left_over() -> None:
    assert set(DRAW.PICTURES) == set(TASKS)
    page = text_of("docs/tasks.md")
    assert all(f"](pictures/task-{name}.svg)" in page for name in TASKS)
    assert {path.name for path in FOLDER.glob("task-*")} == {f"task-{name}.svg" for name in TASKS}


def test_the_pictures_are_small_and_ask_nobody_for_anything() -> None:
    files = list(FOLDER.glob("task-*.svg"))
    assert sum(path.stat().st_size for path in files) < 100_000
    for path in files:
        addresses = re.findall(r'(?:href|src)="([^"]{1,40})|url\(', path.read_text("utf-8"))
        assert [one for one in addresses if not one.startswith("data:image/png")] == []


def test_a_digit_is_drawn_with_dark_ink_and_its_hole_in_a_colour_of_its_own() -> None:
    image, hole = np.zeros((1, 28, 28), np.float32), np.zeros((1, 28, 28), bool)
    image[0, 3, 5], hole[0, 20, 7] = 1, True
    drawn = STRIPS.svg("digit", [("asked", STRIPS.Digits(image, hole)), ("said", STRIPS.Words(["<3>"]))])
    (found,) = pixels(drawn)
    assert found.shape == (28, 28)
    assert found[3, 5] == 0 and found[20, 7] == STRIPS.LEVELS and found[0, 0] == STRIPS.LEVELS - 1
    assert "&lt;3&gt;" in drawn and ET.fromstring(drawn) is not None


def test_another_picture_is_told() -> None:
    kept = (FOLDER / "task-mixture-density.svg").read_text("utf-8")
    with pytest.raises(AssertionError):
        assert_alike(kept, kept.replace("0.30", "0.35"))
    with pytest.raises(AssertionError):
        assert_alike(kept, (FOLDER / "task-pca-projection.svg").read_text("utf-8"))
