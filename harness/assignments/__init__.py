"""Assignments: a folder for each, with assignment.toml and, where wanted, architectures.py and tasks.py."""
