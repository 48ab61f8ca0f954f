"""Opens models of repositories in the starter's layout, by the methods that the starter asks students to write.

Tsinghua University, Deep Learning, homework 3. `ebm/`: a class `Trainer` with `inpainting(corrupted, mask)` on images
(N, 1, 28, 28) in [0, 1], built and loaded by main.py. `flow/`: a whole pickled `FlowSequential` with
`inpainting(num_samples, inputs, mask, savedir)` on flat images that were dequantised and rescaled to [.0001, .9999],
which returns images (N, 1, 28, 28). In both, the mask is true where a pixel is corrupted.
"""

from __future__ import annotations

import ast
import contextlib
import os
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from harness.starters.tsinghua import script_settings
from harness.starters.tsinghua.inpainting_method import Method
from harness.student_code import imports
from harness.student_code.discarded_writes import can_write, throw_away_writes
from harness.student_code.tolerated import tolerate
from harness.types import refuse

_LOW, _HIGH = 1e-4, 0.9999
"""Range that the flow's starter code rescales images to, so that their logits are finite."""
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".pdf", ".log")
_COPIED = 64 << 20
"""Bytes of a part's files that are copied, the smallest first; a worker's temporary folder holds 256 MiB."""
_MOST_CALLS = 20


class EnergyModel:
    """Adapts a `Trainer` of `ebm/` to row-inpainting."""

    def __init__(self, method: Method, symmetric: bool) -> None:
        self._method, self._symmetric = method, symmetric

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) for images in [0, 1] and a mask that is True where they are corrupted."""
        if not self._symmetric:
            return self._method(images, mask)
        return (self._method(images * 2 - 1, mask) + 1) / 2


class Flow:
    """Adapts a `FlowSequential` of `flow/` to half-inpainting."""

    def __init__(self, method: Method) -> None:
        self._method = method
        # One draw for all images, where the starter draws for each, so that no answer depends on its batch.
        noise = torch.rand(784, generator=torch.Generator().manual_seed(0))
        self._noise = noise.reshape(1, 1, 28, 28) / 256

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) for images in [0, 1] and a mask that is True where they are corrupted."""
        widened = _LOW + (images + self._noise) * ((_HIGH - _LOW) / (1 + 1 / 256))
        asked = torch.where(mask, images.clamp(_LOW, _HIGH), widened)
        tolerate(
            "The flow was asked as the starter asks it: flat, known pixels dequantised, all rescaled to "
            "[.0001, .9999]. Known pixels that it left as they were asked count as unchanged."
        )
        found = self._method(asked, mask)
        unchanged = ~mask & ((found - asked).abs() < 1e-3)
        return torch.where(unchanged, images, found)


def open_starter(root: Path, code: str, checkpoint: str | None) -> EnergyModel | Flow:
    """Open the model of a repository at `root`. Runs the student's code, so only the worker may call this.

    Parameters
    ----------
    root : folder of the submission
    code : "starter:ebm" or "starter:flow"
    checkpoint : its file, relative to `root`

    Raises
    ------
    GradingError
        if the classes, the method or the weights can't be found.
    """
    part = code.partition(":")[2]
    if checkpoint is None:
        raise refuse("manifest", "no-checkpoint", f'code = "{code}" needs a file of weights: add checkpoint = "…".')
    path, folder = root / checkpoint, _folder(root, checkpoint, part)
    imports.find_first_in([folder, root])
    imports.find_main_in([folder, root])
    _work_in_a_copy(folder)
    return _open_flow(path, folder) if part == "flow" else _open_energy(path, folder, root)


def _folder(root: Path, checkpoint: str, part: str) -> Path:
    """Return the folder of the part, in upper or lower case: the one of the checkpoint, or one at the top."""
    names = [Path(checkpoint).parts[0], *sorted(path.name for path in root.iterdir())]
    found = next((name for name in names if name.lower() == part and (root / name).is_dir()), None)
    if found is None:
        message = (
            f"There is no folder {part}/ at the top of the submission. Put the starter's there, or write code = "
            '"path/to/file.py:function".'
        )
        raise refuse("manifest", "missing-folder", message)
    return root / found


