"""Opens a code entry: the student's function, or the starter's layout. Runs in the untrusted worker alone."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from harness.student_code import cpu_only, discarded_writes, imports, stand_ins
from harness.student_code.tolerated import tolerate
from harness.types import STARTER_CODES, refuse

_LARGEST = 1 << 20


def open_code(root: Path, code: str, checkpoint: str | None, seed: Callable[[], None]) -> Any:
    """The object that a code entry gives.

    `code` is "path/to/file.py:function", both relative to `root`, or one of `STARTER_CODES`. `seed` is called before
    anything of the student's runs. GradingError where the file, the function or the starter's classes are not there.
    """
    if code in STARTER_CODES:
        from harness.starters.tsinghua import opening

        _prepare(f"{code.partition(':')[2]}.py", cuda=True)
        seed()
        return opening.open_starter(root, code, checkpoint)
    file, _, function = code.rpartition(":")
    if not file or not function:
        raise refuse("manifest", "code", f'code = {code!r}; "path/to/file.py:function" is asked for.')
    path = root / file
    if not path.is_file():
        raise refuse("manifest", "missing-file", f"code = {code!r}: there is no file {file}.")
    _prepare(file, cuda=_mentions_cuda(root))
    imports.find_first_in([path.parent, root])
    imports.find_main_in([path.parent, root])
    os.chdir(root)
    seed()
    load = getattr(_module(path, file), function, None)
    if not callable(load):
        raise refuse("manifest", "missing-function", f"{file} has no function {function!r}.")
    model = load(None if checkpoint is None else str(root / checkpoint))
    if isinstance(model, torch.nn.Module) and model.training:
        tolerate(
            f"{code} returned a model in training mode, so its answers may depend on the batch; "
            "call model.eval() after loading."
        )
    return model


def _prepare(file: str, cuda: bool) -> None:
    """What every code entry finds: stand-ins, whole modules from `torch.load`, the CPU for CUDA, no arguments."""
    sys.argv = [file]
    can_write = discarded_writes.can_write()
    if not can_write:
        discarded_writes.name_a_temporary_folder()
    stand_ins.install(can_write)
    cpu_only.allow_whole_modules()
    # Costs microseconds an operation, which small recurrent steps would feel.
    if cuda:
        cpu_only.keep_on_cpu()


def _module(path: Path, file: str) -> Any:
    spec = importlib.util.spec_from_file_location("submitted_" + path.stem, path)
    if spec is None or spec.loader is None:
        raise refuse("manifest", "code", f"{file} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _mentions_cuda(root: Path) -> bool:
    """Whether any Python file of the submission names CUDA."""
    for path in sorted(root.rglob("*.py"))[:500]:
        try:
            if path.stat().st_size <= _LARGEST and b"cuda" in path.read_bytes():
                return True
        except OSError:
            continue
    return False
