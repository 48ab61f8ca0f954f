"""Likeness of entries: sketches that are kept beside records, and the distances between them, all pairs at once.

A task says what its sketches are (`harness.tasks.base.Sketched`); `kinds.KINDS` lists how sketches are compared. What
was measured, thresholds among it, is in docs/evidence.md.
"""
