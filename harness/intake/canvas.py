"""Canvas's export "Download Submissions": a flat zip of everybody's files.

A file is named `<sortablename>[_LATE]_<userid>_<fileid>_<original>`. Ids of files grow, so that of two uploads of one
user with the same original name the later one has the larger id.
"""

from __future__ import annotations

import re

from harness.intake.platforms import Owner, Platform
from harness.text import shown

_FILE = re.compile(r"(?P<name>[^_/]+)(_LATE)?_(?P<id>[0-9]{1,18})_(?P<upload>[0-9]{3,18})_(?P<file>[^/]+)", re.DOTALL)


def _owner_of(name: str) -> Owner | None:
    match = _FILE.fullmatch(name)
    return match and Owner(match["id"], shown(match["name"]), match["file"], int(match["upload"]))


CANVAS = Platform(
    summary="Canvas, Download Submissions: a flat zip of everybody's files",
    owner_of=_owner_of,
)
