"""Replaces packages for drawing, logging and preparing data that students' files import and that aren't installed.

The stand-ins can be imported and used without effect: progress bars iterate, writers write nothing, pictures are not
drawn. A name that would have to compute something raises an error that says so when it is used. Installed packages are
never replaced.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Self

from harness.student_code import vision
from harness.student_code.tolerated import tolerate

_INERT = [
    "matplotlib",
    "seaborn",
    "tensorboard",
    "tensorboardX",
    "wandb",
    "visdom",
    "torchsummary",
    "torchinfo",
    "torchviz",
    "IPython",
    "ipdb",
]
"""Packages that draw, log or debug; using their stand-ins has no effect."""
_WRITING = ("matplotlib",)
"""Packages that write into a folder of their own on import."""
_TENSORBOARD = "torch.utils.tensorboard"
"""A part of PyTorch that can't be imported without the package tensorboard."""


def install(can_write: bool = True) -> None:
    """Makes the stand-ins importable in place of packages that aren't installed.

    Must be called before the submission's folders are on sys.path. Where no file can be written, a package that
    must write on import counts as not installed.
    """
    sys.meta_path.insert(0, _Finder(tuple(sys.path), () if can_write else _WRITING))


class _Finder(MetaPathFinder):
    """Finds a stand-in where no package of that name is installed.

    It must come before the finder of sys.path, for which a folder of log files, such as `wandb/`, is a package.
    """

    def __init__(self, folders: Sequence[str], unusable: Sequence[str]) -> None:
        self._folders, self._unusable = folders, unusable
        self._installed: dict[str, bool] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package = name.partition(".")[0]
        if name == _TENSORBOARD or name.startswith(_TENSORBOARD + "."):
            package, shown = "tensorboard", _TENSORBOARD
        elif package in _MODULES or package in _INERT:
            shown = package
        else:
            return None
        if self._is_installed(package):
            return None
        why = "can't be used without a place to write" if package in self._unusable else "is not installed"
        return ModuleSpec(name, _Loader(f"{shown} {why}"), is_package=True)

    def _is_installed(self, package: str) -> bool:
        if package not in self._installed:
            spec = PathFinder.find_spec(package, self._folders)
            found = spec is not None and spec.loader is not None
            self._installed[package] = found and package not in self._unusable
        return self._installed[package]


class _Loader(Loader):
    def __init__(self, why: str) -> None:
        self._why = why

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        package = module.__name__.partition(".")[0]
        for name, value in _MODULES.get(package, {}).get(module.__name__, {}).items():
            setattr(module, name, value)
        tolerate(f"{self._why} here; a stand-in replaced it, which draws, saves and downloads nothing.")


class _Module(ModuleType):
    """A module that has every attribute."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        package, inner = self.__name__.partition(".")[0], f"{self.__name__}.{name}"
        if inner in _MODULES.get(package, {}):
            return importlib.import_module(inner)
        value = _MISSING.get(package, _inert)(self.__name__, name)
        setattr(self, name, value)
        return value


class Inert:
    """Any object of a package that draws or logs: using it gives an inert object again, or nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Self:
        return self

    def __getitem__(self, key: Any) -> Self:
        return self

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return ()


def _inert(module: str, name: str) -> Any:
    # `figure, axes = plt.subplots()` is the one call whose result is unpacked.
    return (lambda *_, **__: (Inert(), Inert())) if name == "subplots" else Inert()


class Progress:
    """A progress bar that shows nothing: it iterates over its argument and counts updates."""

    def __init__(self, iterable: Iterable[Any] | None = None, *_: Any, total: float | None = None, **__: Any) -> None:
        self.iterable, self.n = iterable, 0.0
        self.total = len(iterable) if total is None and isinstance(iterable, Sized) else total

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable if self.iterable is not None else ():
            yield item
            self.n += 1

    def __len__(self) -> int:
        return int(self.total or 0)

    def update(self, n: float = 1) -> None:
        """Adds `n` to the count."""
        self.n += n

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None

    @staticmethod
    def write(text: object, *_: Any, **__: Any) -> None:
        """Prints to the worker's log."""
        print(text)

    @staticmethod
    def pandas(*_: Any, **__: Any) -> None: ...


def trange(*bounds: int, **_: Any) -> Progress:
    """A `Progress` over a range."""
    return Progress(range(*bounds))


def _torchvision(module: str, name: str) -> Any:
    if module == "torchvision.datasets":
        return vision.unavailable(
            f"{module}.{name}",
            at_once=True,
            why="no data set is. A model must load and answer without one.",
        )
    return vision.unavailable(f"{module}.{name}", at_once=False, why="torchvision is not installed.")


_BAR = {"tqdm": Progress, "trange": trange, "tqdm_notebook": Progress, "tnrange": trange}
_MODULES: dict[str, dict[str, dict[str, Any]]] = {
    "tqdm": dict.fromkeys(("tqdm", "tqdm.auto", "tqdm.notebook", "tqdm.std", "tqdm.autonotebook"), _BAR),
    "torchvision": {
        "torchvision": {"__version__": "0.0.0"},
        "torchvision.transforms": {
            "Compose": vision.Compose,
            "ToTensor": vision.ToTensor,
            "Normalize": vision.Normalize,
            "Lambda": vision.Lambda,
        },
        "torchvision.transforms.functional": {"to_tensor": vision.to_tensor, "normalize": vision.normalize},
        "torchvision.datasets": {},
        "torchvision.models": {},
        "torchvision.utils": {"make_grid": vision.make_grid, "save_image": vision.save_image},
    },
}
"""Names that the stand-ins define, by package and module."""
NAMES = (*_MODULES, *_INERT)
"""Packages that have a stand-in."""
_MISSING: dict[str, Callable[[str, str], Any]] = {"torchvision": _torchvision}
"""Functions of (module, name) that make a value for a name that a package's stand-ins don't define."""
