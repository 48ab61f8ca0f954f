"""Tests of cleaning strangers' text."""

from __future__ import annotations

from harness.text import shown


def test_shown_keeps_what_people_are_called() -> None:
    assert shown("Zoe\u0308 O’Neil\t李華 می\u200cخواهم") == "Zoë O’Neil 李華 می\u200cخواهم"
    assert shown("a\ud800b\u2066c\x00d") == "abcd"
    assert shown("x" * 300, 10) == "x" * 9 + "…"
    assert shown("\x1b]0;title\x07a\x1b[1;31mb") == "ab"
