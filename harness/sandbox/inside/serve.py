"""Answers the parent's requests inside the worker: opens a checkpoint or a student's code, and asks the model.

All of it runs confined (see `confinement`), and the parent trusts nothing that it sends: it accepts numbers of the
shape that it asked for, and text that it escapes.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from harness.registry import imported
from harness.sandbox.inside import answers
from harness.sandbox.inside.first_weights import NoFirstWeights
from harness.sandbox.wire import TEXT_LIMIT, WorkerEnd
from harness.sequences import derived
from harness.student_code import tolerated
from harness.types import Array, ArraySpec, GradingError, refuse

DESCRIPTION_LIMIT = 1 << 20
_NOTES_LIMIT = 50


def architectures(registries: Sequence[str]) -> dict[str, Any]:
    """Imports the architectures of all registries (see `harness.sandbox.outside.registries`), by name."""
    found: dict[str, Any] = {}
    for registry in registries:
        module, _, attribute = registry.rpartition(":")
        for name, value in getattr(_module(module), attribute).items():
            found[name] = imported(value[0]) if isinstance(value, tuple) else value
    return found


def _module(name: str) -> ModuleType:
    """The module of a dotted name, or of the path of a coursework's own file."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location("coursework_architectures", name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} can't be imported", path=name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def import_readers() -> None:
    """Imports the readers of checkpoints, so that forks of this process need not."""
    importlib.import_module("harness.checkpoint")


def serve(receive: int, send: int, registry: Mapping[str, Any], layers: Mapping[str, Any]) -> None:
    """Sends a greeting that lists the `layers` of confinement, then answers requests until the parent is gone."""
    # One thread, so that sums come out the same whatever else the machine does.
    torch.set_num_threads(1)
    wire = WorkerEnd(receive, send)
    wire.reply_text({"layers": dict(layers)})
    model = OpenedModel(registry)
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
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a model too
            wire.reply_error(*_report(header, error))


class OpenedModel:
    """The model that this worker has opened, built from a checkpoint or returned by student code."""

    def __init__(self, registry: Mapping[str, Any]) -> None:
        self._registry = registry
        self._object: Any = None
        self._is_code = False
        self._name = ""
        self._asked: tuple[str, Any] = ("", None)
        self._ways: Any = None
        """The `Ways` in which this model's plain functions are called; None before one is."""

    def open_weights(self, header: Mapping[str, Any], data: bytes) -> list[str]:
        """Builds the architecture that `header` names, and loads the checkpoint `data` into it; notes for the student.

        GradingError where the architecture, an option or the checkpoint doesn't fit.
        """
        from harness import checkpoint

        name, architecture = header["name"], self._registry.get(header["model"])
        if architecture is None:
            known = ", ".join(sorted(self._registry))
            raise refuse(
                "manifest",
                "unknown-model",
                f"There is no architecture {header['model']!r}; the known architectures are {known}.",
            )
        # Imported here alone: a worker that runs student code does not see the package.
        from reference.options import OptionError, chosen
        from reference.products import multiply_by_onednn

        options = header["options"]
        try:
            chosen(options, architecture.options)
        except OptionError as error:
            raise refuse("manifest", error.kind, f"{header['model']}: {error}.") from None
        found = checkpoint.read(data, name)
        if header["alone"] and checkpoint.holds_module(found.tree):
            raise refuse("checkpoint", "whole-module", f"{name} holds a whole pickled module, not its weights alone.")
        key, sizes, adapted = architecture.checkpoint_key, {}, []
        if architecture.adapt is not None:
            try:
                arrays, sizes, adapted = architecture.adapt(checkpoint.state_arrays(found))
            except ValueError as error:
                raise refuse("checkpoint", "mismatch", f"{name}: {error}") from None
            # Under the architecture's names now, so `select_state` finds what is missing, misshapen or not finite.
            found, key = replace(found, tree=arrays), None
        try:
            with NoFirstWeights():
                module = architecture.build(options, **sizes)
        except ValueError as error:
            raise refuse("checkpoint", "mismatch", f"{name}: {error}") from None
        expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
        arrays, notes = checkpoint.select_state(found, expected, key)
        module.load_state_dict(
            {key: torch.from_numpy(np.require(array, None, ["C", "W"])) for key, array in arrays.items()}
        )
        multiply_by_onednn(module)
        self._object, self._is_code, self._name = module.eval(), False, name
        return [*found.notes, *adapted, *notes][:_NOTES_LIMIT]

    def open_code(self, header: Mapping[str, Any]) -> list[str]:
        """Runs the student's code that `header` names, and keeps the object that it returns; notes for the student."""
        # Imported here alone, so that no process that opens weights ever holds it.
        from harness.student_code import opening

        code = header["code"]
        self._object = opening.open_code(Path(header["root"]), code, header["checkpoint"], _seed)
        self._is_code, self._name = True, code.rpartition(":")[0]
        return tolerated.taken()[:_NOTES_LIMIT]

    def ask(self, header: Mapping[str, Any], inputs: Mapping[str, Array]) -> tuple[list[str], list[Array]]:
        """Calls the model's method on one batch; notes, and the answers in the order asked for.

        A batch that is `continued` goes on with a question: random states and whatever the method has built stay as
        the batch before left them.
        """
        name = header["method"]
        if header["call"] is not None:
            return self._function(name, header, inputs)
        if not header["continued"]:
            self._asked = name, self._method(name)
            _seed()
        asked, method = self._asked
        if asked != name or method is None:
            raise refuse("worker", "nothing-opened", f"No question to {name} is under way.")
        notes: list[str] = []
        # Not inference mode: Langevin dynamics needs gradients, which a model may switch on again under no_grad.
        with torch.set_grad_enabled(self._is_code):
            wanted = {key: ArraySpec(tuple(shape), dtype) for key, dtype, shape in header["answers"]}
            parts = answers.by_name(method(*map(torch.from_numpy, inputs.values())), wanted, name, notes)
            results = [
                answers.to_array(parts[key], spec.shape, spec.dtype, f"{name}: {key}", notes)
                for key, spec in wanted.items()
            ]
        return [*notes, *tolerated.taken()][:_NOTES_LIMIT], results

    def _function(
        self, name: str, header: Mapping[str, Any], inputs: Mapping[str, Array]
    ) -> tuple[list[str], list[Array]]:
        """Calls a plain function as it is written; notes, and its values with their outcomes."""
        from harness.student_code import functions

        self._ways = self._ways or functions.Ways()
        told, values = functions.ask(self._opened(), self._name, header, inputs, self._ways, _seed)
        return told[:_NOTES_LIMIT], values

    def _opened(self) -> Any:
        if self._object is None:
            raise refuse("worker", "nothing-opened", "A question was asked before a model was opened.")
        return self._object

    def _method(self, name: str) -> Any:
        """The model's own or derived method; GradingError where there is none."""
        self._opened()
        method = derived.method(self._object, name)
        if method is None:
            raise refuse(
                "worker",
                "missing-method",
                f"{self._name}: the model that it gives, a {answers.class_name(self._object)}, has no method {name!r}"
                f"{derived.wanted(name)}.",
            )
        return method


