"""Digests of sources."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
from harness import provenance

SOURCES = sorted(Path(harness.__file__).parent.rglob("*.py"))


def test_many_threads_may_ask_for_digests_at_a_time():
    # Python 3.11's parser raises SystemError at random where two threads use it.
    parse = provenance._imported.__wrapped__
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda path: parse(path, ""), SOURCES * 3))
    assert found == [provenance._imported(path, "") for path in SOURCES] * 3
