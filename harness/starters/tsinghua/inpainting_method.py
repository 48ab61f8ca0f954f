"""Calls a student's `inpainting`, however it wants its arguments and gives its answer, and says what was bent."""

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
"""Mean distance of known pixels from what was asked, up to which an answer is in a known unit."""
_PATIENCE = 10.0
"""Seconds that a call in a form that does not fit may take, for another one to be tried."""
_MISFIT = (TypeError, ValueError, RuntimeError, IndexError, AttributeError)


class Method:
    """A bound method `inpainting` of a student's model.

    Parameters
    ----------
    function : the method
    order : the roles of its arguments in the starter: "count", "images", "mask", "folder"
    flat : whether the starter gives it images (N, 784) instead of (N, 1, 28, 28)
    """

    def __init__(self, function: Callable[..., Any], order: Sequence[str], *, flat: bool) -> None:
        self._function, self._order = function, order
        self._forms: list[tuple[bool, str]] = [
            (shape, kind) for shape in (flat, not flat) for kind in ("bool", "float", "numpy")
        ]

    def __call__(self, images: Tensor, mask: Tensor) -> Tensor:
        """Images (N, 1, 28, 28), detached, for images and a mask of this shape. Takes the first form that works."""
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
                tolerate(f"inpainting did not take what the starter gives it; it was given images {shape} and {what}.")
            # What worked once is asked from now on.
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
        """The roles of the arguments to give, by name: those without a default, and images and mask in any case."""
        roles = {one.name: _role(one.name) for one in self._parameters() if one.default is one.empty}
        for one in self._parameters():
            role = _role(one.name)
            if role in ("images", "mask") and role not in roles.values():
                roles[one.name] = role
        return roles

    def _named(self) -> bool:
        """Whether every argument that is wanted has a name that tells its role, and no role comes twice."""
        roles = list(self._wanted().values())
        return None not in roles and len(set(roles)) == len(roles) and {"images", "mask"} <= set(roles)

    def _by_name(self, values: Mapping[str, Any]) -> dict[str, Any]:
        wanted = self._wanted()
        if tuple(wanted.values()) != tuple(self._order):
            names = ", ".join(one.name for one in self._parameters())
            tolerate(f"inpainting takes ({names}); its arguments were told by their names.")
        return {name: values[role] for name, role in wanted.items() if role is not None}

    def _by_place(self, values: Mapping[str, Any]) -> list[Any]:
        wanted = [one for one in self._parameters() if one.default is one.empty]
        order = {len(self._order): self._order, 2: ("images", "mask"), 3: ("images", "mask", "folder")}.get(len(wanted))
        if order is None:
            names = ", ".join(one.name for one in wanted)
            raise refuse(
                "worker",
                "signature",
                f"inpainting wants ({names}); the starter's takes {', '.join(self._order)}.",
            )
        tolerate(f"inpainting takes ({', '.join(one.name for one in wanted)}), given {', '.join(order)} in this order.")
        return [values[role] for role in order]


def _role(name: str) -> str | None:
    return next((role for role, names in _ROLES.items() if name.lower() in names), None)


def _images(answer: Any, count: int) -> Tensor:
    """What a method returned as a tensor (N, 1, 28, 28)."""
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
    """`found` in the unit of `asked`, where the known pixels show that it came in another; else as it came."""
    for name, value in (("", found), ("in [−1, 1]", (found + 1) / 2), ("as logits", found.sigmoid())):
        if bool(known.any()) and float((value - asked)[known].abs().mean()) < _CLOSE:
            if name:
                tolerate(f"inpainting returned its images {name}, as their known pixels show; they were converted.")
            return value
    return found
