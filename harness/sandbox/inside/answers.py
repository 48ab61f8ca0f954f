"""From what a model returned to the array that was asked for; runs in the worker.

Nothing is rescaled, clipped or guessed. Two shapes that carry the same numbers in the same order are taken with a
note; everything else is an error that names what was found and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from harness.types import Array, ArraySpec, refuse


def by_name(result: Any, wanted: Mapping[str, ArraySpec], method: str, notes: list[str]) -> dict[str, Any]:
    """The values of a call's result by the names of the answers `wanted`.

    They come alone, in a tuple by position, or in a dictionary by name.
    """
    names = list(wanted)
    if isinstance(result, Mapping):
        missing = [name for name in names if name not in result]
        if missing:
            found = ", ".join(map(repr, list(result)[:8]))
            raise refuse(
                "answers",
                "missing-answer",
                f"{method} returned a dictionary with {found}; {missing[0]!r} is not in it.",
            )
        return {name: result[name] for name in names}
    if isinstance(result, tuple | list) and not (isinstance(result, list) and len(names) == 1):
        if len(result) < len(names):
            raise refuse(
                "answers", "missing-answer", f"{method} returned {len(result)} values; wanted are {', '.join(names)}."
            )
        if len(result) > len(names):
            add(notes, f"{method} returned {len(result)} values; only {', '.join(names)} was taken, in this order.")
        return dict(zip(names, result, strict=False))
    if len(names) > 1:
        raise refuse(
            "answers", "missing-answer", f"{method} returned one {kind_of(result)}; wanted are {', '.join(names)}."
        )
    return {names[0]: result}


def to_array(value: Any, shape: Sequence[int], dtype: str, what: str, notes: list[str]) -> Array:
    """`value` as a contiguous array of exactly this shape and dtype.

    It may be a tensor or an array of any float width, or of integers where integers are asked for. GradingError, stage
    "answers", where it is anything else.
    """
    array = _plain(value, what)
    target = np.dtype(dtype)
    if array.dtype != target:
        widening = array.dtype.kind == target.kind == "f" or (array.dtype.kind in "iu" and target.kind in "iu")
        if not widening:
            raise refuse("answers", "wrong-dtype", f"{what} has dtype {array.dtype}; {target} is asked for.")
        converted = array.astype(target)
        if target.kind in "iu" and not np.array_equal(converted, array):
            raise refuse("answers", "wrong-dtype", f"{what} holds {array.dtype} values that {target} can't hold.")
        add(notes, f"{what} has dtype {array.dtype} and was converted to {target}.")
        array = converted
    wanted = tuple(shape)
    if array.shape != wanted:
        if len(wanted) == 4 and array.shape in _same_images(wanted):
            add(notes, f"{what} has shape {_shape(array.shape)} and was taken as {_shape(wanted)}.")
            array = array.reshape(wanted)
        else:
            allowed = _shape(wanted)
            raise refuse("answers", "wrong-shape", f"{what} has shape {_shape(array.shape)}; {allowed} is asked for.")
    return np.ascontiguousarray(array)


def add(notes: list[str], note: str) -> None:
    """Says each thing once."""
    if note not in notes:
        notes.append(note)


def kind_of(value: Any) -> str:
    """The name of a value's class."""
    return type(value).__name__[:80]


def _same_images(wanted: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Shapes in which (N, 1, H, W) images are often returned: flat, or without the channel."""
    count, channels, height, width = wanted
    if channels != 1:
        return ()
    return ((count, height * width), (count, height, width))


def _shape(shape: Sequence[int]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def _plain(value: Any, what: str) -> Array:
    if isinstance(value, torch.Tensor):
        # A subclass may answer every method as it likes; below this line it is asked none of its own.
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            tensor = torch.Tensor.detach(value)
            if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
                raise refuse(
                    "answers", "wrong-dtype", f"{what} is a sparse, quantised or complex tensor; give a dense one."
                )
            if tensor.device.type != "cpu":
                tensor = tensor.cpu()
            if tensor.dtype is torch.bfloat16:
                tensor = tensor.float()
            return np.asarray(tensor.resolve_neg().contiguous().numpy())
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise refuse("answers", "wrong-dtype", f"{what} is an array of dtype {array.dtype}; give numbers.")
        return array
    raise refuse("answers", "wrong-type", f"{what} is a {kind_of(value)}; a tensor or a numpy array is asked for.")
