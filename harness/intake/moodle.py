"""Moodle's export "Download all submissions", as folders or as one flat folder of files.

A folder is named `<Full name>_<id>_assignsubmission_file`, with a `_` at the end before Moodle 4.1. Without "Download
submissions in folders" each file is named `<Full name>_<id>_assignsubmission_file_<original>`. Before the name stands
the group and a hyphen where the activity has groups; under blind marking the name is `Participant`. Online texts and
comments lie beside, as `…_assignsubmission_onlinetext` and `…_comments`.
"""

from __future__ import annotations

import re
from typing import Literal

from harness.intake.platforms import Owner, Platform
from harness.text import shown

# The shortest name, so that what a student calls a file never decides whose it is.
_NAME = re.compile(
    r"(?P<name>.+?)_(?P<id>[0-9]{1,18})_assignsubmission_(?P<plugin>[a-z]+)"
    r"(?:_(?!(?:\.zip|\.tar|\.tar\.gz|\.tgz)\Z)(?P<file>.*))?",
    re.DOTALL,
)
_KINDS: dict[str, Literal["files", "text"]] = {"file": "files", "onlinetext": "text"}


def _owner_of(found: str) -> Owner | None:
    match = _NAME.fullmatch(found)
    if match is None:
        return None
    who = match["name"]
    blind = who == "Participant" or who.endswith("-Participant")
    name = shown(f"{who} {match['id']}" if blind else who)
    return Owner(match["id"], name, match["file"] or None, kind=_KINDS.get(match["plugin"], "other"))


MOODLE = Platform(
    summary="Moodle, Download all submissions: a folder for each participant",
    owner_of=_owner_of,
)
