"""Placeholders for objects that the reader never constructs, the memory budget, and the error type."""

from __future__ import annotations

from typing import Any


class ReadingError(Exception):
    """Raised where a file can't be read; `reading.read` adds the file's name and turns it into a GradingError."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Opaque:
    """A placeholder for a class, function or object that a pickle names, which is never looked up, called or imported.

    `qualified_name` is as in the file ("__main__.Net", "posix.system"). `made` is False for the class or function
    itself, and True for the result of calling it. `args` are the arguments of that call, `state` the object's
    attributes, `items` the values that the pickle appended to it, or the (key, value) pairs that it set.
    """

    __slots__ = ("args", "items", "made", "qualified_name", "state")

    def __init__(self, qualified_name: str, made: bool = False, args: tuple[Any, ...] = ()) -> None:
        self.qualified_name = qualified_name
        self.made = made
        self.args = args
        self.state: dict[Any, Any] = {}
        self.items: list[Any] = []

    def __repr__(self) -> str:
        # Without the content, which may be nested a million levels deep.
        return f"<Opaque {printable(self.qualified_name)}>"


class Unreadable(Opaque):
    """A placeholder for a tensor that is refused.

    One of kind "unsupported" is left out, and missed only if the architecture needs it; with any other, such as a view
    outside its storage, the whole file is refused, once the tensor's name is known.
    """

    __slots__ = ("kind", "reason")

    def __init__(self, qualified_name: str, kind: str, reason: str) -> None:
        super().__init__(qualified_name, made=True)
        self.kind = kind
        self.reason = reason


class Budget:
    """The number of bytes that reading one file may still allocate."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def charge(self, nbytes: int, what: str) -> None:
        """Reserves `nbytes` before they are allocated; ReadingError("too-large") when they exceed the budget."""
        if nbytes > self.left:
            raise ReadingError(
                "too-large",
                f"{what} needs {nbytes:,} bytes; of the {self.limit:,} allowed for a file only {self.left:,} are left",
            )
        self.left -= nbytes


def printable(text: object, limit: int = 80) -> str:
    """Prepares text for a message: escapes control, surrogate and direction characters, and cuts it to `limit`."""
    raw = str(text)[: limit + 1]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in raw)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def several(names: list[str], limit: int = 3) -> str:
    """Lists the first few of `names` in a sentence: "a, b, c and 4 more"."""
    shown = ", ".join(printable(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
