"""Lets code that asks for a GPU run without one: the untrusted worker's own PyTorch, never the parent's.

Coursework is trained on CUDA and says so in many places. Here every device named cuda is the CPU, and a checkpoint is
loaded as PyTorch loaded it before 2.6, whole modules included: the student's code runs in this process already, and
could ask for that itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from harness.student_code.tolerated import tolerate

_CUDA = re.compile(r"cuda(:[0-9]+)?")
_CUDA_TYPE = re.compile(r"torch\.cuda\.([A-Z][A-Za-z]*Tensor)")
_FOR_GOOD = ExitStack()
_TYPES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")


class CpuOnly(TorchFunctionMode):
    """Takes the CPU wherever an operation names a CUDA device."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("cuda", "pin_memory") and args and isinstance(args[0], torch.Tensor):
            if name == "cuda":
                _say()
            return args[0]
        named = dict(kwargs or {})
        if any(isinstance(one, str | torch.device) for one in (*args, *named.values())):
            args = tuple(_on_cpu(one) for one in args)
            named = {key: _on_cpu(one) for key, one in named.items()}
        return func(*args, **named)


def allow_whole_modules() -> None:
    """Has `torch.load` read pickled modules unless it is told not to, and put everything on the CPU."""
    load = torch.load

    def load_here(f: Any, map_location: Any = None, *args: Any, weights_only: bool | None = None, **named: Any) -> Any:
        if map_location is not None and _CUDA.match(str(map_location)):
            _say()
        return load(f, "cpu", *args, weights_only=bool(weights_only), **named)

    torch.load = load_here


def keep_on_cpu() -> None:
    """From now on, in this thread and for good, what is asked of a CUDA device happens on the CPU."""
    _FOR_GOOD.enter_context(CpuOnly())
    for name, value in {
        "set_device": None,
        "synchronize": None,
        "current_device": 0,
        "get_device_name": "CPU",
    }.items():
        setattr(torch.cuda, name, lambda *_, value=value, **__: value)
    for kind in _TYPES:
        setattr(torch.cuda, f"{kind}Tensor", getattr(torch, f"{kind}Tensor"))
    set_type = torch.set_default_tensor_type
    torch.set_default_tensor_type = lambda t: set_type(_on_cpu(t))


def _on_cpu(value: Any) -> Any:
    if isinstance(value, torch.device):
        if value.type != "cuda":
            return value
        _say()
        return torch.device("cpu")
    if isinstance(value, str):
        if _CUDA.fullmatch(value):
            _say()
            return "cpu"
        if found := _CUDA_TYPE.fullmatch(value):
            _say()
            return f"torch.{found[1]}"
    return value


def _say() -> None:
    tolerate("The code asks for a CUDA device; there is none here, and everything was kept on the CPU.")
