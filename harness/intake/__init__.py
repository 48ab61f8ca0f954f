"""Intake: folders, zips, tars and LMS exports in, submissions of regular files out. Every guard is here."""

from __future__ import annotations

from harness.intake.submissions import collect, digest, open_file, tree_digest

__all__ = ["collect", "digest", "open_file", "tree_digest"]
