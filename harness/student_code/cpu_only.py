"""Runs code that asks for a GPU on the CPU, by changing PyTorch in the untrusted worker.

Coursework is trained on CUDA and names it in many places. Here every device named cuda is the CPU, and checkpoints are
loaded as PyTorch loaded them before 2.6, whole modules included: the student's code already runs in this process, and
could request that itself.
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
_ENTERED = ExitStack()
_TYPES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")


class CpuOnly(TorchFunctionMode):
    """Replaces CUDA devices by the CPU in the arguments of every PyTorch function."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("cuda", "pin_memory") and args and isinstance(args[0], torch.Tensor):
            if name == "cuda":
                _report()
            return args[0]
        named = dict(kwargs or {})
        if any(isinstance(one, str | torch.device) for one in (*args, *named.values())):
            args = tuple(_on_cpu(one) for one in args)
            named = {key: _on_cpu(one) for key, one in named.items()}
        return func(*args, **named)


def allow_whole_modules() -> None:
    """Makes `torch.load` read pickled modules unless it is told not to, and put everything on the CPU."""
    load = torch.load

    def load_here(f: Any, map_location: Any = None, *args: Any, weights_only: bool | None = None, **named: Any) -> Any:
        if map_location is not None and _CUDA.match(str(map_location)):
            _report()
        return load(f, "cpu", *args, weights_only=bool(weights_only), **named)

    torch.load = load_here


def keep_on_cpu() -> None:
    """Makes PyTorch use the CPU for everything asked of a CUDA device: from now on, in this thread, for good."""
    _ENTERED.enter_context(CpuOnly())
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
    """The CPU, as a value of the same kind, for a CUDA device or the name of a CUDA tensor type; else `value`."""
    if isinstance(value, torch.device):
        if value.type != "cuda":
            return value
        _report()
        return torch.device("cpu")
    if isinstance(value, str):
        if _CUDA.fullmatch(value):
            _report()
            return "cpu"
        if found := _CUDA_TYPE.fullmatch(value):
            _report()
            return f"torch.{found[1]}"
    return value


def _report() -> None:
    tolerate("The code asks for a CUDA device; there is none here, so everything was kept on the CPU.")
