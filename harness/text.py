"""Makes strangers' text fit for a terminal, a record and a web page."""

from __future__ import annotations

import re
import unicodedata

NAME_LENGTH = 200
"""Characters of a name that is shown."""
_ESCAPE_SEQUENCE = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]?|\x1b.?", re.DOTALL)
"""Terminal escapes: operating system commands, control sequences, and the short ones (ECMA-48)."""
_JOINERS = "\u200c\u200d"
"""Format characters that Persian and Hindi names are spelled with."""
_KEPT = frozenset("\n\t")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (which holds the right-to-left marks), lone surrogates, line and paragraph separators."""


def plain_text(text: str, limit: int) -> str:
    r"""`text` with every control, format and surrogate character written out as an escape, at most `limit` characters.

    A terminal escape becomes the visible characters `\x1b`, so that a log can neither recolour a terminal nor
    retitle a window. Line feeds and tabs stay. What is cut off is said at the end.
    """
    cut = text[:limit]
    safe = "".join(
        character if character in _KEPT or unicodedata.category(character) not in _HIDDEN_CATEGORIES
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in cut
    )  # fmt: skip
    if len(safe) > limit or len(text) > limit:
        return safe[:limit] + " […]"
    return safe


def shown(text: object, limit: int = NAME_LENGTH) -> str:
    """`text` on one line of at most `limit` characters, without anything that a terminal or reader would obey.

    Terminal escapes, control characters, marks that turn the direction of text, other invisible format characters
    and lone surrogates go; white space becomes single spaces; the rest is composed (NFC).
    """
    bare = _ESCAPE_SEQUENCE.sub("", str(text)[: 20 * limit])
    kept = (
        " " if character.isspace() else character
        for character in bare
        if character.isspace() or character in _JOINERS or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
    )
    line = " ".join(unicodedata.normalize("NFC", "".join(kept)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
