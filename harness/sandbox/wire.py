"""The protocol between the trusted parent and an untrusted worker: frames over two pipes.

Parent to worker: u32 length, JSON header, the raw arrays and bytes that the header lists.
Worker to parent: one tag byte, u32 length, JSON text, and for tag `A` the raw arrays, whose number, type and size the
parent knows beforehand. Nothing that the worker sends decides how much the parent reads: text has a maximum length,
arrays have the size that the question specifies, and every read and write has a deadline.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from harness.types import Array, ArraySpec

TAG_ARRAYS = b"A"
TAG_TEXT = b"T"
TAG_ERROR = b"E"

TEXT_LIMIT = 64 << 10
"""Maximum length of the JSON text of an error or of notes, in bytes."""
LOG_LIMIT = 64 << 10
"""Number of bytes kept of a worker's stdout and stderr: the last ones."""

_CHUNK = 1 << 20
_PART = 1 << 18
"""Bytes of a file that are received at a time: they stay in the processor's cache until they are put together."""
_WATCH_SECONDS = 0.05
_LENGTH = struct.Struct("<I")


class WireError(Exception):
    """Raised when the exchange with a worker has failed for good; `kind` says why."""

    def __init__(self, kind: Literal["timeout", "closed", "protocol", "threads", "files"], message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Channel:
    """The parent's end of the pipes: never blocks beyond a deadline, and drains the worker's log while it waits.

    `watch` and `pulse` are called about twenty times a second while waiting; they may raise, `watch` a `WireError`. The
    channel owns the three descriptors, which it closes.
    """

    def __init__(self, send: int, receive: int, log: int, watch: Callable[[], None] | None = None) -> None:
        self._send, self._receive, self._log = send, receive, log
        self._watch = watch
        self.pulse: Callable[[], None] | None = None
        self._watch_again_at = 0.0
        self._kept = bytearray()
        self.log_bytes = 0
        self._log_open = True
        for descriptor in (send, receive, log):
            os.set_blocking(descriptor, False)

    @property
    def log(self) -> bytes:
        """The last bytes that the worker printed, at most `LOG_LIMIT`."""
        return bytes(self._kept[-LOG_LIMIT:])

    def send(self, header: Mapping[str, Any], parts: Sequence[Array | bytes], deadline: float) -> None:
        """Sends a request. WireError when `deadline`, a time of `time.monotonic()`, passes or the worker is gone."""
        text = json.dumps(header, allow_nan=False).encode()
        buffers = [memoryview(_LENGTH.pack(len(text)) + text)]
        for part in parts:
            raw = part if isinstance(part, bytes) else np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
            buffers.append(memoryview(raw))
        for buffer in buffers:
            while buffer:
                self._wait(self._send, select.POLLOUT, deadline)
                try:
                    buffer = buffer[os.write(self._send, buffer[:_CHUNK]) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise WireError("closed", "the worker closed its connection") from None

    def receive(
        self, wanted: Mapping[str, ArraySpec] | None, deadline: float, text_limit: int = TEXT_LIMIT
    ) -> tuple[bytes, bytes, dict[str, Array]]:
        """Receives one reply: its tag, its text, and its arrays (empty unless the tag is `A`).

        An `A` reply is accepted only where arrays are `wanted`, a `T` reply only where they aren't, and an `E` reply
        always. WireError when the deadline passes, the worker is gone, or the reply breaks the protocol.
        """
        tag = bytes(self._exactly(memoryview(bytearray(1)), deadline))
        if tag not in (TAG_ERROR, TAG_TEXT if wanted is None else TAG_ARRAYS):
            raise WireError("protocol", f"a reply began with the byte 0x{tag.hex()}, which is not a tag allowed here")
        (length,) = _LENGTH.unpack(self._exactly(memoryview(bytearray(_LENGTH.size)), deadline))
        allowed = TEXT_LIMIT if tag == TAG_ERROR else text_limit
        if length > allowed:
            raise WireError("protocol", f"a reply announced {length:,} bytes of text; at most {allowed:,} are allowed")
        text = bytes(self._exactly(memoryview(bytearray(length)), deadline))
        arrays: dict[str, Array] = {}
        if tag == TAG_ARRAYS and wanted is not None:
            for name, spec in wanted.items():
                flat = np.empty(spec.nbytes, dtype=np.uint8)
                self._exactly(memoryview(flat.data), deadline)
                arrays[name] = flat.view(np.dtype(spec.dtype)).reshape(spec.shape)
        if self.pending():
            raise WireError("protocol", "a reply was longer than the answer that was asked for")
        return tag, text, arrays

    def pending(self) -> bool:
        """Tells whether the pipe holds bytes now; between two requests, they are ones that nobody asked for."""
        poller = select.poll()
        poller.register(self._receive, select.POLLIN)
        return any(event & select.POLLIN for _, event in poller.poll(0))

    def drain(self, most: int = 4 << 20) -> None:
        """Reads what the log holds now, at most about `most` bytes, without waiting."""
        end = self.log_bytes + most
        while self._log_open and self.log_bytes < end and self._take_log():
            pass

    def close(self) -> None:
        """Closes all three descriptors. May be called twice."""
        for descriptor in (self._send, self._receive, self._log):
            if descriptor >= 0:
                os.close(descriptor)
        self._send = self._receive = self._log = -1
        self._log_open = False

    def _exactly(self, view: memoryview, deadline: float) -> memoryview:
        """Fills `view` from the worker, and returns it."""
        filled = 0
        while filled < len(view):
            self._wait(self._receive, select.POLLIN, deadline)
            try:
                count = os.readv(self._receive, [view[filled : filled + _CHUNK]])
            except BlockingIOError:
                continue
            if count == 0:
                raise WireError("closed", "the worker closed its connection")
            filled += count
        return view

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        """Waits until `descriptor` is ready or its other end is gone; WireError when the deadline passes."""
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise WireError("timeout", "the deadline passed")
            watched = self._watch is not None or self.pulse is not None
            if watched and now >= self._watch_again_at:
                self._watch_again_at = now + _WATCH_SECONDS
                for call in (self._watch, self.pulse):
                    if call is not None:
                        call()
            poller = select.poll()
            poller.register(descriptor, event)
            if self._log_open:
                poller.register(self._log, select.POLLIN)
            longest = min(deadline - now, _WATCH_SECONDS) if watched else deadline - now
            ready = dict(poller.poll(max(1, int(longest * 1000))))
            if self._log in ready:
                self._take_log()
            if descriptor in ready:
                return

    def _take_log(self) -> bool:
        """Reads once from the log; False when it holds nothing more for now."""
        try:
            data = os.read(self._log, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            self._log_open = False
            return False
        self.log_bytes += len(data)
        self._kept += data
        if len(self._kept) > 4 * LOG_LIMIT:
            del self._kept[:-LOG_LIMIT]
        return True


class WorkerEnd:
    """The worker's end of the pipes. It trusts the parent, so it blocks without deadlines."""

    def __init__(self, receive: int, send: int) -> None:
        self._receive, self._send = receive, send

    def request(self) -> tuple[dict[str, Any], dict[str, Array], bytes]:
        """Receives the next request: header, arrays by name, and the file's bytes. EOFError when the parent is gone."""
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        header: dict[str, Any] = json.loads(self._read(length))
        arrays: dict[str, Array] = {}
        for name, dtype, shape in header.get("arrays", []):
            array = np.empty(shape, dtype=dtype)
            self._fill(memoryview(array.reshape(-1).view(np.uint8).data))
            arrays[name] = array
        return header, arrays, self._file(header.get("file_bytes", 0))

    def reply_text(self, value: Any) -> None:
        """Sends any JSON value."""
        self._reply(TAG_TEXT, value, ())

    def reply_arrays(self, notes: Sequence[str], arrays: Iterable[Array]) -> None:
        """Sends notes, and the arrays that were asked for, in order."""
        self._reply(TAG_ARRAYS, list(notes), arrays)

    def reply_error(self, stage: str, kind: str, message: str, detail: str) -> None:
        """Sends an error, shortened so that it always fits: JSON writes a character as at most twelve bytes."""
        report = {"stage": stage, "kind": kind, "message": message[:1500], "detail": detail[-3000:]}
        self._reply(TAG_ERROR, report, ())

    def _reply(self, tag: bytes, value: Any, arrays: Iterable[Array]) -> None:
        text = json.dumps(value).encode()
        self._write(memoryview(tag + _LENGTH.pack(len(text)) + text))
        for array in arrays:
            self._write(memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data))

    def _read(self, count: int) -> bytearray:
        buffer = bytearray(count)
        self._fill(memoryview(buffer))
        return buffer

    def _file(self, count: int) -> bytes:
        # A buffer of this kind gives its bytes away, where others copy them.
        buffer, space = io.BytesIO(), memoryview(bytearray(min(count, _PART)))
        while (left := count - buffer.tell()) > 0:
            part = space[:left]
            self._fill(part)
            buffer.write(part)
        return buffer.getvalue()

    def _fill(self, view: memoryview) -> None:
        filled = 0
        while filled < len(view):
            count = os.readv(self._receive, [view[filled:]])
            if count == 0:
                raise EOFError
            filled += count

    def _write(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._send, view) :]


def widen(descriptor: int) -> None:
    """Enlarges the buffer of a pipe to 1 MiB where the system allows it, so that large arrays take fewer turns."""
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CHUNK)
