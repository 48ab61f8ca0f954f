"""Tests of ids and paths that are safe as file names."""

from __future__ import annotations

import pytest

from harness.intake.names import is_id, path_problem, slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s123.A_b-c", "s123.A_b-c"),
        ("Jörg Müller", "Jorg-Muller"),
        ("..", "submission-5ec1f7e7"),
        ("-rf", "rf"),
        ("con", "s-con"),
        ("LPT1.txt", "s-LPT1.txt"),
        ("a/../b", "a-..-b"),
        ("name.", "name"),
        ("x" * 100, "x" * 64),
        ("house-mine", "house-mine"),
        ("a\x1b[2Jb\u202e", "ab"),
    ],
)
def test_ids_are_safe_as_file_names(text: str, expected: str) -> None:
    assert slug(text) == expected
    assert is_id(slug(text))


def test_names_without_a_latin_letter_get_ids_of_their_own() -> None:
    first, second = slug("王小明"), slug("李華")
    assert first != second and is_id(first) and is_id(second)


def test_paths_are_bounded_in_bytes() -> None:
    assert path_problem("a" * 255) is None
    assert (path_problem("a" * 256) or ("",))[0] == "long-name"
    assert (path_problem("/".join(["a" * 200] * 6)) or ("",))[0] == "long-name"
    assert path_problem("ä.pt") is None
