"""Inflates gzip, bzip2 and xz piece by piece, with a bound on memory and on streams that give nothing.

Formats: RFC 1952, bzip2 1.0, and the .xz file format 1.2. Several streams one after another are one file, as parallel
compressors write them.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Protocol

_CHUNK = 1 << 16
_MOST_STREAMS = 100_000
"""Streams in a file: 4 GiB in blocks of 64 KiB, as bgzip makes them, are fewer."""
_XZ_MEMORY = 288 << 20
"""Bytes that xz may take: those of a dictionary of 256 MiB, four times that of xz -9."""

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
"""Kind of compression by the first bytes of a file."""


class StreamError(Exception):
    """The file is damaged, cut off, or needs more memory than is allowed."""


class _Engine(Protocol):
    """One stream, as bz2 and lzma offer it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """A gzip stream with the interface of bz2's."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        given = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = not self._inner.unconsumed_tail and len(given) < max_length
        return given


def _xz() -> _Engine:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_ENGINES: dict[str, Callable[[], _Engine]] = {"gzip": _Gzip, "bzip2": bz2.BZ2Decompressor, "xz": _xz}


def compression(head: bytes) -> str | None:
    """Return how a file is compressed, by its first bytes: "gzip", "bzip2", "xz", or None."""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)


class Decompressed:
    """The inflated bytes of a compressed file.

    Parameters
    ----------
    file : opened for reading, at its start
    kind : one of the values of `MAGIC`
    check : called for each piece of input, so that one that gives no output can be ended, too
    """

    def __init__(self, file: IO[bytes], kind: str, check: Callable[[], None] = lambda: None) -> None:
        self._file, self._kind, self._check = file, kind, check
        self._engine: _Engine | None = None
        self._pending = b""
        self._streams = 0

    def read(self, count: int, /) -> bytes:
        """Read at most `count` bytes; none at the end. StreamError if the file is damaged."""
        while True:
            self._check()
            if self._engine is None and not self._next_stream():
                return b""
            given = self._inflate(count)
            if given:
                return given

    def _next_stream(self) -> bool:
        """Begin the next stream; return False at the end of the file. Zeros between streams are padding."""
        begins = self._pending.lstrip(b"\0")
        while not begins:
            self._check()
            chunk = self._file.read(_CHUNK)
            if not chunk:
                return False
            begins = chunk.lstrip(b"\0")
        self._pending = begins
        self._streams += 1
        if self._streams > _MOST_STREAMS:
            raise StreamError(f"it is made of more than {_MOST_STREAMS:,} {self._kind} streams")
        self._engine = _ENGINES[self._kind]()
        return True

    def _inflate(self, count: int) -> bytes:
        assert self._engine is not None
        data = b""
        if self._engine.needs_input:
            data, self._pending = self._pending or self._file.read(_CHUNK), b""
            if not data:
                raise StreamError(f"its {self._kind} stream is cut off")
        try:
            given = self._engine.decompress(data, count)
        except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
            if "emory" in str(error):
                most = _XZ_MEMORY >> 20
                raise StreamError(f"to unpack it takes more than {most} MiB of memory, the most allowed") from None
            raise StreamError(f"its {self._kind} stream is damaged ({error})") from None
        if self._engine.eof:
            self._pending, self._engine = self._engine.unused_data, None
        return given
