"""Restricts the process to an allow-list of paths with Landlock, which needs no privilege. Source: landlock(7)."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_TRUNCATE = 1 << 14
_EVERYTHING = (1 << 13) - 1
_ADDED_BY_VERSION = {2: 1 << 13, 3: _TRUNCATE, 5: 1 << 15}
"""Rights by the interface version that added them: moving between folders, truncation, device control."""
_NETWORK_FROM = 4
_SCOPE_FROM = 6
_BIND_AND_CONNECT_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

_READ = _READ_FILE | _READ_DIR
_FILE_RIGHTS = _WRITE_FILE | _READ_FILE | _TRUNCATE
_DEVICES_AND_SOCKETS = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)
"""Rights to create character devices, sockets, FIFOs and block devices: never granted, not even in /tmp."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("filesystem", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


_LIBRARY = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version of the kernel's Landlock interface; 0 where it has none."""
    return max(0, int(_LIBRARY.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)))


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock, {what}: {os.strerror(number)}")
    return result


def confine(read: Sequence[str], listing: Sequence[str], write: Sequence[str]) -> int:
    """Allows reading beneath `read`, listing beneath `listing`, reading and writing beneath `write`; nothing else.

    Creating devices and sockets and running programs is never allowed, nor TCP, nor signals and abstract sockets to
    other processes, as far as the kernel's version knows these rights. The restriction holds for the calling thread
    and those that it starts, so this must be called before any library starts threads. Paths that don't exist are
    skipped. Returns the version used; OSError where Landlock is missing.
    """
    found = version()
    if found == 0:
        raise OSError("the kernel has no Landlock")
    known = _EVERYTHING
    for needed, right in _ADDED_BY_VERSION.items():
        if found >= needed:
            known |= right
    attributes = _Ruleset(
        known,
        _BIND_AND_CONNECT_TCP if found >= _NETWORK_FROM else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if found >= _SCOPE_FROM else 0,
    )
    size = 24 if found >= _SCOPE_FROM else 16 if found >= _NETWORK_FROM else 8
    ruleset = _check(
        _LIBRARY.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0), "creating a rule set"
    )
    try:
        writing = known & ~1 & ~_DEVICES_AND_SOCKETS
        for paths, rights in ((read, _READ), (listing, _READ_DIR), (write, writing)):
            for path in paths:
                _add(ruleset, path, rights & known)
        _check(_LIBRARY.syscall(_RESTRICT_SELF, ruleset, 0), "restricting the process")
    finally:
        os.close(ruleset)
    return found


def _add(ruleset: int, path: str, rights: int) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            rights &= _FILE_RIGHTS
        if rights:
            rule = _Beneath(rights, target)
            _check(
                _LIBRARY.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0), f"adding a rule for {path}"
            )
    finally:
        os.close(target)