def _work_in_a_copy(folder: Path) -> None:
    """Change into a writable folder with copies of the part's files, and with links to the largest.

    Students' methods save pictures and arrays in the working directory, over those that were handed in, and the
    submission is read-only. Files that they save beside their modules are discarded.
    """
    if not can_write():
        os.chdir(folder)
        throw_away_writes("This machine's isolation leaves no place to write; what the code saved was thrown away.")
        return
    top = Path(tempfile.mkdtemp()) / folder.name
    top.mkdir()
    found: list[tuple[int, Path, Path]] = []
    for place, folders, files in os.walk(folder):
        inside = top / Path(place).relative_to(folder)
        folders[:] = folders[:100]
        for name in folders:
            (inside / name).mkdir(exist_ok=True)
        for name in files[:1000]:
            path = Path(place) / name
            # Pictures are left out, because students' methods write new ones of the same names.
            if not name.lower().endswith(_PICTURES) and path.is_file():
                found.append((path.stat().st_size, path, inside / name))
    left = _COPIED
    for size, path, copy in sorted(found):
        left -= size
        with contextlib.suppress(OSError):
            if left >= 0:
                shutil.copyfile(path, copy)
            else:
                copy.symlink_to(path)
    os.chdir(top)
    throw_away_writes("The submission is read-only; what the code saved beside its own files was thrown away.")
    tolerate("The working directory is a writable copy, so that pictures can be saved; they are thrown away.")


def _open_flow(path: Path, folder: Path) -> Flow:
    loaded = torch.load(path)
    model = _holder(loaded)
    if model is None:
        what = "a state dict" if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
        raise refuse(
            "checkpoint",
            "no-module",
            f"{path.name} holds {what}, not a module with a method inpainting. A state dict lacks the flow's masks and "
            "permutations: save the whole model, torch.save(model, path), or hand in a code entry.",
        )
    count = sum(one.numel() for one in model.parameters())
    tolerate(
        f"{path.name} is a whole pickled model of {count:,} parameters. Loading one runs code, so it was loaded inside "
        "the sandbox alone."
    )
    if model.training:
        tolerate("The flow was saved in training mode; it was put into evaluation mode.")
    return Flow(Method(model.eval().inpainting, ("count", "images", "mask", "folder"), flat=True))


def _open_energy(path: Path, folder: Path, root: Path) -> EnergyModel:
    found = _class_with_method(folder)
    if found is None:
        raise refuse("worker", "missing-method", f"No class in {folder.name}/ has a method inpainting. Write it.")
    file, name = found
    loaded = torch.load(path)
    owner = _holder(loaded)
    if owner is None:
        owner, script = _built(file, name, [folder, root], path, loaded)
    else:
        script = next((call.path for call in script_settings.find_calls(name, folder)), file)
    return EnergyModel(Method(owner.inpainting, ("images", "mask"), flat=False), _is_symmetric(script))


def _built(file: Path, name: str, near: list[Path], path: Path, loaded: Any) -> tuple[Any, Path]:
    """Build the student's trainer by the first call that can be followed, and return the call's script with it."""
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
            given = _given(call, settings, _state(loaded))
            if call.path == file:
                _hand_globals(module, own, given.names)
            return _trainer(getattr(module, name), given, settings, call.path, path, loaded), call.path
        except (Exception, SystemExit) as error:
            failed.append(error)
    raise failed[0]


def _fixed(path: Path) -> dict[str, Any]:
    return {"play": True, "load_dir": str(path), "load_path": str(path), "no_cuda": True, "device": "cpu"}


def _given(
    call: script_settings.Call, settings: script_settings.Settings, state: Mapping[str, Tensor] | None
) -> script_settings.Evaluated:
    """Evaluate the arguments of a call, with modules as wide as the checkpoint's."""
    known = {"device": torch.device("cpu")}
    given = script_settings.evaluate(call, settings, known)
    for width in _widths(_module_in([*given.arguments, *given.named.values()]), state):
        if _resize(settings.values, *width):
            given = script_settings.evaluate(call, settings, known)
    return given


