"""Says how a worker ended, and what it printed, in sentences for the student."""

from __future__ import annotations

from harness.sandbox.outside.limits import GIB, Limits
from harness.sandbox.outside.process import Exit
from harness.sandbox.wire import LOG_LIMIT, Channel
from harness.text import plain_text


def ending_of(ended: Exit, what: str, limits: Limits) -> tuple[str, str]:
    """Return the kind of failure and the sentence for a worker that ended by itself."""
    memory = f"{limits.memory / GIB:.3g} GiB"
    if ended.signal in (9, 24):
        if ended.signal == 24:
            return "timeout", f"{what} used more than {limits.cpu_seconds} s of processor time and was stopped."
        return "memory", f"{what}: the process was killed, most likely for using too much memory; {memory} are allowed."
    if ended.signal is not None:
        name = {4: "illegal instruction", 6: "abort", 7: "bus error", 8: "arithmetic error", 11: "segmentation fault"}
        found = name.get(ended.signal, "signal")
        return "crashed", f"{what}: the process crashed ({found}, signal {ended.signal})."
    if ended.code is not None:
        return "crashed", f"{what}: the process ended by itself with exit code {ended.code} instead of answering."
    return "protocol", f"{what}: the process closed its connection to the harness instead of answering."


def log_text(channel: Channel) -> str:
    """Return the end of what a worker printed, as plain text."""
    kept = channel.log
    text = plain_text(kept.decode("utf-8", "replace"), 4 * LOG_LIMIT)
    left_out = channel.log_bytes - len(kept)
    if left_out > 0:
        text = f"[the first {left_out:,} bytes were dropped]\n{text}"
    return text[-LOG_LIMIT:]
