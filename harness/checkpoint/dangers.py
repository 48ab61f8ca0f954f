"""Names in a pickle that run programs or code, or reach files, where somebody unpickles it.

The reader resolves no name, so nothing of it happens here. The list only says what a file is, to its author and to the
instructor; it keeps nothing out, and a name that it lacks is as harmless as one that it has.
"""

from __future__ import annotations

from collections.abc import Iterable

_MODULES = frozenset(
    {
        *("os", "posix", "nt", "subprocess", "pty", "shutil", "sys", "socket", "ctypes", "_ctypes", "importlib"),
        *("runpy", "code", "codeop", "commands", "webbrowser", "pdb", "bdb", "timeit", "cProfile", "profile", "trace"),
        *("multiprocessing", "asyncio", "threading", "_thread", "signal", "marshal", "pickle", "_pickle", "pip", "io"),
        *("imp", "builtins", "__builtin__", "operator", "_operator", "urllib", "http", "ftplib", "smtplib", "tempfile"),
    }
)
_HARMLESS = frozenset(
    {
        *("set", "frozenset", "dict", "list", "tuple", "object", "bytes", "bytearray", "int", "float", "str", "bool"),
        *("complex", "slice", "range", "type", "super", "print", "property", "staticmethod", "classmethod", "len"),
        *("max", "min", "abs", "sum", "round", "zip", "map", "filter", "sorted", "reversed", "enumerate"),
        *("NotImplementedError", "ValueError", "TypeError", "KeyError", "RuntimeError", "Exception", "Ellipsis"),
    }
)
"""Builtins that do nothing to a machine."""
_BUILTINS = ("builtins", "__builtin__")
_CALLING = ("attrgetter", "call", "methodcaller")
"""Functions of `operator` by which a pickle gets from one name to any other."""


def dangerous(names: Iterable[str]) -> list[str]:
    """Return the names, each once and in order, that would do something to the machine of who unpickles the file."""
    return [name for name in dict.fromkeys(names) if _is_dangerous(name)]


def _is_dangerous(name: str) -> bool:
    module, _, inner = name.partition(".")
    if module in _BUILTINS:
        return inner.partition(".")[0] not in _HARMLESS
    if module in ("operator", "_operator"):
        return inner in _CALLING
    if module in ("io", "sys", "threading", "multiprocessing", "tempfile"):
        return inner not in ("BytesIO", "StringIO", "maxsize", "Lock", "RLock", "Event")
    return module in _MODULES
