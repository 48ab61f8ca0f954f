"""Gradescope's export "Export Submissions": folders `submission_<id>/` beside submission_metadata.yml.

The metadata are YAML with Ruby symbols as keys. Only the lines `submission_<id>:` and `:name: <name>` are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.intake.platforms import Owner, Platform
from harness.text import shown


def _owners(text: str) -> Mapping[str, Owner]:
    people: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        if match := re.fullmatch(r"(submission_[0-9]{1,18}):\s*", line):
            current = people.setdefault(match[1], [])
        elif re.match(r"\S", line):
            current = None
        elif current is not None and (match := re.fullmatch(r"\s+(?:- )?:name: (.+)", line)):
            current.append(match[1].strip().strip("'\""))
    return {
        folder: Owner(folder.removeprefix("submission_"), shown(" & ".join(names)) or folder)
        for folder, names in people.items()
    }


GRADESCOPE = Platform(
    summary="Gradescope, Export Submissions: a folder for each submission, beside submission_metadata.yml",
    metadata="submission_metadata.yml",
    owners=_owners,
)
