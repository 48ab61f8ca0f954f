"""The untrusted side: opens a checkpoint or a student's code, answers questions with arrays.

Everything here runs behind the fences of `child`, and nothing that it sends is believed beyond its being numbers of
the shape that was asked for.
"""

from __future__ import annotations

import importlib
import json
import random
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import derived
from harness.sandbox import answers, tolerated
from harness.sandbox.wire import TEXT_LIMIT, WorkerEnd
from harness.types import Array, ArraySpec, GradingError, refuse

DESCRIPTION_LIMIT = 1 << 20
_NOTES_LIMIT = 50


def registry_of(name: str | None) -> Mapping[str, Any]:
    """Import the registry "module:attribute"; it is empty for a worker that runs student code.

    A registry maps names to architectures (`reference.Architecture`), or to pairs of the "module:attribute" that holds
    one and a summary.
    """
    return {} if name is None else _imported(name)


def architecture_of(registry: Mapping[str, Any], model: str) -> Any:
    """Return a model's architecture, imported if the registry only says where it is; None if there is none."""
    found = registry.get(model)
    return _imported(found[0]) if isinstance(found, tuple) else found


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def import_all(registry: Mapping[str, Any]) -> None:
    """Import the architectures and the checkpoint readers, so that forked workers need not."""
    for model in registry:
        architecture_of(registry, model)
    importlib.import_module("harness.checkpoint")


def serve(receive: int, send: int, registry: Mapping[str, Any], layers: Mapping[str, Any]) -> None:
    """Says hello with the fences that are up, then answers requests until the parent goes."""
    # One thread, so that sums come out the same whatever else the machine does.
    torch.set_num_threads(1)
    wire = WorkerEnd(receive, send)
    wire.reply_text({"layers": dict(layers)})
    model = _Model(registry)
    operations: dict[str, Callable[[dict[str, Any], dict[str, Array], bytes], None]] = {
        "open_weights": lambda header, _, data: wire.reply_text(model.open_weights(header, data)),
        "open_code": lambda header, *_: wire.reply_text(model.open_code(header)),
        "ask": lambda header, inputs, _: wire.reply_arrays(*model.ask(header, inputs)),
        "read_outputs": lambda header, _, data: wire.reply_arrays(*_read_outputs(header, data)),
        "describe": lambda header, _, data: wire.reply_text(_describe(header, data)),
    }
    while True:
        try:
            header, arrays, data = wire.request()
        except EOFError:
            return
        try:
            operations[header["op"]](header, arrays, data)
        except GradingError as error:
            failure = error.failure
            wire.reply_error(failure.stage, failure.kind, failure.message, failure.detail)
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a model too are answers of a kind
            wire.reply_error(*_report(header, error))


class _Model:
    """What this worker has opened."""

    def __init__(self, registry: Mapping[str, Any]) -> None:
        self._registry = registry
        self._object: Any = None
        self._is_code = False
        self._name = ""

    def open_weights(self, header: Mapping[str, Any], data: bytes) -> list[str]:
        from harness import checkpoint

        name, architecture = header["name"], architecture_of(self._registry, header["model"])
        if architecture is None:
            allowed = ", ".join(sorted(self._registry))
            raise refuse(
                "manifest", "unknown-model", f"There is no architecture {header['model']!r}; there are {allowed}."
            )
        try:
            architecture.choose(header["options"])
        except ValueError as error:  # reference.options.OptionError, which a worker for student code can't import
            kind = getattr(error, "kind", "option-value")
            raise refuse("manifest", kind, f"{header['model']}: {error}.") from None
        found = checkpoint.read(data, name)
        key, sizes, adapted = architecture.checkpoint_key, {}, []
        if architecture.adapt is not None:
            try:
                arrays, sizes, adapted = architecture.adapt(checkpoint.state_arrays(found))
            except ValueError as error:
                raise refuse("checkpoint", "mismatch", f"{name}: {error}") from None
            # Under our names now, so what is missing, of the wrong shape or not finite is found and told as ever.
            found, key = replace(found, tree=arrays), None
        module = architecture.build(header["options"], **sizes)
        expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
        arrays, notes = checkpoint.select_state(found, expected, key)
        module.load_state_dict({key: torch.from_numpy(np.array(array)) for key, array in arrays.items()})
        self._object, self._is_code, self._name = module.eval(), False, name
        return [*found.notes, *adapted, *notes][:_NOTES_LIMIT]

    def open_code(self, header: Mapping[str, Any]) -> list[str]:
        # Imported here alone, so that no process that opens weights ever holds it.
        from harness.sandbox import student_code

        code = header["code"]
        self._object = student_code.open_code(Path(header["root"]), code, header["checkpoint"], _seed)
        self._is_code, self._name = True, code.rpartition(":")[0]
        return tolerated.taken()[:_NOTES_LIMIT]

    def ask(self, header: Mapping[str, Any], inputs: Mapping[str, Array]) -> tuple[list[str], list[Array]]:
        if self._object is None:
            raise refuse("worker", "nothing-opened", "A question was asked before a model was opened.")
        name = header["method"]
        method = derived.method(self._object, name)
        if method is None:
            raise refuse(
                "worker",
                "missing-method",
                f"{self._name}: the {answers.kind_of(self._object)} it gives has no method {name!r}"
                f"{derived.wanted(name)}.",
            )
        wanted = {key: ArraySpec(tuple(shape), dtype) for key, dtype, shape in header["answers"]}
        notes: list[str] = []
        results = {key: np.empty(spec.shape, spec.dtype) for key, spec in wanted.items()}
        _seed()
        # Not inference mode: Langevin dynamics needs gradients, which a model may switch on again under no_grad.
        with torch.set_grad_enabled(self._is_code):
            for start, stop in _batches(inputs, header["batch"]):
                arguments = [torch.from_numpy(_rows(array, start, stop).copy()) for array in inputs.values()]
                parts = answers.by_name(method(*arguments), wanted, name, notes)
                for key, spec in wanted.items():
                    whole = stop is None or not spec.shape
                    shape = spec.shape if whole else (stop - start, *spec.shape[1:])
                    array = answers.to_array(parts[key], shape, spec.dtype, f"{name}: {key}", notes)
                    results[key][... if whole else slice(start, stop)] = array
        return [*notes, *tolerated.taken()][:_NOTES_LIMIT], list(results.values())


