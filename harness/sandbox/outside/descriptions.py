"""Reads the description of a checkpoint that a worker sends: JSON values, with all text escaped."""

from __future__ import annotations

import json
from typing import Any

from harness.text import plain_text


def description_of(text: bytes) -> dict[str, Any]:
    """Return the description. Raises ValueError where it is no JSON object; the message says what it is."""
    try:
        value = _escaped(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value, 2000)
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {plain_text(key, 500): _escaped(item) for key, item in value.items()}
    return value
