"""Makes the three pipes between the parent and one worker, and reads from pipes with a deadline."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Self

from harness.sandbox.wire import Channel, widen


class Pipes:
    """The pipes for requests, replies and log; a context manager around the start of the worker.

    On exit the child's ends are closed here, and the parent's too unless `channel` was called.
    """

    def __enter__(self) -> Self:
        self.request_read, self._request_write = os.pipe2(os.O_CLOEXEC)
        self._reply_read, self.reply_write = os.pipe2(os.O_CLOEXEC)
        self.log_read, self.log_write = os.pipe2(os.O_CLOEXEC)
        self._ours = [self._request_write, self._reply_read, self.log_read]
        for descriptor in (self._request_write, self._reply_read):
            widen(descriptor)
        return self

    def channel(self, watch: Callable[[], None] | None) -> Channel:
        """A channel over the parent's ends, which closes them from now on."""
        channel = Channel(self._request_write, self._reply_read, self.log_read, watch)
        self._ours = []
        return channel

    def __exit__(self, *_: object) -> None:
        for descriptor in (self.request_read, self.reply_write, self.log_write, *self._ours):
            os.close(descriptor)


def read_in_time(descriptor: int, seconds: float, end: bytes | None = None) -> bytes:
    """Reads until the other end closes, or until the text ends with `end`, white space aside.

    ValueError where neither happens within `seconds`.
    """
    deadline = time.monotonic() + seconds
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    text = b""
    while end is None or not text.rstrip().endswith(end):
        if not poller.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            raise ValueError(f"no answer within {seconds:g} s")
        data = os.read(descriptor, 1 << 16)
        if not data:
            break
        text += data
    return text
