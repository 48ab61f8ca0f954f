"""Students' repositories in the starter's layout, asked through the methods that the starter asks to be written.

Tsinghua University, Deep Learning, homework 3. `ebm/`: a class `Trainer` with `inpainting(corrupted, mask)` on images
(N, 1, 28, 28) in [0, 1], built and loaded by main.py. `flow/`: a whole pickled `FlowSequential` with
`inpainting(num_samples, inputs, mask, savedir)` on flat images that were dequantised and rescaled to [.0001, .9999],
which returns images (N, 1, 28, 28). In both, the mask is true where a pixel is corrupted.
"""

from __future__ import annotations

import ast
import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.sandbox import own_modules, script_settings
from harness.sandbox.inpainting_method import Method
from harness.sandbox.thrown_away import can_write, throw_away_writes
from harness.sandbox.tolerated import tolerate
from harness.types import refuse

_LOW, _HIGH = 1e-4, 0.9999
"""What the flow's starter code rescales images to, so that their logits are finite."""
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".pdf", ".log")


class EnergyModel:
    """A `Trainer` of `ebm/`, as row-inpainting asks it."""

    def __init__(self, method: Method, symmetric: bool) -> None:
        self._method, self._symmetric = method, symmetric

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) for images in [0, 1] and a mask that is True where they are corrupted."""
        if not self._symmetric:
            return self._method(images, mask)
        return (self._method(images * 2 - 1, mask) + 1) / 2


class Flow:
    """A `FlowSequential` of `flow/`, as half-inpainting asks it."""

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
    """The model of a repository at `root`: `code` is "starter:ebm" or "starter:flow", `checkpoint` its file.

    Runs the student's code; to be called in the untrusted worker alone. GradingError where the classes, the method or
    the weights can't be found.
    """
    part = code.partition(":")[2]
    if checkpoint is None:
        raise refuse("manifest", "no-checkpoint", f"{code} needs a checkpoint.")
    path, folder = root / checkpoint, _folder(root, checkpoint, part)
    own_modules.find_first_in([folder, root])
    own_modules.find_main_in([folder, root])
    _work_in_a_copy(folder)
    return _open_flow(path, folder) if part == "flow" else _open_energy(path, folder, root)


def _folder(root: Path, checkpoint: str, part: str) -> Path:
    """The folder of the part, however its name is spelled: the checkpoint's, or the one at the top."""
    names = [Path(checkpoint).parts[0], *sorted(path.name for path in root.iterdir())]
    found = next((name for name in names if name.lower() == part and (root / name).is_dir()), None)
    if found is None:
        raise refuse("manifest", "missing-folder", f"There is no folder {part}/ at the top of the submission.")
    return root / found


def _work_in_a_copy(folder: Path) -> None:
    """Makes a writable folder, which has links to the part's files, the working directory.

    Students' methods save pictures where they are run, and the submission is read-only.
    """
    if not can_write():
        os.chdir(folder)
        throw_away_writes()
        return
    copy = Path(tempfile.mkdtemp()) / folder.name
    copy.mkdir()
    for place, folders, files in os.walk(folder):
        inside = copy / Path(place).relative_to(folder)
        for name in folders[:100]:
            (inside / name).mkdir(exist_ok=True)
        for name in files[:1000]:
            # Pictures are what is written over; they are left out so that they can be.
            if not name.lower().endswith(_PICTURES):
                with contextlib.suppress(OSError):
                    (inside / name).symlink_to(Path(place) / name)
        folders[:] = folders[:100]
    os.chdir(copy)
    tolerate("The working directory is a writable copy, so that pictures can be saved; they are thrown away.")


