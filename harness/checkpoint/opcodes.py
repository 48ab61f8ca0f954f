"""Decodes the opcodes of a pickle from a bounded window of a file."""

from __future__ import annotations

import pickletools
import sys
from collections.abc import Iterator
from typing import Any

from harness.checkpoint.inert import Budget, ReadingError

MAX_OPCODES = 2_000_000
MAX_PICKLE = 128 << 20
"""Maximum bytes of a single pickle without its tensors: enough for a large training log."""


class Window:
    """The part of a file object's interface that `pickletools.genops` uses; reads copy no more than the file holds."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.position = 0
        self.end = len(data)

    def restart(self) -> None:
        """Begins the next pickle, which may have `MAX_PICKLE` bytes of its own."""
        self.end = min(len(self.data), self.position + MAX_PICKLE)

    def tell(self) -> int:
        """The byte offset in the file."""
        return self.position

    def read(self, count: int) -> bytes:
        """Reads at most `count` bytes; fewer at the file's end."""
        stop = min(self.position + count, self.end)
        chunk = bytes(self.data[self.position : stop])
        self._advance(stop, len(chunk) < count)
        return chunk

    def readline(self) -> bytes:
        """Reads up to and including the next line feed."""
        start = stop = self.position
        while stop < self.end:
            block = bytes(self.data[stop : min(stop + 4096, self.end)])
            found = block.find(b"\n")
            stop += len(block) if found < 0 else found + 1
            if found >= 0:
                break
        self._advance(stop, False)
        return bytes(self.data[start:stop])

    def _advance(self, stop: int, short: bool) -> None:
        self.position = stop
        if short and self.end < len(self.data):
            raise ReadingError("too-large", f"its pickle is longer than {MAX_PICKLE:,} bytes, which are allowed")

    @property
    def exhausted(self) -> bool:
        """Tells whether the file has no more bytes."""
        return self.position >= len(self.data)


def opcodes(window: Window, budget: Budget) -> Iterator[tuple[str, Any]]:
    """Yields (name, argument) of each opcode up to and including STOP.

    ReadingError of kind "truncated" where the data end before STOP, "malformed" for an invalid opcode or argument,
    "too-large" for more than `MAX_OPCODES` opcodes, a pickle of more than `MAX_PICKLE` bytes, or strings over budget.
    """
    window.restart()
    stream = pickletools.genops(window)  # type: ignore[arg-type]
    for _ in range(MAX_OPCODES):
        start = window.tell()
        try:
            opcode, argument, _position = next(stream)
        except ReadingError:
            raise
        except Exception as error:
            # genops reads what is left before it raises because that is too little.
            if window.exhausted or "remain" in str(error) or "exhausted" in str(error):
                raise ReadingError("truncated", f"its pickle breaks off at byte {start:,}") from None
            raise ReadingError("malformed", f"its pickle is damaged at byte {start:,}") from None
        if isinstance(argument, (str, bytes, bytearray)):
            if len(argument) > 1024:
                budget.charge(sys.getsizeof(argument), "a string")
        elif type(argument) is int and argument.bit_length() > 8192:
            raise ReadingError(
                "malformed", f"its pickle holds an integer of {argument.bit_length():,} bits; at most 8,192 are allowed"
            )
        yield opcode.name, argument
        if opcode.name == "STOP":
            return
    raise ReadingError("too-large", f"its pickle has more than {MAX_OPCODES:,} opcodes")
