"""The three pipes between the parent and one worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

from harness.sandbox.wire import Channel, widen


class Pipes:
    """Requests, replies and log; a context manager around starting the worker.

    Of the three, the child's ends are closed here once it has them, and all of them if it never does.
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
        """The parent's ends, which are the channel's to close from now on."""
        channel = Channel(self._request_write, self._reply_read, self.log_read, watch)
        self._ours = []
        return channel

    def __exit__(self, *_: object) -> None:
        for descriptor in (self.request_read, self.reply_write, self.log_write, *self._ours):
            os.close(descriptor)
