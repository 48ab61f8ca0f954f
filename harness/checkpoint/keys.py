"""Puts dictionary items from a pickle, with keys whose hashes are cheap to compute."""

from __future__ import annotations

from typing import Any

from harness.checkpoint.inert import printable


def put(target: dict[Any, Any], key: Any, value: Any) -> None:
    """Sets `target[key] = value`; a key that isn't a scalar is replaced by a text that describes it.

    Nested tuples can take exponential time to hash ("hash laughs") or overflow the C stack, and unbounded integers can
    be chosen to collide. Valid checkpoints contain neither, although optimizers pickled whole are keyed by tensors.
    """
    if key is None or isinstance(key, (str, bytes, bool, float)) or (type(key) is int and key.bit_length() < 61):
        target[key] = value
        return
    shown = type(key).__name__
    if isinstance(key, tuple) and len(key) <= 8 and all(type(part) in (int, str, bool) for part in key):
        shown = printable(tuple(printable(part, 20) if isinstance(part, str) else part % (1 << 61) for part in key))
    if shown in target or not isinstance(key, tuple):
        shown = f"<{shown} {len(target)}>"
    target[shown] = value
