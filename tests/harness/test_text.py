"""Text of strangers: what must vanish, what must stay, and how much of it."""

from __future__ import annotations

import unicodedata

import pytest

from harness import text as filters
from harness.text import capitalised, many_lines, one_line, shown, spoken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("  a\t b\r\nc  ", "a b c"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("\u2066a\u2069\u200e\u200f\u061cb", "ab"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("a\x00b\x07c\x7fd", "abcd"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("line\u2028break\u2029end", "line break end"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("Đỗ Thị Hằng", "Đỗ Thị Hằng"),
        ("\u3164\u115f", ""),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected


def test_stacked_marks_do_not_climb() -> None:
    cleaned = one_line("Z" + "\u0335" * 300 + "algo")
    assert cleaned.endswith("algo")
    assert sum(unicodedata.combining(c) > 0 for c in cleaned) == 4


def test_what_is_passed_as_plain_is_what_the_filter_leaves_alone() -> None:
    plain = [chr(code) for code in range(0x110000) if filters._PLAIN.fullmatch(chr(code))]
    assert {" ", "é", "−", "…", "·", "“", "λ", "→"} <= set(plain)
    assert all(filters._visible(character, "?") == character for character in plain)
    assert not {"Mn", "Me", "Cf", "Cc", "Cn"} & {unicodedata.category(character) for character in plain}


@pytest.mark.corpus("Reports", "megabyte names, lone surrogates")
def test_megabytes_are_cut() -> None:
    """In linear time: a quadratic one would be stopped by pytest."""
    for text in ("A" * 5_000_000, "\x1b[" * 2_000_000, "\u0300" * 5_000_000, "\x1b]" + "0" * 5_000_000):
        assert len(one_line(text, 60)) <= 60
        assert len(many_lines(text)) < 20_100


def test_cut_is_told() -> None:
    assert one_line("x" * 61, 60) == "x" * 59 + "…"
    assert one_line("x" * 60, 60) == "x" * 60
    long = many_lines("first\n" + "m" * 50_000 + "\nlast")
    assert long.startswith("first\n")
    assert long.endswith("\nlast")
    assert "characters left out" in long


def test_many_lines_keeps_lines_and_indent() -> None:
    assert many_lines("a\r\n  b\x1b[2J\n\tc\n") == "a\n  b\n    c"


@pytest.mark.corpus("Reports", "megabyte names, lone surrogates")
def test_a_lone_surrogate_is_dropped_from_names_and_marked_on_pages() -> None:
    assert shown("a\ud800b") == "ab"
    assert one_line("a\ud800b") == "a\ufffdb"


@pytest.mark.parametrize(
    "text", ["\x9b31mred", "\x1bPq\x1b\\red", "r\u3164e\ufe01d", "\x1b[0mred", "red\x85", "\x1fred"]
)
def test_names_and_pages_are_cleaned_by_one_filter(text: str) -> None:
    assert shown(text) == one_line(text) == "red"


def test_titles() -> None:
    assert spoken("not-finite_value") == "not finite value"
    given = {"masked MSE": "Masked MSE", "cVAE": "cVAE", "cVAE, larger": "cVAE, larger", "": "", "ÖPNV": "ÖPNV"}
    assert {title: capitalised(title) for title in given} == given


def test_shown_keeps_what_people_are_called() -> None:
    assert shown("Zoe\u0308 O’Neil\t李華 می\u200cخواهم") == "Zoë O’Neil 李華 می\u200cخواهم"
    assert shown("a\ud800b\u2066c\x00d") == "abcd"
    assert shown("x" * 300, 10) == "x" * 9 + "…"
    assert shown("\x1b]0;title\x07a\x1b[1;31mb") == "ab"
