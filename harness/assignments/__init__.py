"""Assignments: a folder for each, with assignment.toml and, where a coursework has its own, architectures.py, tasks.py."""
