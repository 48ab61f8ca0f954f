"""The functions that a Dask worker runs; all that goes in and comes out is bytes and text.

A worker holds a host (`host.Host`) for each run that it works for, and closes those that have not been used for longest
when others come.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, OrderedDict

from harness.run.executors.host import Host
from harness.run.executors.kit import other_origin
from harness.sandbox.outside import probe

REFUSED, ANSWERED = b"0", b"1"
"""The first byte of a result: a sentence follows, or a parcel."""
_HELD = 2
"""Hosts that are held at a time, besides those at work."""

_lock = threading.Lock()
_hosts: OrderedDict[str, Host] = OrderedDict()
_busy: Counter[str] = Counter()


def described(kit: bytes, expected: str) -> str:
    """Return, as JSON, the worker's isolation level, and a sentence on why it can't work for the run; else empty.

    The kit is only waited for, so that it is here before the first entry. `expected` is `kit.origin` of the parent, as
    JSON.
    """
    return json.dumps({"level": probe().level, "problem": other_origin(json.loads(expected), _address())})


def work(kit: bytes, expected: str, run: str, parcel: bytes) -> bytes:
    """Return the reply to a parcel of a run, whose name is any text that no other run has. Never raises."""
    try:
        if problem := other_origin(json.loads(expected), _address()):
            return REFUSED + problem.encode()
        host = _taken(run, kit)
    except Exception as error:
        return REFUSED + f"The host {_address()} could not start: {type(error).__name__}: {error}".encode()
    try:
        return ANSWERED + host.reply(parcel)
    finally:
        with _lock:
            _busy[run] -= 1


def forget(run: str) -> None:
    """Close the host of a run that has ended."""
    with _lock:
        host = _hosts.pop(run, None)
        _busy.pop(run, None)
    if host is not None:
        host.close()


def _taken(run: str, kit: bytes) -> Host:
    """The host of a run, which is at work until `_busy` says otherwise."""
    from distributed import get_worker

    with _lock:
        if run not in _hosts:
            _hosts[run] = Host(kit, get_worker().local_directory)
        _hosts.move_to_end(run)
        _busy[run] += 1
        for old in list(_hosts)[:-_HELD]:
            if not _busy[old]:
                _hosts.pop(old).close()
        return _hosts[run]


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)
