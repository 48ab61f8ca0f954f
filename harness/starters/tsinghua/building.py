"""Builds a student's object by the first call in its scripts that works, and reads what a checkpoint holds."""

from __future__ import annotations

import ast
from argparse import Namespace
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from harness.starters.tsinghua import script_settings
from harness.student_code import imports
from harness.student_code.tolerated import tolerate
from harness.types import refuse

_MOST_CALLS = 20


def class_with_method(folder: Path, method: str, preferred: str = "") -> tuple[Path, str] | None:
    """Return the file and name of a class in `folder` that has `method`, if there is one of the name `preferred`."""
    found = [
        (path, node.name)
        for path, tree in imports.sources([folder])
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(one, ast.FunctionDef) and one.name == method for one in node.body)
    ]
    return min(found, key=lambda one: (one[1] != preferred, one), default=None)


def built(
    file: Path, name: str, near: list[Path], path: Path, loaded: Any, load: Callable[[Any], None]
) -> tuple[Any, Path]:
    """Build class `name` of `file` by the first call that can be followed.

    Parameters
    ----------
    near : the part's folder and the repository's top, where commands are looked for
    path, loaded : the checkpoint, and what `torch.load` makes of it
    load : puts the checkpoint's weights into what was built; where it raises, the next call is tried

    Returns
    -------
    The object, and the script whose call built it.
    """
    calls = list(islice(script_settings.find_calls(name, near[0]), _MOST_CALLS))
    if not calls:
        raise refuse(
            "worker",
            "no-settings",
            f"No script in {near[0].name}/ builds {name}, so its settings are not known; hand in a code entry.",
        )
    module = imports.imported(file)
    own = dict(vars(module))
    failed: list[BaseException] = []
    for call in calls:
        try:
            settings = script_settings.read_settings(call.path, near, _fixed(path))
            given = _given(call, settings, getattr(module, name), state(loaded))
            if call.path == file:
                _hand_globals(module, own, given.names)
            return _made(getattr(module, name), given, settings, call.path, load), call.path
        except (Exception, SystemExit) as error:
            failed.append(error)
    raise failed[0]


def holder(loaded: Any, method: str) -> Any:
    """Return the module that has `method`: what was loaded, what DataParallel wraps, or a value of a dictionary."""
    for value in values_of(loaded):
        module = value.module if isinstance(value, nn.DataParallel) else value
        if isinstance(module, nn.Module) and callable(getattr(module, method, None)):
            return module
    return None


def values_of(loaded: Any) -> list[Any]:
    """Return the values of the dictionary that a checkpoint holds; where it holds none, what it holds."""
    return list(loaded.values()) if isinstance(loaded, dict) else [loaded]


def module_in(values: Any) -> nn.Module | None:
    """Return the first module among some values."""
    return next((value for value in values if isinstance(value, nn.Module)), None)


def state(loaded: Any) -> Mapping[str, Tensor] | None:
    """Return the state dict of the starter's checkpoint: under "model" or "g", or the whole file, or a module's."""
    inner = loaded
    if isinstance(loaded, dict):
        inner = next((loaded[key] for key in ("model", "g", "generator") if key in loaded), loaded)
    if isinstance(inner, nn.Module):
        return inner.state_dict()
    if isinstance(inner, Mapping) and inner and all(isinstance(value, Tensor) for value in inner.values()):
        return inner
    return None


def bare(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without the prefix that DataParallel adds to its names."""
    return {key.removeprefix("module."): value for key, value in names.items()}


def _fixed(path: Path) -> dict[str, Any]:
    flags = {"play": True, "eval": True, "load_dir": str(path), "load_path": str(path)}
    return {**flags, "no_cuda": True, "device": "cpu"}


def _given(
    call: script_settings.Call, settings: script_settings.Settings, kind: Any, weights: Mapping[str, Tensor] | None
) -> script_settings.Evaluated:
    """Evaluate the arguments of a call of class `kind`, so that modules are as wide as the checkpoint's."""
    known = {"device": torch.device("cpu")}
    given = script_settings.evaluate(call, settings, known)
    module = module_in([*given.arguments, *given.named.values()])
    if isinstance(kind, type) and issubclass(kind, nn.Module):
        module = kind(*given.arguments, **given.named)
    for width in _widths(module, weights):
        if _resize(settings.values, *width):
            given = script_settings.evaluate(call, settings, known)
    return given


def _made(
    kind: Any,
    given: script_settings.Evaluated,
    settings: script_settings.Settings,
    script: Path,
    load: Callable[[Any], None],
) -> Any:
    """Build the student's object with the settings of its script and the weights of the checkpoint."""
    made = kind(*given.arguments, **given.named)
    attributes = {
        key: value for key, value in _plain(vars(made)).items() if not key.startswith("_") and key != "training"
    }
    shown = ", ".join(f"{key} = {value}" for key, value in attributes.items())
    load(made)
    if settings.required:
        tolerate(f"{script.name} requires {', '.join(settings.required)}, which no command gives; None was used.")
    source = f"the command in {settings.found_in}" if settings.found_in else f"the defaults in {script.name}"
    tolerate(f"Settings of {kind.__name__} are {source}: {shown[:300]}.")
    return made


def _hand_globals(module: ModuleType, own: Mapping[str, Any], names: Mapping[str, Any]) -> None:
    """Set the globals of a script's module that the script sets when it is run, and its flags by its command."""
    for name, value in names.items():
        if own.get(name) is None or isinstance(value, Namespace):
            setattr(module, name, value)


def _widths(module: nn.Module | None, weights: Mapping[str, Tensor] | None) -> list[tuple[int, int]]:
    """Return the sizes in a module that differ from the checkpoint's: (the module's, the checkpoint's)."""
    if module is None or weights is None:
        return []
    found: dict[tuple[int, int], None] = {}
    for key, tensor in module.state_dict().items():
        saved = weights.get(key, tensor)
        if saved.ndim == tensor.ndim:
            found |= {
                (ours, theirs): None for ours, theirs in zip(tensor.shape, saved.shape, strict=True) if ours != theirs
            }
    return list(found)


def _resize(values: Any, ours: int, theirs: int) -> bool:
    """Set the one flag of value `ours` to `theirs`, the checkpoint's; return False if there is not just one."""
    flags = [name for name, value in vars(values).items() if type(value) is int and value == ours]
    wide = [name for name in flags if "hidden" in name or "dim" in name or "width" in name] or flags
    if len(wide) != 1:
        return False
    setattr(values, wide[0], theirs)
    tolerate(f"The checkpoint was trained with --{wide[0]} {theirs}, not with the script's {ours}.")
    return True


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if type(value) in (int, float, bool, str)}
