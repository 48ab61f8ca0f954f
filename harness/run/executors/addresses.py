"""Tells the addresses of schedulers that may be used from those that may not.

Whoever reaches a Dask scheduler or worker can run code there as its user: the protocol carries pickles, and has no
password. So it has to be reachable from this machine alone, or under TLS, where both sides show certificates.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

SECURE = "tls"


def problem(address: str) -> str:
    """Return a sentence on why a scheduler's address can't be used; empty if it can.

    >>> problem("tcp://127.0.0.1:8786")
    ''
    """
    if not address:
        return "--executor dask needs --scheduler ADDRESS, such as tls://10.0.0.5:8786 or tcp://127.0.0.1:8786"
    protocol, _, rest = address.partition("://") if "://" in address else ("", "", address)
    if protocol == SECURE or is_local(address):
        return ""
    if protocol not in ("", "tcp"):
        return f"--scheduler {address}: write tls://HOST:PORT (or tcp://127.0.0.1:PORT for one on this machine)"
    return (
        f"--scheduler {address}: it is neither on this machine nor under TLS, so anybody on the network could run code "
        f"on its hosts and read the truth. Start it and its workers with TLS (docs/cluster.md) and write "
        f"--scheduler tls://{rest}"
    )


def is_local(address: str) -> bool:
    """Tell whether an address can be reached from its own machine alone.

    >>> [is_local(one) for one in ("tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1", "tcp://10.0.0.5:1")]
    [True, True, True, False]
    """
    protocol, _, rest = address.partition("://") if "://" in address else ("tcp", "", address)
    host = rest.partition(":")[0] if rest.count(":") == 1 else rest.partition("]")[0].lstrip("[")
    if protocol != "tcp":
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def exposed(listening: Iterable[str]) -> str:
    """Return the first of the addresses of a scheduler and its workers that others can reach without TLS, or ""."""
    return next((one for one in listening if not one.startswith(f"{SECURE}://") and not is_local(one)), "")
