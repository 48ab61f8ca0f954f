"""Makes text that others wrote fit to show: no control characters, bidi overrides, terminal escapes or megabytes.

Escaping for HTML is not done here: jinja2's autoescape does that, last and everywhere.
"""

from __future__ import annotations

import re
import unicodedata

_TERMINAL_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?"  # OSC: titles and hyperlinks
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]?"  # CSI: colours and cursor movements
    r"|\x1b[PX^_][^\x1b]{0,4096}(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]{0,8}[0-~]?"
)
_JOINERS = frozenset("\u200c\u200d")
"""Format characters that Persian, Indic scripts and emoji need; every other one is dropped."""
_MAX_MARKS = 4
"""Combining marks kept after one character: more than any orthography needs, fewer than reach the next line."""
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Blank glyphs that Unicode counts as letters or symbols: a name made of them would look empty."""


def _visible(character: str) -> str:
    """The character, a space for a line break or tab, U+FFFD for a lone surrogate, or nothing."""
    category = unicodedata.category(character)
    if character in "\t\n\r\x0b\x0c" or category in {"Zl", "Zp"}:
        return " "
    if category == "Cs":
        return "\ufffd"
    if category == "Cc" or (category == "Cf" and character not in _JOINERS) or character in _FILLERS:
        return ""
    if 0xFE00 <= ord(character) <= 0xFE0E or 0xE0100 <= ord(character) <= 0xE01EF:
        return ""
    return character


def _clean(text: str) -> str:
    # Nearly all that is printed, pictures' data URIs above all, is this.
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for character in _TERMINAL_ESCAPES.sub("", text):
        kept = _visible(character)
        marks = marks + 1 if kept and unicodedata.category(kept) in {"Mn", "Me"} else 0
        if kept and marks <= _MAX_MARKS:
            out.append(kept)
    return "".join(out)


def one_line(text: str, limit: int = 200) -> str:
    r"""`text` on one line, at most `limit` characters, with an ellipsis where it was cut.

    >>> one_line("Team\x1b[31m Red\u202e\n  no. 1")
    'Team Red no. 1'
    """
    # Only a prefix is looked at, so that a megabyte of escapes costs no more than a name.
    cleaned = " ".join(_clean(text[: 16 * limit + 64]).split())
    if len(cleaned) > limit or len(text) > 16 * limit + 64:
        return cleaned[: limit - 1].rstrip() + "…"
    return cleaned


def many_lines(text: str, limit: int = 20_000) -> str:
    """`text` with its line breaks, at most `limit` characters: the beginning and the end where it is longer.

    A traceback's reason stands at its end, a list of tensors begins with the worst; so both ends are kept.
    """
    if len(text) > limit:
        head = limit // 2
        text = f"{text[:head]}\n… {len(text) - 2 * head:,} characters left out …\n{text[-head:]}"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(_clean(line.expandtabs(4)).rstrip() for line in lines).strip("\n")


def finalize(value: object) -> object:
    """What jinja2 calls with every value that a template prints: the last net under `one_line` and `many_lines`.

    Line breaks survive, for preformatted text; markup that jinja2 itself made (a macro's) is left alone.
    """
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return "\n".join(_clean(line) for line in value.split("\n"))
    return value
