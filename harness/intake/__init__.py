"""Takes in folders, zips, tars and exports of learning platforms, and makes submissions of regular files of them.

Every guard against hostile files is here.
"""

from __future__ import annotations

from harness.intake.classes import is_no_seat, seat_of
from harness.intake.collection import collect, with_manifest
from harness.intake.copies import Copy, copied, stamp
from harness.intake.digests import digest, tree_digest
from harness.intake.regular_files import listed, open_file, opened

__all__ = [
    "Copy",
    "collect",
    "copied",
    "digest",
    "is_no_seat",
    "listed",
    "open_file",
    "opened",
    "seat_of",
    "stamp",
    "tree_digest",
    "with_manifest",
]
