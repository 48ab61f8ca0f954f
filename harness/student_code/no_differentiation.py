"""Stops automatic differentiation while a function is asked for a derivative that is to be worked out by hand.

`torch.inference_mode` alone stops neither `torch.func.grad` nor code that switches the mode off again, so the places
that these pass through are replaced, too. It is a fence for honest students, not a wall: code that calls PyTorch's
private functions, imports another library or takes finite differences gets past it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest import mock

import torch

_PLACES = (
    ("torch.autograd", "_engine_run_backward"),  # autograd.grad, backward
    ("torch.autograd.forward_ad", "make_dual"),
    ("torch._functorch.eager_transforms", "grad_increment_nesting"),  # func.grad, vjp, jacrev
    ("torch._functorch.eager_transforms", "jvp_increment_nesting"),  # func.jvp, jacfwd
)


class DifferentiationError(RuntimeError):
    """Raised in place of automatic differentiation."""


@contextmanager
def no_differentiation() -> Iterator[None]:
    """Runs the block in inference mode, with `DifferentiationError` raised by what differentiates automatically."""
    with ExitStack() as stack:
        for name, attribute in _PLACES:
            module = importlib.import_module(name)
            if hasattr(module, attribute):  # private names, which a later PyTorch may drop
                stack.enter_context(mock.patch.object(module, attribute, _refuse))
        stack.enter_context(torch.inference_mode())
        yield


def is_differentiation(error: BaseException) -> bool:
    """Tells whether an exception comes of automatic differentiation that was stopped."""
    said = str(error)
    return isinstance(error, DifferentiationError) or (
        isinstance(error, RuntimeError)
        and ("does not require grad" in said or "nference tensor" in said or "does not have a grad_fn" in said)
    )


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise DifferentiationError("automatic differentiation is switched off while derivatives are asked for")
