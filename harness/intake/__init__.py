"""Takes in folders, zips, tars and exports of learning platforms, and makes submissions of regular files of them.

Every guard against hostile files is here.
"""

from __future__ import annotations

from harness.intake.collection import collect, with_manifest
from harness.intake.digests import digest, tree_digest
from harness.intake.regular_files import listed, open_file

__all__ = ["collect", "digest", "listed", "open_file", "tree_digest", "with_manifest"]
