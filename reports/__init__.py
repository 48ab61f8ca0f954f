"""Leaderboard and pages, derived from records alone: nothing here grades, loads a model or reads a submission."""

from __future__ import annotations
