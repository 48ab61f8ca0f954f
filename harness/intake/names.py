"""Makes ids and paths that others chose safe as file names on every file system."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath

from harness.text import shown

ID_LENGTH = 64
"""Characters of an id."""
PATH_BYTES = 1024
COMPONENT_BYTES = 255
"""Bytes of one name in a path, the most that file systems of Linux and macOS hold."""
DEPTH = 16
"""Names in a path."""

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows reserves for devices, with any extension."""


def is_id(text: str) -> bool:
    """Return True if `text` is an id as it stands: 1 to 64 of A-Z a-z 0-9 . _ -, safe as a file name everywhere."""
    return (
        len(text) <= ID_LENGTH
        and _ID.fullmatch(text) is not None
        and not text.endswith(".")
        and not _RESERVED.fullmatch(text)
    )


def slug(text: str) -> str:
    """Make an id of `text`: itself if it is one, else its nearest spelling in the characters of an id.

    A text without any such character (a name in Chinese, say) gives "submission-" and eight digits of its hash.

    >>> slug("Jörg Müller (resubmitted)")
    'Jorg-Muller-resubmitted'
    """
    if is_id(text):
        return text
    ascii_only = unicodedata.normalize("NFKD", shown(text, 1000)).encode("ascii", "ignore").decode()
    spelled = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9._-]", "-", ascii_only))
    spelled = spelled.strip(".-")[:ID_LENGTH].rstrip(".-")
    if not re.search(r"[A-Za-z0-9]", spelled):
        return "submission-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return spelled if is_id(spelled) else f"s-{spelled}"[:ID_LENGTH]


def path_problem(text: str) -> tuple[str, str] | None:
    """Check a path inside a submission: None if it is allowed, else a kebab-case word and the end of a sentence.

    Allowed are relative paths with forward slashes, at most 16 names of at most 255 bytes each.
    """
    if "\0" in text:
        return "nul-in-name", "has a NUL character in its name"
    if "\\" in text:
        return "backslash", "has a backslash in its name; paths are written with forward slashes"
    if text.startswith("/"):
        return "absolute-path", "is an absolute path; only paths inside the submission are allowed"
    if re.match(r"[A-Za-z]:", text):
        return "absolute-path", "starts with a drive letter; only paths inside the submission are allowed"
    parts = PurePosixPath(text).parts
    if not parts:
        return "empty-path", "is an empty path"
    if ".." in parts:
        return "parent-path", 'leads out of the submission by ".."'
    if any(unicodedata.category(character) == "Cc" for character in text):
        return "control-character", "has a control character in its name"
    if len(parts) > DEPTH:
        return "too-deep", f"lies {len(parts)} folders deep; {DEPTH} are allowed"
    longest = max(len(part.encode("utf-8", "surrogateescape")) for part in parts)
    if longest > COMPONENT_BYTES:
        return "long-name", f"has a name of {longest} bytes; {COMPONENT_BYTES} are allowed"
    whole = len(text.encode("utf-8", "surrogateescape"))
    if whole > PATH_BYTES:
        return "long-name", f"has a path of {whole} bytes; {PATH_BYTES} are allowed"
    return None


def folded(text: str) -> str:
    """Spell names alike that are one file where case or composition doesn't count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
