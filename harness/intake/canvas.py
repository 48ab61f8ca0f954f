"""Canvas's export "Download Submissions": a flat zip of everybody's files.

A file is named `<sortablename>[_LATE]_<userid>_<fileid>_<original>`; where grading is anonymous, it begins with
`anon_<anonymous id>`. Ids of files grow, so that of two uploads of one user with the same original name the later one
has the larger id. A text is `<sortablename>[_LATE]_<userid>_text.html`, a web address `…_link.html`. A file that is
handed in again gets a number: `best-1.pt`, `hw3.tar-1.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from harness.intake.platforms import Owner, Platform
from harness.text import shown

_ID = re.compile("[0-9]{1,18}")
_UPLOAD = re.compile("[0-9]{3,18}")
_ANONYMOUS = re.compile("[A-Za-z0-9]{1,32}")
_AGAIN = re.compile(r"(?P<stem>.+)-[0-9]{1,3}(?P<suffix>\.[A-Za-z0-9]+)?", re.DOTALL)
_KINDS: dict[str, Literal["text", "link"]] = {"text.html": "text", "link.html": "link"}


def _owner_of(name: str) -> Owner | None:
    parts = name.split("_")
    who, rest = _anonymous(parts) if parts[0] == "anon" else _named(parts)
    if who is None:
        return None
    if len(rest) > 1 and _UPLOAD.fullmatch(rest[0]) and "_".join(rest[1:]):
        return Owner(*who, "_".join(rest[1:]), int(rest[0]))
    if len(rest) == 1 and rest[0] in _KINDS:
        return Owner(*who, rest[0], kind=_KINDS[rest[0]])
    return None


def _anonymous(parts: Sequence[str]) -> tuple[tuple[str, str] | None, Sequence[str]]:
    """Split the parts of a name between underscores into (id, name to show) and what follows them."""
    rest = [part for index, part in enumerate(parts) if not (part == "LATE" and index in (1, 2))][1:]
    if len(rest) < 2 or not _ANONYMOUS.fullmatch(rest[0]):
        return None, ()
    return (f"anon_{rest[0]}", f"Anonymous {rest[0]}"), rest[1:]


def _named(parts: Sequence[str]) -> tuple[tuple[str, str] | None, Sequence[str]]:
    """Split the parts as above, at the first number that a file's number or a text follows."""
    for at in range(1, len(parts) - 1):
        if not _ID.fullmatch(parts[at]):
            continue
        following = parts[at + 1]
        is_text = at + 2 == len(parts) and following in _KINDS
        if not is_text and (not _UPLOAD.fullmatch(following) or at + 2 == len(parts)):
            continue
        if not is_text and _is_of_the_name(parts, at):
            continue
        name = "_".join(parts[: at - 1] if parts[at - 1] == "LATE" and at > 1 else parts[:at])
        return (parts[at], shown(name)), parts[at + 1 :]
    return None, ()


def _is_of_the_name(parts: Sequence[str], at: int) -> bool:
    """Decide whether the first of three numbers is the name's own: team_7_4321_90001_hw3.zip.

    Ids of files are larger than ids of users. A student can't use this to hand in as another: only the owner of an id
    of three digits could be misread, and then as the owner of the file's number, which nobody chooses.
    """
    if at + 3 >= len(parts) or len(parts[at]) > 3 or not _UPLOAD.fullmatch(parts[at + 2]):
        return False
    return int(parts[at + 2]) > int(parts[at + 1])


def _first_name(name: str) -> str:
    match = _AGAIN.fullmatch(name)
    return name if match is None else match["stem"] + (match["suffix"] or "")


CANVAS = Platform(
    summary="Canvas, Download Submissions: a flat zip of everybody's files",
    owner_of=_owner_of,
    first_name=_first_name,
)
