"""Runs grading in stages: ask, mark, compare, score; each stage's result is kept and keyed by what decides it."""
