"""Asks a student's conditional VAE or GAN: a module with `sample`, pickled whole or built as its script builds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from harness.starters.tsinghua import building
from harness.student_code.tolerated import tolerate
from harness.types import refuse


class Generator:
    """Adapts a student's module to conditional-generation."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def sample(self, noise: Tensor, labels_one_hot: Tensor) -> Any:
        """Return the result of the module's `sample` for noise (N, 100) and one-hot labels (N, 10)."""
        return self._module.sample(noise, labels_one_hot)


def open_generator(path: Path, loaded: Any, folder: Path, root: Path) -> Generator:
    """Open a generator by its own code.

    A whole module is asked as it is. Of a state dict, the class in `folder` that has the method `sample` is built as
    its script builds it. GradingError where neither is there.
    """
    module, values = building.holder(loaded, "sample"), building.values_of(loaded)
    if module is None and building.module_in(values) is not None:
        kinds = ", ".join(type(one).__name__ for one in values if isinstance(one, nn.Module))
        raise refuse(
            "worker",
            "missing-method",
            f"{path.name} holds a whole module ({kinds}) without a method sample(latent, label), which the starter "
            "asks for. Write it, or hand in a code entry.",
        )
    if module is None:
        found = building.class_with_method(folder, "sample")
        if found is None:
            raise refuse("worker", "missing-method", f"No class in {folder.name}/ has a method sample. Write it.")

        def load(made: Any) -> None:
            made.load_state_dict(building.bare(building.state(loaded) or {}))

        module, _ = building.built(*found, [folder, root], path, loaded, load)
    if module.training:
        module.eval()
    parameters = sum(one.numel() for one in module.parameters())
    tolerate(f"The model was asked through its own code: {type(module).__name__}.sample, {parameters:,} parameters.")
    return Generator(module)
