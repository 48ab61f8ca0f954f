"""Asks a student's energy-based model: a class `Trainer` with a method `inpainting`, built and loaded by main.py."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.starters.tsinghua import building, script_settings
from harness.starters.tsinghua.inpainting_method import Method
from harness.student_code import imports
from harness.student_code.tolerated import tolerate
from harness.types import refuse


class EnergyModel:
    """Adapts a `Trainer` of `ebm/` to row-inpainting."""

    def __init__(self, method: Method, symmetric: bool) -> None:
        self._method, self._symmetric = method, symmetric

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) for images in [0, 1] and a mask that is True where they are corrupted."""
        if not self._symmetric:
            return self._method(images, mask)
        return (self._method(images * 2 - 1, mask) + 1) / 2


def open_energy(path: Path, loaded: Any, folder: Path, root: Path) -> EnergyModel:
    """Build the student's trainer with the weights of a checkpoint. GradingError where no class inpaints."""
    found = building.class_with_method(folder, "inpainting", "Trainer")
    if found is None:
        raise refuse("worker", "missing-method", f"No class in {folder.name}/ has a method inpainting. Write it.")
    file, name = found
    owner = building.holder(loaded, "inpainting")
    if owner is None:

        def load(trainer: Any) -> None:
            _load(trainer, path, loaded)

        owner, script = building.built(file, name, [folder, root], path, loaded, load)
    else:
        script = next((call.path for call in script_settings.find_calls(name, folder)), file)
    return EnergyModel(Method(owner.inpainting, ("images", "mask"), flat=False), _is_symmetric(script))


def _load(trainer: Any, path: Path, loaded: Any) -> None:
    weights = building.state(loaded)
    try:
        trainer.load(str(path))
    except Exception as error:
        module = building.module_in(vars(trainer).values())
        if module is None or weights is None:
            raise
        module.load_state_dict(building.bare(weights))
        tolerate(f"Trainer.load failed ({type(error).__name__}); the weights were read from {path.name} directly.")
    module = building.module_in(vars(trainer).values())
    if module is not None:
        module.eval()


def _is_symmetric(script: Path) -> bool:
    """Return True if a script shifts its images to [−1, 1]."""
    for node in ast.walk(imports.tree(script)):
        if isinstance(node, ast.Call) and script_settings.called(node) == "Normalize":
            numbers = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            if numbers in ([0.5], [0.5, 0.5]):
                tolerate(
                    f"{script.name} shifts images to [−1, 1]; the model was asked in this range and its answers were "
                    "shifted back to [0, 1]."
                )
                return True
    return False