def _open_flow(path: Path, folder: Path) -> Flow:
    loaded = torch.load(path)
    model = _holder(loaded)
    if model is None:
        what = "a state dict" if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
        raise refuse(
            "checkpoint",
            "no-module",
            f"{path.name} holds {what}, no module with a method inpainting. Masks and permutations of the flow are in "
            "no state dict: save the whole model, torch.save(model, path), or hand in a code entry.",
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
        raise refuse("worker", "missing-method", f"No class in {folder.name}/ has a method inpainting.")
    file, name = found
    loaded = torch.load(path)
    owner = _holder(loaded)
    call = script_settings.find_call(name, folder)
    if owner is None:
        if call is None:
            raise refuse(
                "worker",
                "no-settings",
                f"No script in {folder.name}/ builds {name}, so its settings are not known; hand in a code entry.",
            )
        owner = _trainer(getattr(own_modules.imported(file), name), call, [folder, root], path, loaded)
    script = file if call is None else call.path
    return EnergyModel(Method(owner.inpainting, ("images", "mask"), flat=False), _is_symmetric(script))


def _trainer(kind: Any, call: script_settings.Call, near: list[Path], path: Path, loaded: Any) -> Any:
    """The student's trainer with the settings of its script and the weights of the checkpoint."""
    fixed = {"play": True, "load_dir": str(path), "load_path": str(path), "no_cuda": True, "device": "cpu"}
    settings = script_settings.read_settings(call.path, near, fixed)
    if settings.required:
        tolerate(f"{call.path.name} wants {', '.join(settings.required)} to be given; each was left empty.")
    arguments, named = script_settings.evaluate(call, settings, {"device": torch.device("cpu")})
    state = _state(loaded)
    for width in _widths(_module_in([*arguments, *named.values()]), state):
        if _resize(settings.values, *width):
            arguments, named = script_settings.evaluate(call, settings, {"device": torch.device("cpu")})
    trainer = kind(*arguments, **named)
    shown = ", ".join(f"{key} = {value}" for key, value in _plain(vars(trainer)).items())
    source = f"the command in {settings.found_in}" if settings.found_in else f"the defaults in {call.path.name}"
    tolerate(f"Settings of {kind.__name__} are {source}: {shown[:300]}.")
    _load(trainer, path, state)
    return trainer


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
    """Sizes in a module that differ from the checkpoint's: (the module's, the checkpoint's)."""
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
    """Sets the one flag of value `ours` to `theirs`, the checkpoint's."""
    flags = [name for name, value in vars(values).items() if type(value) is int and value == ours]
    wide = [name for name in flags if "hidden" in name or "dim" in name or "width" in name] or flags
    if len(wide) != 1:
        return False
    setattr(values, wide[0], theirs)
    tolerate(f"The checkpoint was trained with --{wide[0]} {theirs}, not with the script's {ours}.")
    return True


def _class_with_method(folder: Path) -> tuple[Path, str] | None:
    """The file and name of the class that has `inpainting`, preferably a Trainer."""
    found = [
        (path, node.name)
        for path, tree in own_modules.sources([folder])
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(one, ast.FunctionDef) and one.name == "inpainting" for one in node.body)
    ]
    return min(found, key=lambda one: (one[1] != "Trainer", one), default=None)


def _is_symmetric(script: Path) -> bool:
    """Whether a script shifts its images to [−1, 1]."""
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
    """The module that has `inpainting` in what a checkpoint gives: itself, DataParallel's, or a dictionary's."""
    values = list(loaded.values()) if isinstance(loaded, dict) else [loaded]
    for value in values:
        module = value.module if isinstance(value, nn.DataParallel) else value
        if isinstance(module, nn.Module) and callable(getattr(module, "inpainting", None)):
            return module
    return None


def _module_in(values: Any) -> nn.Module | None:
    return next((value for value in values if isinstance(value, nn.Module)), None)


def _state(loaded: Any) -> Mapping[str, Tensor] | None:
    """The state dict of the starter's checkpoint: under "model", or the whole file, or a module's."""
    inner = loaded.get("model", loaded) if isinstance(loaded, dict) else loaded
    if isinstance(inner, nn.Module):
        return inner.state_dict()
    if isinstance(inner, Mapping) and inner and all(isinstance(value, Tensor) for value in inner.values()):
        return inner
    return None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if type(value) in (int, float, bool, str)}
