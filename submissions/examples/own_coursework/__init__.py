"""A coursework of an instructor's own, to copy and change (see README.md)."""
