"""Metrics: one a file, pure functions of arrays and generators, each with its source on top."""
