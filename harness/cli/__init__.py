"""The command `gradebench`."""

from __future__ import annotations

from harness.cli.app import main

__all__ = ["main"]

EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as a shell reports it."""