def _seed() -> None:
    """Resets the global random states, so that a model that draws from them gives the same answer every time."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


def _read_outputs(header: Mapping[str, Any], data: bytes) -> tuple[list[str], list[Array]]:
    """The arrays of an answers-only file; notes, and the arrays in the order asked for."""
    from harness import checkpoint

    name = header["name"]
    found = checkpoint.read(data, name).tensors
    notes: list[str] = []
    arrays = []
    for key, dtype, shape in header["answers"]:
        if key not in found:
            held = ", ".join(sorted(found)[:8]) or "no arrays"
            raise refuse("answers", "missing-answer", f"{name} has no array {key!r}; it holds {held}.")
        arrays.append(answers.to_array(found[key], shape, dtype, f"{name}: {key}", notes))
    return notes, arrays


def _describe(header: Mapping[str, Any], data: bytes) -> Any:
    from harness import checkpoint

    description = checkpoint.describe(checkpoint.read(data, header["name"]))
    if len(json.dumps(description)) > DESCRIPTION_LIMIT:
        raise refuse(
            "checkpoint",
            "too-much",
            f"{header['name']} holds too many tensors or too long names to describe: over 1 MiB.",
        )
    return description


def _report(header: Mapping[str, Any], error: BaseException) -> tuple[str, str, str, str]:
    """Stage, kind, message and traceback of an exception that the model or the reading of it raised."""
    try:
        said = f"{type(error).__name__}: {error}".strip().rstrip(":")[:600]
        trace = "".join(traceback.format_exception(error))[-TEXT_LIMIT // 8 :]
    except BaseException:
        said, trace = "an exception that can't be printed", ""
    where = {"open_code": "Loading the model", "ask": f"The method {header.get('method')}"}.get(
        header["op"], f"Opening {header.get('name')}"
    )
    if isinstance(error, MemoryError) or "can't allocate memory" in said or "bad_alloc" in said:
        return "worker", "memory", f"{where} needed more memory than is allowed ({said}).", trace
    hint = ""
    if isinstance(error, PermissionError | BlockingIOError):
        hint = " The sandbox allows no new processes, no network, and no writing outside /tmp."
    elif isinstance(error, FileNotFoundError):
        hint = " Only the submission's own files exist in the sandbox."
    return "worker", "exception", f"{where} raised {said}.{hint}", trace
