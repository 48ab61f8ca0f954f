"""Turns what a model returned into the arrays that were asked for; runs in the worker.

Nothing is rescaled, clipped or guessed. Images without a channel, or flat ones, hold the same numbers in the same order
and are accepted with a note; everything else is an error that names what was found and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from harness.types import Array, ArraySpec, refuse


def by_name(result: Any, wanted: Mapping[str, ArraySpec], method: str, notes: list[str]) -> dict[str, Any]:
    """The values in `result`, what `method` returned, by the names of the answers `wanted`.

    A result is one value alone, a tuple or list of values by position, or a dictionary of values by name. GradingError,
    stage "answers", where values are missing; superfluous ones are ignored, with a note in `notes`.
    """
    names = list(wanted)
    if isinstance(result, Mapping):
        missing = [name for name in names if name not in result]
        if missing:
            found = ", ".join(map(repr, list(result)[:8]))
            raise refuse(
                "answers",
                "missing-answer",
                f"{method} returned a dictionary with the keys {found}; the key {missing[0]!r} is missing.",
            )
        return {name: result[name] for name in names}
    if isinstance(result, tuple | list) and not (isinstance(result, list) and len(names) == 1):
        if len(result) < len(names):
            raise refuse(
                "answers",
                "missing-answer",
                f"{method} returned {len(result)} values; it must return {len(names)}: {', '.join(names)}.",
            )
        if len(result) > len(names):
            add_note(
                notes,
                f"{method} returned {len(result)} values; the first {len(names)} were taken as {', '.join(names)}.",
            )
        return dict(zip(names, result, strict=False))
    if len(names) > 1:
        raise refuse(
            "answers",
            "missing-answer",
            f"{method} returned one {class_name(result)}; it must return {len(names)} values: {', '.join(names)}.",
        )
    return {names[0]: result}


def to_array(value: Any, shape: Sequence[int], dtype: str, what: str, notes: list[str]) -> Array:
    """Converts `value` to a contiguous array of exactly this shape and dtype.

    It may be a tensor or a numpy array of any floating-point type, or of any integer type where integers are asked for.
    `what` names it in messages. GradingError, stage "answers", where it is anything else; conversions are added to
    `notes`.
    """
    array = _plain(value, what)
    target = np.dtype(dtype)
    if array.dtype != target:
        widening = array.dtype.kind == target.kind == "f" or (array.dtype.kind in "iu" and target.kind in "iu")
        if not widening:
            raise refuse("answers", "wrong-dtype", f"{what} has dtype {array.dtype}; {target} is required.")
        converted = array.astype(target)
        if target.kind in "iu" and not np.array_equal(converted, array):
            raise refuse(
                "answers",
                "wrong-dtype",
                f"{what} has dtype {array.dtype} and values that {target} can't hold; return {target}.",
            )
        add_note(notes, f"{what} has dtype {array.dtype} and was converted to {target}.")
        array = converted
    wanted = tuple(shape)
    if array.shape != wanted:
        if len(wanted) == 4 and array.shape in _same_images(wanted):
            add_note(notes, f"{what} has shape {_shape(array.shape)} and was taken as {_shape(wanted)}.")
            array = array.reshape(wanted)
        else:
            allowed = _shape(wanted)
            raise refuse("answers", "wrong-shape", f"{what} has shape {_shape(array.shape)}; {allowed} is required.")
    return np.ascontiguousarray(array)


def add_note(notes: list[str], note: str) -> None:
    """Appends `note` to `notes` where it isn't in them yet."""
    if note not in notes:
        notes.append(note)


def class_name(value: Any) -> str:
    """The name of the value's class, at most 80 characters."""
    return type(value).__name__[:80]


def _same_images(wanted: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Shapes in which images (N, 1, H, W) are often returned: flat, or without the channel."""
    count, channels, height, width = wanted
    if channels != 1:
        return ()
    return ((count, height * width), (count, height, width))


def _shape(shape: Sequence[int]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def _plain(value: Any, what: str) -> Array:
    """The numbers of a tensor or array, in its own shape and dtype; GradingError for anything else."""
    if isinstance(value, torch.Tensor):
        # A tensor subclass may override every operation and lie; inside this block none of its overrides is used.
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            tensor = torch.Tensor.detach(value)
            if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
                raise refuse(
                    "answers",
                    "wrong-dtype",
                    f"{what} is a sparse, quantised or complex tensor; return a dense one of real numbers.",
                )
            if tensor.device.type != "cpu":
                tensor = tensor.cpu()
            if tensor.dtype is torch.bfloat16:
                tensor = tensor.float()
            return np.asarray(tensor.resolve_neg().contiguous().numpy())
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise refuse("answers", "wrong-dtype", f"{what} is an array of dtype {array.dtype}; return numbers.")
        return array
    raise refuse("answers", "wrong-type", f"{what} is a {class_name(value)}; return a tensor or a numpy array.")
