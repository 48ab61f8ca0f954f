"""Explains a failed import of student code: the file that asks for it, what the sandbox has, and what to do."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.student_code import stand_ins


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Explain a ModuleNotFoundError that the block raises.

    Parameters
    ----------
    root : folder of the submission
    """
    try:
        yield
    except ModuleNotFoundError as error:
        explain(error, root)
        raise


def explain(error: ModuleNotFoundError, root: Path) -> None:
    """Add the explanation to the error's message. Tracebacks through files below `root` are the submission's."""
    error.msg = f"{error.msg}. {explanation(error, root)}".removesuffix(".")


def explanation(error: ModuleNotFoundError, root: Path) -> str:
    """Sentences on an import that failed."""
    module = error.name or "a module"
    place = asked_by(error, root)
    package = module.partition(".")[0]
    asks = f"{place} imports it. " if place else ""
    if package in sys.modules and package != module:
        return f"{asks}There is {package}, but no {module} in it."
    return f"{asks}{advice(package)}"


def advice(package: str) -> str:
    """Sentences on what the sandbox has in place of a package that it lacks, and what to do."""
    return (
        "The sandbox has torch, numpy and Python's standard library, and stand-ins, which draw and save nothing, for "
        f"{', '.join(stand_ins.NAMES)}. If {package} is a file of yours, hand it in too; else take the import out, or "
        "move it into the training code, which load does not run."
    )


def asked_by(error: BaseException, root: Path) -> str:
    """The innermost line of the submission in the error's traceback: "vae/train.py, line 3"; empty if there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if ".ipynb, cell " in frame.filename:
            return f"{frame.filename}, line {frame.lineno}"
        path = Path(frame.filename)
        if path.is_relative_to(root):
            return f"{path.relative_to(root)}, line {frame.lineno}"
    return ""