def _batches(inputs: Mapping[str, Array], batch: int | None) -> list[tuple[int, Any]]:
    """(first row, row after the last) of each call; (0, None) for one call with everything."""
    rows = [len(array) for array in inputs.values() if array.ndim]
    if batch is None or not rows:
        return [(0, None)]
    return [(start, min(start + batch, rows[0])) for start in range(0, rows[0], batch)]


def _rows(array: Array, start: int, stop: int | None) -> Array:
    return array[start:stop] if array.ndim else array


def _seed() -> None:
    """The same global random state before each question, for models that draw from it: the same answer every time."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


def _read_outputs(header: Mapping[str, Any], data: bytes) -> tuple[list[str], list[Array]]:
    from harness import checkpoint

    name = header["name"]
    found = checkpoint.read(data, name).tensors
    notes: list[str] = []
    arrays = []
    for key, dtype, shape in header["answers"]:
        if key not in found:
            held = ", ".join(sorted(found)[:8]) or "nothing"
            raise refuse("answers", "missing-answer", f"{name} has no array {key!r}; it holds {held}.")
        arrays.append(answers.to_array(found[key], shape, dtype, f"{name}: {key}", notes))
    return notes, arrays


def _describe(header: Mapping[str, Any], data: bytes) -> Any:
    from harness import checkpoint

    description = checkpoint.describe(checkpoint.read(data, header["name"]))
    if len(json.dumps(description)) > DESCRIPTION_LIMIT:
        raise refuse(
            "checkpoint", "too-much", f"{header['name']} holds too much to describe: over a mebibyte of names."
        )
    return description


def _report(header: Mapping[str, Any], error: BaseException) -> tuple[str, str, str, str]:
    """Stage, kind, message and traceback of an exception that a model, or reading it, raised."""
    try:
        said = f"{type(error).__name__}: {error}".strip().rstrip(":")[:600]
        trace = "".join(traceback.format_exception(error))[-TEXT_LIMIT // 8 :]
    except BaseException:
        said, trace = "an exception that can't be printed", ""
    where = {"open_code": "Loading the model", "ask": f"The method {header.get('method')}"}.get(
        header["op"], f"Opening {header.get('name')}"
    )
    if isinstance(error, MemoryError) or "can't allocate memory" in said or "bad_alloc" in said:
        return "worker", "memory", f"{where} asked for more memory than is allowed ({said}).", trace
    hint = ""
    if isinstance(error, PermissionError | BlockingIOError):
        hint = " The sandbox allows neither processes, nor network, nor writing outside /tmp."
    elif isinstance(error, FileNotFoundError):
        hint = " Only the submission's own files exist in the sandbox."
    return "worker", "exception", f"{where} ended in {said}.{hint}", trace
