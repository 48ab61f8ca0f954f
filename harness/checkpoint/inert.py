"""Values that stand for what a checkpoint names but this reader will not make, and what bounds and refuses them."""

from __future__ import annotations

from typing import Any


class ReadingError(Exception):
    """Why a file can't be read; `reading.read` adds the file's name and turns it into a GradingError."""

    def __init__(self, kind: str, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.detail = detail


class Opaque:
    """A class, function or object that a pickle names. It was neither looked up, nor called, nor imported.

    `qualified_name` is as in the file ("__main__.Net", "posix.system"); `made` is False for the bare name and True for
    what a call or an instantiation of it would have given. `args` are the call's arguments, `state` the attributes,
    `items` what the pickle appended (values) or set ((key, value) pairs) where the class is a container.
    """

    __slots__ = ("args", "items", "made", "qualified_name", "state")

    def __init__(self, qualified_name: str, made: bool = False, args: tuple[Any, ...] = ()) -> None:
        self.qualified_name = qualified_name
        self.made = made
        self.args = args
        self.state: dict[Any, Any] = {}
        self.items: list[Any] = []

    def __repr__(self) -> str:
        # Without its content: that may be nested a million deep.
        return f"<Opaque {printable(self.qualified_name)}>"


class Unreadable(Opaque):
    """Stands where a tensor should be that this reader refuses; the whole file is, once the tensor's name is known."""

    __slots__ = ("kind", "reason")

    def __init__(self, qualified_name: str, kind: str, reason: str) -> None:
        super().__init__(qualified_name, made=True)
        self.kind = kind
        self.reason = reason


class Budget:
    """Bytes that reading one file may still allocate for what it returns."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def charge(self, nbytes: int, what: str) -> None:
        """Take `nbytes` before they are allocated; ReadingError("too-large") when they are not there."""
        if nbytes > self.left:
            raise ReadingError(
                "too-large",
                f"{what} needs {nbytes:,} bytes, but of the {self.limit:,} for a file only {self.left:,} are left",
            )
        self.left -= nbytes


def printable(text: object, limit: int = 80) -> str:
    """`text` on one line for a message: control, surrogate and direction characters escaped, at most `limit` long."""
    raw = str(text)[: limit + 1]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in raw)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def several(names: list[str], limit: int = 3) -> str:
    """The first few of `names` for a sentence: "a, b, c and 4 more"."""
    shown = ", ".join(printable(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
