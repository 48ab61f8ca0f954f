"""Moodle's export "Download all submissions": one folder for each participant or group.

A folder is named `<Full name>_<id>_assignsubmission_file`, with a `_` at the end before Moodle 4.1. Under blind marking
the name is `Participant`. Online texts and comments lie beside, as `…_assignsubmission_onlinetext` and `…_comments`.
"""

from __future__ import annotations

import re

from harness.intake.platforms import Owner, Platform
from harness.text import shown

_FOLDER = re.compile(r"(?P<name>.+)_(?P<id>[0-9]{1,18})_assignsubmission_file_?", re.DOTALL)
_TEXT = re.compile(r".+_[0-9]{1,18}_assignsubmission_(onlinetext|comments)_?", re.DOTALL)


def _owner_of(name: str) -> Owner | None:
    match = _FOLDER.fullmatch(name)
    if match is None:
        return None
    who = match["name"]
    return Owner(match["id"], f"Participant {match['id']}" if who == "Participant" else shown(who))


def _is_ignored(name: str) -> bool:
    return _TEXT.fullmatch(name) is not None


MOODLE = Platform(
    summary="Moodle, Download all submissions: a folder for each participant",
    owner_of=_owner_of,
    is_ignored=_is_ignored,
)
