"""Opens an entry by code: a function of the student's, or a model in a starter layout. Only the worker may run this."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from harness.starters import starter_for
from harness.student_code import (
    cpu_only,
    discarded_writes,
    imports,
    missing_imports,
    notebook_definitions,
    notebooks,
    stand_ins,
)
from harness.student_code.tolerated import tolerate
from harness.types import ITSELF, refuse

_LARGEST = 1 << 20
"""Bytes of the largest Python file that is searched for CUDA."""


def open_code(root: Path, code: str, checkpoint: str | None, seed: Callable[[], None]) -> Any:
    """Open the model of an entry by code.

    Parameters
    ----------
    root : folder of the submission
    code : "path/to/file.py:function", or a notebook in place of the file, relative to `root`, with `ITSELF` in place of
        the function for the module itself; or a code of one of `harness.starters.STARTERS`
    checkpoint : path relative to `root`, if the entry has one
    seed : called before anything of the student's runs

    Raises
    ------
    GradingError
        if the file, the function or the starter's classes are not there.
    """
    with missing_imports.explained(root):
        return _opened(root, code, checkpoint, seed)


def _opened(root: Path, code: str, checkpoint: str | None, seed: Callable[[], None]) -> Any:
    starter = starter_for(code)
    if starter is not None:
        _prepare(f"{code.partition(':')[2]}.py", cuda=True)
        seed()
        return starter.open()(root, code, checkpoint)
    file, _, function = code.rpartition(":")
    if not file or not function:
        raise refuse("manifest", "code", f'code = {code!r} has to be of the form "path/to/file.py:function".')
    path = root / file
    if not path.is_file():
        raise refuse("manifest", "missing-file", f"code = {code!r}: there is no file {file} in the submission.")
    _prepare(file, cuda=_mentions_cuda(root))
    imports.find_first_in([path.parent, root])
    imports.find_main_in([path.parent, root])
    os.chdir(root)
    seed()
    notebook = notebook_definitions.opened(path, file) if notebooks.is_notebook(path) else None
    module = _module(path, file) if notebook is None else notebook.module
    if function == ITSELF:
        return module
    load = getattr(module, function, None)
    missing = "" if notebook is None else notebook.missing(function)
    if not callable(load):
        message = f'{file} has no function {function!r}. Define it, or name another: code = "{file}:…".'
        detail = "" if notebook is None else "\n".join(notebook.notes())
        raise refuse("manifest", "missing-function", f"{message} {missing}".strip(), detail)
    if missing:
        tolerate(missing)
    try:
        model = load(None if checkpoint is None else str(root / checkpoint))
    except NameError as error:
        if missing:
            error.args = (f"{error}. {missing}".removesuffix("."),)
        raise
    if isinstance(model, torch.nn.Module) and model.training:
        tolerate(
            f"{code} returned a model in training mode, so its answers may depend on the batch. "
            "Call model.eval() after loading."
        )
    return model


def _prepare(file: str, cuda: bool) -> None:
    """Prepare this process for student code: no arguments, stand-ins for packages, whole modules from `torch.load`.

    With `cuda`, whatever is sent to a GPU stays on the CPU.
    """
    sys.argv = [file]
    can_write = discarded_writes.can_write()
    if not can_write:
        discarded_writes.name_a_temporary_folder()
    discarded_writes.pass_over_metadata()
    stand_ins.install(can_write)
    cpu_only.allow_whole_modules()
    # Costs microseconds an operation, which small recurrent steps would feel.
    if cuda:
        cpu_only.keep_on_cpu()


def _module(path: Path, file: str) -> Any:
    spec = importlib.util.spec_from_file_location("submitted_" + path.stem, path)
    if spec is None or spec.loader is None:
        raise refuse("manifest", "code", f"{file} is not a Python file. Name one that ends in .py or .ipynb.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _mentions_cuda(root: Path) -> bool:
    """Return True if any Python file or notebook of the submission mentions CUDA."""
    files = [*sorted(root.rglob("*.py"))[:500], *sorted(root.rglob(f"*{notebooks.SUFFIX}"))[:50]]
    for path in files:
        try:
            largest = notebooks.LARGEST if notebooks.is_notebook(path) else _LARGEST
            if path.stat().st_size <= largest and b"cuda" in path.read_bytes():
                return True
        except OSError:
            continue
    return False
