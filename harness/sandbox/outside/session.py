"""The parent's side of the exchange with one worker, for every kind of worker process.

Whatever a worker does, the parent gets arrays of the shape that it asked for, or a GradingError.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from harness.sandbox.outside.batches import batches_of, of_batch
from harness.sandbox.outside.closing import Closing
from harness.sandbox.outside.descriptions import description_of
from harness.sandbox.outside.endings import ending_of, log_text
from harness.sandbox.outside.limits import Limits
from harness.sandbox.outside.process import Exit
from harness.sandbox.wire import TAG_ERROR, TEXT_LIMIT, Channel, WireError
from harness.text import plain_text
from harness.types import Answer, Array, ArraySpec, Failure, GradingError, Question, broken, refuse

_START_SECONDS = 120.0
"""Time for Python and PyTorch to be imported from a cold disk."""
_GRACE_SECONDS = 0.5
_DESCRIPTION_LIMIT = 1 << 20
_STAGES = frozenset({"manifest", "checkpoint", "worker", "answers"})
_NOTES = 50


class Session(Closing):
    """An exchange with one worker; a context manager, for one thread.

    Every method raises GradingError: fault "submission" for what the worker sent or did, fault "harness" where it
    could not be started. After a timeout, a crash or a broken frame the worker is gone, and every further call raises
    the same error again.
    """

    def __init__(self, limits: Limits, isolation_stamp: str) -> None:
        self.limits = limits
        self.isolation_stamp = isolation_stamp
        """The isolation that a record states: a level, or NOT ISOLATED."""
        self.notes: list[str] = []
        """Sentences for the student about what was tolerated so far."""
        self.pulse: Callable[[], None] | None = None
        """Called about twenty times a second while the worker is waited for; what it raises ends the wait."""
        self._channel: Channel | None = None
        self._over: Failure | None = None
        self._log = ""
        self._place = ""

    @property
    def log(self) -> str:
        """The end of what the worker printed on stdout and stderr, at most 64 KiB, with control characters escaped."""
        if self._channel is not None:
            self._channel.drain()
            self._log = log_text(self._channel)
        return self._log

    def open_weights(
        self, model: str, options: Mapping[str, str], checkpoint: bytes, name: str, weights_alone: bool = False
    ) -> list[str]:
        """Builds architecture `model` with `options` and loads the bytes of a checkpoint into it.

        `name` is the file's name in messages. With `weights_alone`, a module that was pickled whole is refused, kind
        "whole-module". Returns notes on what was tolerated, and adds them to `notes`.
        """
        header = {"op": "open_weights", "model": model, "options": dict(options), "name": name, "alone": weights_alone}
        return self._open(header, checkpoint, f"Opening {name}")

    def ask(
        self,
        question: Question,
        deadline: float | None = None,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> Answer:
        """Asks the model a question; the arrays of `question.answers`, every floating-point value in them finite.

        The batches of a question are sent one by one, so the model sees no batch before it has answered those before.

        Parameters
        ----------
        deadline : seconds from now for all batches together; None for `limits.wall_seconds`
        on_batch : called before the first batch and after each, with the batches that are answered and their number

        The ranges `low` and `high` of the answers are not checked. What was tolerated is added to `notes`.
        """
        inputs = {name: np.asarray(array, order="C") for name, array in question.inputs.items()}
        batches = batches_of(inputs, question.batch)
        seconds = self.limits.wall_seconds if deadline is None else deadline
        whole = {name: np.empty(spec.shape, spec.dtype) for name, spec in question.answers.items()}
        until: float | None = None
        for number, rows in enumerate(batches):
            if on_batch is not None:
                on_batch(number, len(batches))
            specs = {name: of_batch(spec, rows) for name, spec in question.answers.items()}
            header = {"op": "ask", "method": question.method, "continued": number > 0, "answers": _wire_specs(specs)}
            header["call"] = None if question.call is None else asdict(question.call)
            if until is None:
                self._ready(header)
                until = time.monotonic() + seconds
            self._place = f" at batch {number + 1} of {len(batches)}" if len(batches) > 1 else ""
            sent = {name: array[rows] if array.ndim else array for name, array in inputs.items()}
            what = f"The method {question.method}"
            found = self._arrays(header, sent, b"", specs, what, seconds, until, rows.start or 0)
            for name, array in found.items():
                whole[name][rows if array.ndim else ...] = array
        if on_batch is not None:
            on_batch(len(batches), len(batches))
        self._place = ""
        return whole

    def read_outputs(self, data: bytes, name: str, wanted: Mapping[str, ArraySpec]) -> Answer:
        """Reads the `wanted` arrays of an answers-only file (.pt, .npz, .safetensors), given as its bytes.

        Nothing of it is executed; dtype and shape must be as specified, and every floating-point value finite.
        """
        header = {"op": "read_outputs", "name": name, "answers": _wire_specs(wanted)}
        return self._arrays(header, {}, data, wanted, f"Reading {name}")

    def describe(self, data: bytes, name: str) -> dict[str, Any]:
        """Describes a checkpoint as `harness.checkpoint.describe` does: JSON values, with all text escaped."""
        text, _ = self._call(
            {"op": "describe", "name": name}, {}, data, None, f"Reading {name}", text_limit=_DESCRIPTION_LIMIT
        )
        try:
            return description_of(text)
        except ValueError as error:
            raise self._protocol(f"The description of the checkpoint {error}") from error

    def close(self) -> None:
        """Kills the worker and everything that it started. May be called twice."""
        if self._over is None:
            self._over = Failure("worker", "closed", "This worker was closed.", "harness")
        self._kill()
        self._close_channel()

    def process_id(self) -> int | None:
        """The worker's process id as this machine sees it; None where there is none, or it can't be found."""
        return None

    # To be implemented by each kind of worker.

    @abstractmethod
    def _start(self, header: Mapping[str, Any]) -> Channel:
        """Starts the worker that `header`, its first request, needs."""

    @abstractmethod
    def _end(self, grace: float) -> Exit:
        """Waits up to `grace` seconds for the worker to end, then kills it; returns how it ended."""

    @abstractmethod
    def _kill(self) -> None:
        """Kills the worker and everything that it started."""

    # The exchange.

    def _open(self, header: Mapping[str, Any], data: bytes, what: str) -> list[str]:
        text, _ = self._call(header, {}, data, None, what)
        return self._take_notes(text)

    def _arrays(
        self,
        header: Mapping[str, Any],
        inputs: Mapping[str, Array],
        data: bytes,
        wanted: Mapping[str, ArraySpec],
        what: str,
        seconds: float | None = None,
        until: float | None = None,
        first_row: int = 0,
    ) -> Answer:
        text, arrays = self._call(header, inputs, data, wanted, what, seconds, until)
        self._take_notes(text)
        for name, array in arrays.items():
            self._check(name, array, first_row)
        return arrays

    def _check(self, name: str, array: Array, first_row: int) -> None:
        """Refuses values that are not finite, and bytes that are no truth values."""
        if array.dtype.kind == "b" and bool((array.view(np.uint8) > 1).any()):
            raise self._protocol(f"The answer {name} holds truth values that are neither true nor false")
        if array.dtype.kind == "f":
            wrong = ~np.isfinite(array)
            count = int(np.count_nonzero(wrong))
            if count:
                first = [int(index) for index in np.unravel_index(int(np.argmax(wrong)), array.shape)]
                first[:1] = [first_row + row for row in first[:1]]
                message = (
                    f"{name} holds {count:,} values that are NaN or infinite{self._place}, the first at index "
                    f"{tuple(first)}; every value must be finite."
                )
                raise refuse("answers", "not-finite", message)

    def _call(
        self,
        header: Mapping[str, Any],
        inputs: Mapping[str, Array],
        data: bytes,
        wanted: Mapping[str, ArraySpec] | None,
        what: str,
        seconds: float | None = None,
        until: float | None = None,
        text_limit: int = TEXT_LIMIT,
    ) -> tuple[bytes, dict[str, Array]]:
        """Sends one request and receives its reply. `what` begins the sentences about what went wrong.

        The deadline is `seconds` from now, or the time `until` of `time.monotonic()` where an earlier request began it.
        """
        channel = self._ready(header)
        seconds = self.limits.wall_seconds if seconds is None else seconds
        deadline = time.monotonic() + seconds if until is None else until
        listed = [[name, array.dtype.name, list(array.shape)] for name, array in inputs.items()]
        try:
            if channel.pending():
                raise WireError("protocol", "the worker sent something that nobody had asked for")
            channel.send({**header, "arrays": listed, "file_bytes": len(data)}, [*inputs.values(), data], deadline)
            tag, text, arrays = channel.receive(wanted, deadline, text_limit)
        except WireError as error:
            raise self._fail(error, what, seconds) from None
        if tag == TAG_ERROR:
            raise self._reported(text)
        return text, arrays

    def _ready(self, header: Mapping[str, Any]) -> Channel:
        """The channel to the worker, which is started where it is not running yet."""
        if self._over is not None:
            raise GradingError(self._over)
        channel = self._channel = self._channel or self._begin(header)
        channel.pulse = self.pulse
        return channel

    def _begin(self, header: Mapping[str, Any]) -> Channel:
        """Starts the worker and waits for its greeting, sent before it has seen anything of a submission."""
        channel = self._channel = self._start(header)
        channel.pulse = self.pulse
        try:
            channel.receive(None, time.monotonic() + _START_SECONDS)
        except WireError as error:
            ended = self._end(_GRACE_SECONDS)
            channel.drain()
            how = f"signal {ended.signal}" if ended.signal is not None else f"exit code {ended.code}"
            message = f"The worker did not start: {error} ({how})."
            failure = broken("worker", "start", message, log_text(channel)[-4000:])
            self._over = failure.failure
            self._close_channel()
            raise failure from None
        return channel

    def _fail(self, error: WireError, what: str, seconds: float) -> GradingError:
        """Ends the worker after a failed exchange; returns the error to raise."""
        ended = self._end(_GRACE_SECONDS if error.kind == "closed" else 0.0)
        kind, message = "protocol", f"{what}: {error}; the worker was stopped."
        if error.kind == "timeout":
            kind, message = "timeout", f"{what} took longer than {seconds:g} s and was stopped{self._place}."
        elif error.kind == "threads":
            kind, message = "threads", f"{what} started more than {self.limits.threads} threads and was stopped."
        elif error.kind == "files":
            kind, message = "files", f"{what} made more than {self.limits.tmp_files:,} files in /tmp and was stopped."
        elif error.kind == "closed":
            kind, message = ending_of(ended, what, self.limits)
        return self._finish(kind, message)

    def _protocol(self, message: str) -> GradingError:
        """Kills a worker that broke the protocol; returns the error to raise."""
        self._kill()
        return self._finish("protocol", message + "; the worker was stopped.")

    def _finish(self, kind: str, message: str) -> GradingError:
        """Closes the channel of a worker that is gone; returns the error that this and all further calls raise."""
        detail = self.log[-4000:]
        error = refuse("worker", kind, message, detail)
        self._over = error.failure
        self._close_channel()
        return error

    def _close_channel(self) -> None:
        """Closes the channel, and keeps the end of the log."""
        if self._channel is not None:
            self._channel.drain()
            self._log = log_text(self._channel)
            self._channel.close()
            self._channel = None

    def _reported(self, text: bytes) -> GradingError:
        """The error that the worker reported, always with fault "submission"."""
        try:
            report = json.loads(text)
            stage, kind, message, detail = (report[key] for key in ("stage", "kind", "message", "detail"))
            if not all(isinstance(value, str) for value in (stage, kind, message, detail)):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._protocol("The worker sent an error that can't be read")
        if stage not in _STAGES:
            stage = "worker"
        if not kind or len(kind) > 40 or not set(kind) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"):
            kind = "error"
        return refuse(stage, kind, plain_text(message, 2000), plain_text(detail, 8000))

    def _take_notes(self, text: bytes) -> list[str]:
        """The notes in a reply, escaped; new ones are added to `notes`."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or len(found) > _NOTES or not all(isinstance(note, str) for note in found):
            raise self._protocol("The worker sent notes that can't be read")
        notes = [plain_text(note, 500) for note in found]
        self.notes += [note for note in dict.fromkeys(notes) if note not in self.notes][: _NOTES - len(self.notes)]
        return notes


def _wire_specs(specs: Mapping[str, ArraySpec]) -> list[list[Any]]:
    return [[name, np.dtype(spec.dtype).name, list(spec.shape)] for name, spec in specs.items()]
