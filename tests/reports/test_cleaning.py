"""Text of strangers: what must vanish, what must stay, and how much of it."""

from __future__ import annotations

import unicodedata

import pytest

from reports.cleaning import finalize, many_lines, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
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
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_stacked_marks_do_not_climb() -> None:
    cleaned = one_line("Z" + "\u0335" * 300 + "algo")
    assert cleaned.endswith("algo")
    assert sum(unicodedata.combining(c) > 0 for c in cleaned) == 4


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


def test_finalize_cleans_text_and_leaves_the_rest() -> None:
    assert finalize("a\x1b[1m\u202eb\nc") == "ab\nc"
    assert finalize(3.5) == 3.5
    assert finalize(None) is None
