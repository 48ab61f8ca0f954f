"""Makes strangers' text fit for a terminal, a record and a web page.

Escaping for HTML is not done here: jinja2's autoescape does that, last and everywhere.
"""

from __future__ import annotations

import re
import unicodedata

NAME_LENGTH = 200
"""Characters of a name that is shown."""
_PLAIN = re.compile(
    r"[ -~\u00a1-\u00ac\u00ae-\u017f\u0391-\u03a1\u03a3-\u03c9\u2010-\u2027\u2030-\u205e\u2190-\u22ff]*"
)
"""Matches text of letters and signs of which none is invisible, combining, or turns the direction of text."""
_TERMINAL_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?"  # OSC: titles and hyperlinks
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]?"  # CSI: colours and cursor movements
    r"|\x1b[PX^_][^\x1b]{0,4096}(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]{0,8}[0-~]?"
)
"""Terminal escapes (ECMA-48), each of bounded length."""
_JOINERS = frozenset("\u200c\u200d")
"""Format characters that Persian, Indic scripts and emoji need; every other one is dropped."""
_MAX_MARKS = 4
"""Combining marks kept after one character: more than any orthography needs, fewer than reach the next line."""
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Blank glyphs that Unicode counts as letters or symbols: a name made of them would look empty."""
_SEPARATORS = frozenset("\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029")
"""Tabs and breaks of lines, paragraphs and fields."""
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (which holds the right-to-left marks), lone surrogates, line and paragraph separators."""


def plain_text(text: str, limit: int) -> str:
    r"""`text` with every control, format and surrogate character written out as an escape, at most `limit` characters.

    A terminal escape becomes the visible characters `\x1b`, so that a log can neither recolour a terminal nor
    retitle a window. Line feeds and tabs stay. What is cut off is said at the end.
    """
    cut = text[:limit]
    safe = "".join(
        character if character in "\n\t" or unicodedata.category(character) not in _HIDDEN_CATEGORIES
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in cut
    )  # fmt: skip
    if len(safe) > limit or len(text) > limit:
        return safe[:limit] + " […]"
    return safe


def cleaned(text: str, lost: str = "\ufffd") -> str:
    """`text` without anything that a terminal, browser or reader would obey or stumble over.

    Terminal escapes, control characters, marks that turn the direction of text, other invisible characters and piles
    of combining marks go; tabs and line breaks become spaces; `lost` stands for a lone surrogate.
    """
    # Nearly all that is printed, pictures' data URIs above all, is this.
    if (text.isascii() and text.isprintable()) or _PLAIN.fullmatch(text):
        return text
    out: list[str] = []
    marks = 0
    for character in _TERMINAL_ESCAPES.sub("", text):
        kept = _visible(character, lost)
        marks = marks + 1 if kept and unicodedata.category(kept) in {"Mn", "Me"} else 0
        if kept and marks <= _MAX_MARKS:
            out.append(kept)
    return "".join(out)


def _visible(character: str, lost: str) -> str:
    """The character, a space for a break, `lost` for a lone surrogate, or nothing."""
    if character in _SEPARATORS:
        return " "
    category = unicodedata.category(character)
    if category == "Cs":
        return lost
    if category == "Cc" or (category == "Cf" and character not in _JOINERS) or character in _FILLERS:
        return ""
    if 0xFE00 <= ord(character) <= 0xFE0E or 0xE0100 <= ord(character) <= 0xE01EF:
        return ""
    return character


def shown(text: object, limit: int = NAME_LENGTH, lost: str = "") -> str:
    r"""`text`, cleaned and composed (NFC), on one line of at most `limit` characters, with an ellipsis if it was cut.

    >>> shown("Team\x1b[31m Red\u202e\n  no. 1"), shown("abcdef", 4)
    ('Team Red no. 1', 'abc…')
    """
    whole = str(text)
    # Only a prefix is looked at, so that a megabyte of escapes costs no more than a name.
    prefix = whole[: 16 * limit + 64]
    line = " ".join(unicodedata.normalize("NFC", cleaned(prefix, lost)).split())
    if len(line) > limit or len(whole) > len(prefix):
        return line[: limit - 1].rstrip() + "…"
    return line


def one_line(text: str, limit: int = NAME_LENGTH) -> str:
    r"""`shown` for pages and exports, where U+FFFD stands for a lone surrogate, so that two names stay two.

    >>> one_line("Team\ud800 Red\n")
    'Team\ufffd Red'
    """
    return shown(text, limit, "\ufffd")


def many_lines(text: str, limit: int = 20_000) -> str:
    """`text`, cleaned, with its line breaks, at most `limit` characters: the beginning and the end where it is longer.

    A traceback's reason stands at its end, a list of tensors begins with the worst; so both ends are kept.
    """
    if len(text) > limit:
        head = limit // 2
        text = f"{text[:head]}\n… {len(text) - 2 * head:,} characters left out …\n{text[-head:]}"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(cleaned(line.expandtabs(4)).rstrip() for line in lines).strip("\n")


def spoken(name: str) -> str:
    """An identifier as words, for what has no title of its own.

    >>> spoken("not-finite"), spoken("masked_mse")
    ('not finite', 'masked mse')
    """
    return one_line(name.replace("-", " ").replace("_", " "), 60)


def capitalised(title: str) -> str:
    """A title with a capital first letter, unless its first word has its own capitals.

    >>> capitalised("masked MSE"), capitalised("cVAE")
    ('Masked MSE', 'cVAE')
    """
    first = title.split(" ", 1)[0]
    return title[:1].upper() + title[1:] if first == first.lower() else title
