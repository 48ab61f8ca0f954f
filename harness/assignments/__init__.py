"""Assignments: a folder for each, with assignment.toml and, where wanted, architectures.py and tasks.py."""

DEFAULT = "tsinghua-hw3"
"""The assignment that commands take where none is named."""
