"""Names the tensors of an inert tree by dotted paths, as `state_dict()` does for a module that was pickled whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.checkpoint.inert import Opaque, ReadingError, Unreadable, printable
from harness.checkpoint.storages import MAX_TENSORS
from harness.types import Array

MAX_DEPTH = 100
MAX_NODES = 2_000_000
MAX_NAME = 500
"""Maximum length of a tensor's name, in characters."""


@dataclass(frozen=True)
class Named:
    """A tensor and its place in the tree."""

    name: str
    array: Array
    container: str
    """Dotted name of the state dict or module that holds it; "" for the file's root."""
    extra: bool
    """True if `state_dict()` would omit it: a plain attribute or a non-persistent buffer of a module."""


def is_module(node: Any) -> bool:
    """Tells whether `node` is a torch module that was pickled whole."""
    return isinstance(node, Opaque) and all(
        isinstance(node.state.get(part), dict) for part in ("_parameters", "_buffers", "_modules")
    )


def holds_module(tree: Any) -> bool:
    """Tells whether a file's root, or a value of the dictionary at its root, is a module that was pickled whole."""
    return any(map(is_module, [tree, *(tree.values() if isinstance(tree, dict) else ())]))


class _Walk:
    """A walk through a tree, with its counters and the nodes that it is inside of."""

    def __init__(self, unread: dict[str, str]) -> None:
        self.unread = unread
        self.nodes = 0
        self.tensors = 0
        self.open: set[int] = set()

    def visit(self, node: Any, name: str, container: str, extra: bool, in_module: bool) -> Iterator[Named]:
        """Yields the tensors of `node`, which is called `name`."""
        if isinstance(node, np.ndarray):
            self.tensors += 1
            if self.tensors > MAX_TENSORS:
                raise ReadingError("too-large", f"it holds more than {MAX_TENSORS:,} tensors")
            if len(name) > MAX_NAME:
                raise ReadingError("malformed", f"tensor {printable(name)} has a name of over {MAX_NAME} characters")
            yield Named(name or "array", node, container, extra)
        elif isinstance(node, Unreadable):
            if node.kind != "unsupported":
                raise ReadingError(node.kind, f"tensor {printable(name)} {node.reason}")
            if len(self.unread) >= MAX_TENSORS:
                raise ReadingError("too-large", f"it holds more than {MAX_TENSORS:,} tensors that can't be read")
            self.unread.setdefault(name, node.reason)
        elif isinstance(node, (dict, list, tuple, Opaque)):
            # Objects may refer back to their holders.
            if id(node) in self.open:
                return
            if len(self.open) >= MAX_DEPTH:
                raise ReadingError("malformed", f"it is nested more than {MAX_DEPTH} levels deep at {printable(name)}")
            self.open.add(id(node))
            for key, child, is_extra, stays in _children(node):
                self.nodes += 1
                if self.nodes > MAX_NODES:
                    raise ReadingError("too-large", f"it holds more than {MAX_NODES:,} values")
                if not isinstance(child, (np.ndarray, dict, list, tuple, Opaque)):
                    continue
                # One character more than allowed is enough for `visit` to refuse a tensor of this name.
                inner = (f"{name}.{key}" if name else key)[: MAX_NAME + 1]
                owner = container if in_module and is_module(node) else name
                yield from self.visit(child, inner, owner, extra or is_extra, stays)
            self.open.discard(id(node))


def _children(node: Any) -> Iterator[tuple[str, Any, bool, bool]]:
    """Yields (key, child, whether extra, whether the child is a submodule) for the children of a node."""
    if isinstance(node, dict):
        yield from ((str(key), child, False, False) for key, child in node.items())
    elif isinstance(node, (list, tuple)):
        yield from ((str(index), child, False, False) for index, child in enumerate(node))
    elif is_module(node):
        state = node.state
        fleeting = state.get("_non_persistent_buffers_set")
        fleeting = [key for key in fleeting if isinstance(key, str)] if isinstance(fleeting, list) else []
        for part in ("_parameters", "_buffers", "_modules"):
            for key, child in state[part].items():
                yield str(key), child, part == "_buffers" and key in fleeting[:1000], part == "_modules"
        for key, child in state.items():
            if not str(key).startswith("_"):
                yield str(key), child, True, False
    else:
        yield from ((str(key), child, False, False) for key, child in node.state.items())
        for index, item in enumerate(node.items):
            pair = isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
            yield (item[0], item[1], False, False) if pair else (str(index), item, False, False)


def tensors(tree: Any, unread: dict[str, str] | None = None) -> Iterator[Named]:
    """Yields every tensor of the tree, in the file's order.

    A tensor that several nodes share is yielded once for each of them. Tensors of a kind that can't be read are left
    out; `unread` gets their names, each with the reason. ReadingError for a damaged tensor, for nesting deeper than
    `MAX_DEPTH`, and for more values, tensors or characters in a name than allowed.
    """
    return _Walk({} if unread is None else unread).visit(tree, "", "", False, False)