def _trainer(
    kind: Any,
    given: script_settings.Evaluated,
    settings: script_settings.Settings,
    script: Path,
    path: Path,
    loaded: Any,
) -> Any:
    """Build the student's trainer with the settings of its script and the weights of the checkpoint."""
    trainer = kind(*given.arguments, **given.named)
    shown = ", ".join(f"{key} = {value}" for key, value in _plain(vars(trainer)).items())
    _load(trainer, path, _state(loaded))
    if settings.required:
        tolerate(f"{script.name} requires {', '.join(settings.required)}, which no command gives; None was used.")
    source = f"the command in {settings.found_in}" if settings.found_in else f"the defaults in {script.name}"
    tolerate(f"Settings of {kind.__name__} are {source}: {shown[:300]}.")
    return trainer


def _hand_globals(module: ModuleType, own: Mapping[str, Any], names: Mapping[str, Any]) -> None:
    """Set the globals of a script's module that the script sets when it is run, and its flags by its command."""
    for name, value in names.items():
        if own.get(name) is None or isinstance(value, Namespace):
            setattr(module, name, value)


def _load(trainer: Any, path: Path, state: Mapping[str, Tensor] | None) -> None:
    try:
        trainer.load(str(path))
    except Exception as error:
        module = _module_in(vars(trainer).values())
        if module is None or state is None:
            raise
        bare = {key.removeprefix("module."): value for key, value in state.items()}
        module.load_state_dict(bare)
        tolerate(f"Trainer.load failed ({type(error).__name__}); the weights were read from {path.name} directly.")
    module = _module_in(vars(trainer).values())
    if module is not None:
        module.eval()


def _widths(module: nn.Module | None, state: Mapping[str, Tensor] | None) -> list[tuple[int, int]]:
    """Return the sizes in a module that differ from the checkpoint's: (the module's, the checkpoint's)."""
    if module is None or state is None:
        return []
    found: dict[tuple[int, int], None] = {}
    for key, tensor in module.state_dict().items():
        saved = state.get(key, tensor)
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


def _class_with_method(folder: Path) -> tuple[Path, str] | None:
    """Return the file and name of the class that has `inpainting`, preferably a Trainer."""
    found = [
        (path, node.name)
        for path, tree in imports.sources([folder])
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(one, ast.FunctionDef) and one.name == "inpainting" for one in node.body)
    ]
    return min(found, key=lambda one: (one[1] != "Trainer", one), default=None)


def _is_symmetric(script: Path) -> bool:
    """Return True if a script shifts its images to [−1, 1]."""
    for node in ast.walk(ast.parse(script.read_bytes())):
        if isinstance(node, ast.Call) and script_settings.called(node) == "Normalize":
            numbers = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            if numbers in ([0.5], [0.5, 0.5]):
                tolerate(
                    f"{script.name} shifts images to [−1, 1]; the model was asked in this range and its answers were "
                    "shifted back to [0, 1]."
                )
                return True
    return False


def _holder(loaded: Any) -> Any:
    """Return the module that has `inpainting`: what was loaded, what DataParallel wraps, or a value of a dictionary."""
    values = list(loaded.values()) if isinstance(loaded, dict) else [loaded]
    for value in values:
        module = value.module if isinstance(value, nn.DataParallel) else value
        if isinstance(module, nn.Module) and callable(getattr(module, "inpainting", None)):
            return module
    return None


def _module_in(values: Any) -> nn.Module | None:
    return next((value for value in values if isinstance(value, nn.Module)), None)


def _state(loaded: Any) -> Mapping[str, Tensor] | None:
    """Return the state dict of the starter's checkpoint: under "model", or the whole file, or a module's."""
    inner = loaded.get("model", loaded) if isinstance(loaded, dict) else loaded
    if isinstance(inner, nn.Module):
        return inner.state_dict()
    if isinstance(inner, Mapping) and inner and all(isinstance(value, Tensor) for value in inner.values()):
        return inner
    return None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if type(value) in (int, float, bool, str)}
