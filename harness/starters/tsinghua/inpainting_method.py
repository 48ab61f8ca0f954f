"""Calls a student's method `inpainting` with the arguments that its signature asks for.

Answers of other types, shapes and units are converted. Each deviation from the starter's interface is noted.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.student_code.tolerated import tolerate
from harness.types import refuse

_ROLES: Mapping[str, frozenset[str]] = {
    "count": frozenset(["num_samples", "n_samples", "nsamples", "num", "n", "batch_size", "bsz"]),
    "images": frozenset(
        [
            "inputs",
            "input",
            "x",
            "corrupted",
            "images",
            "image",
            "imgs",
            "img",
            "broken",
            "broken_data",
            "noisy",
            "data",
        ]
    ),
    "mask": frozenset(["mask", "masks", "m"]),
    "folder": frozenset(["savedir", "save_dir", "dirname", "save_path", "path", "folder", "out_dir", "img_dir"]),
}
_FOLDER = "inpainting_images/"
_CLOSE = 1e-3
"""Largest mean distance of known pixels from those that were asked, for the unit of an answer to be recognised."""
_PATIENCE = 10.0
"""Seconds after which a failed call is not repeated with other forms of the arguments."""
_MISFIT = (TypeError, ValueError, RuntimeError, IndexError, AttributeError)


class Method:
    """Wraps a bound method `inpainting` of a student's model.

    Parameters
    ----------
    function : the method
    order : roles of its arguments in the starter: "count", "images", "mask", "folder"
    flat : True if the starter gives it images (N, 784) instead of (N, 1, 28, 28)
    """

    def __init__(self, function: Callable[..., Any], order: Sequence[str], *, flat: bool) -> None:
        self._function, self._order = function, order
        self._forms: list[tuple[bool, str]] = [
            (shape, kind) for shape in (flat, not flat) for kind in ("bool", "float", "numpy")
        ]

    def __call__(self, images: Tensor, mask: Tensor) -> Tensor:
        """Inpaint images (N, 1, 28, 28), given a mask of this shape, by the first form of arguments that works."""
        first: Exception | None = None
        for flat, kind in list(self._forms):
            start = time.monotonic()
            try:
                answer = self._called(images, mask, flat, kind)
            except _MISFIT as error:
                first = first or error
                if time.monotonic() - start > _PATIENCE:
                    break
                continue
            if self._forms[0] != (flat, kind):
                shape = "(N, 784)" if flat else "(N, 1, 28, 28)"
                what = {"bool": "a mask of truth values", "float": "a mask of 0 and 1", "numpy": "numpy arrays"}[kind]
                tolerate(
                    "inpainting failed with the arguments that the starter gives it, so it was given images "
                    f"{shape} and {what}."
                )
            # All later calls use the form that worked.
            self._forms = [(flat, kind)]
            return _in_unit(_images(answer, len(images)), images, ~mask)
        if first is None:
            raise AssertionError
        raise first

    def _called(self, images: Tensor, mask: Tensor, flat: bool, kind: str) -> Any:
        shape = (len(images), 784) if flat else (len(images), 1, 28, 28)
        # Copies, because methods work in place.
        given: Any = images.detach().clone().reshape(shape)
        hidden: Any = mask.clone().reshape(shape)
        if kind != "bool":
            hidden = hidden.float()
        if kind == "numpy":
            given, hidden = given.numpy(), hidden.numpy()
        values = {"count": len(images), "images": given, "mask": hidden, "folder": _FOLDER}
        return self._function(**self._by_name(values)) if self._named() else self._function(*self._by_place(values))

    def _parameters(self) -> list[inspect.Parameter]:
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return [one for one in inspect.signature(self._function).parameters.values() if one.kind in kinds]

    def _wanted(self) -> dict[str, str | None]:
        """Return the roles of the arguments to give, by name: those without a default, images and mask in any case."""
        roles = {one.name: _role(one.name) for one in self._parameters() if one.default is one.empty}
        for one in self._parameters():
            role = _role(one.name)
            if role in ("images", "mask") and role not in roles.values():
                roles[one.name] = role
        return roles

    def _named(self) -> bool:
        """Return True if the name of each argument tells its role, and no role comes twice."""
        roles = list(self._wanted().values())
        return None not in roles and len(set(roles)) == len(roles) and {"images", "mask"} <= set(roles)

    def _by_name(self, values: Mapping[str, Any]) -> dict[str, Any]:
        wanted = self._wanted()
        if tuple(wanted.values()) != tuple(self._order):
            names = ", ".join(one.name for one in self._parameters())
            tolerate(f"inpainting takes ({names}); its arguments were recognised by their names.")
        return {name: values[role] for name, role in wanted.items() if role is not None}

    def _by_place(self, values: Mapping[str, Any]) -> list[Any]:
        wanted = [one for one in self._parameters() if one.default is one.empty]
        order = {len(self._order): self._order, 2: ("images", "mask"), 3: ("images", "mask", "folder")}.get(len(wanted))
        if order is None:
            names = ", ".join(one.name for one in wanted)
            raise refuse(
                "worker",
                "signature",
                f"inpainting wants ({names}); the starter's takes {', '.join(self._order)}. "
                "Give its arguments these names, or hand in a code entry.",
            )
        tolerate(f"inpainting takes ({', '.join(one.name for one in wanted)}), given {', '.join(order)} in this order.")
        return [values[role] for role in order]


def _role(name: str) -> str | None:
    return next((role for role, names in _ROLES.items() if name.lower() in names), None)


def _images(answer: Any, count: int) -> Tensor:
    """Convert what a method returned to a tensor (N, 1, 28, 28)."""
    if isinstance(answer, tuple | list):
        several = [one for one in answer if _is_images(one, count)]
        if several:
            tolerate(f"inpainting returned {len(answer)} values; the first that holds all images was taken.")
            answer = several[0]
    if not _is_images(answer, count):
        what = f"of shape {tuple(answer.shape)}" if hasattr(answer, "shape") else f"of type {type(answer).__name__}"
        if answer is None:
            what = "of nothing: it has to return the images"
        raise refuse("answers", "wrong-shape", f"inpainting gave an answer {what}; ({count}, 1, 28, 28) is asked for.")
    if isinstance(answer, np.ndarray):
        tolerate("inpainting returned a numpy array.")
        answer = torch.from_numpy(np.ascontiguousarray(answer))
    if tuple(answer.shape) != (count, 1, 28, 28):
        tolerate(f"inpainting returned images of shape ({', '.join(map(str, answer.shape))}).")
    images: Tensor = answer.detach().to("cpu", torch.float32).reshape(count, 1, 28, 28)
    return images


def _is_images(value: Any, count: int) -> bool:
    return (
        isinstance(value, Tensor | np.ndarray)
        and value.dtype not in (bool, torch.bool)
        and ((value.size if isinstance(value, np.ndarray) else value.numel()) == count * 784)
    )


def _in_unit(found: Tensor, asked: Tensor, known: Tensor) -> Tensor:
    """Convert `found` to the unit of `asked` if the known pixels show that it is in another one."""
    for name, value in (("", found), ("in [−1, 1]", (found + 1) / 2), ("as logits", found.sigmoid())):
        if bool(known.any()) and float((value - asked)[known].abs().mean()) < _CLOSE:
            if name:
                tolerate(f"inpainting returned its images {name}, as their known pixels show; they were converted.")
            return value
    return found
