"""Reads the text of a manifest as editors on Windows and macOS write it: other encodings, curly quotes, backslashes."""

from __future__ import annotations

import codecs
import re

from harness.text import shown
from harness.types import refuse

_PATH_LINE = re.compile(r'^([ \t]*(checkpoint|code|outputs)[ \t]*=[ \t]*")([^"\n]*)"', re.MULTILINE)
_NO_ESCAPE = re.compile(r"\\\\|\\(?!u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})")
"""A backslash in a TOML text, escaped or not, but for the escapes that a path can need."""
_CURLY_DOUBLE = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02"
_CURLY_SINGLE = "\u2018\u2019\u201a\u201b\u2032\uff07"
STRAIGHT = str.maketrans(dict.fromkeys(_CURLY_DOUBLE, '"') | dict.fromkeys(_CURLY_SINGLE, "'"))


def decoded(content: bytes, name: str) -> str:
    """Decode a manifest: UTF-8, with or without a byte order mark, or UTF-16, as older Notepads write "Unicode".

    Line ends become line feeds.

    Raises
    ------
    GradingError
        of kind not-utf8, with the line and what to do.
    """
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        elif len(content) % 2 == 0 and content[1:40:2].strip(b"\0") == b"" and content[:1] not in (b"", b"\0"):
            text = content.decode("utf-16-le")
        elif len(content) % 2 == 0 and content[:40:2].strip(b"\0") == b"" and content[1:2] not in (b"", b"\0"):
            text = content.decode("utf-16-be")
        else:
            text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = (
            f"{name} is not UTF-8 text (byte {error.start}, in line {line}). Save it as UTF-8: in Notepad by "
            "File, Save as, Encoding: UTF-8; in VS Code by a click on the encoding in the status bar."
        )
        raise refuse("manifest", "not-utf8", message) from None
    return text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")


def with_slashes(text: str, name: str) -> tuple[str, list[str]]:
    r"""Turn backslashes into slashes where a line gives a path in double quotes, with notes.

    In TOML, "vae\best.pt" holds a backspace and "vae\model.pt" is an error; no path holds a tab or a line break.
    """
    notes: list[str] = []

    def line(match: re.Match[str]) -> str:
        path = _NO_ESCAPE.sub("/", match[3])
        if path != match[3]:
            number = text.count("\n", 0, match.start()) + 1
            notes.append(
                f'{name}, line {number}: backslashes were read as slashes. Write {match[2]} = "{shown(path, 80)}".'
            )
        return f'{match[1]}{path}"'

    return _PATH_LINE.sub(line, text), notes


def with_straight_quotes(text: str) -> tuple[str, list[int]]:
    """Make curly quotes straight in lines without a straight one; return the numbers of all lines with curly ones."""
    lines, curly = text.split("\n"), []
    for place, line in enumerate(lines):
        straight = line.translate(STRAIGHT)
        if straight != line and not line.lstrip().startswith("#"):
            curly.append(place + 1)
            if '"' not in line:
                lines[place] = straight
    return "\n".join(lines), curly
