"""Text from an untrusted process, made fit for a terminal, a record and a web page."""

from __future__ import annotations

import unicodedata

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
