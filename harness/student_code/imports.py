"""Imports a student's own modules, and takes the definitions of scripts that can't be imported whole.

A repository of coursework has several folders whose scripts are each run from inside, such as `flow/utils.py` and
`ebm/utils.py`. Modules are searched in the entry's folder, then in the repository's top folder, then in installed
packages, as when the script is run in its folder. The standard library and what the worker has already loaded, PyTorch
and numpy among it, always take precedence.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.student_code import notebooks
from harness.student_code.tolerated import tolerate
from harness.types import GradingError

_LARGEST = 1 << 20
"""Maximum size in bytes of a source file that is parsed."""
_MOST_FILES = 200
_PLAIN_METHODS = ("device", "is_available", "namedtuple")
_PLAIN_FUNCTIONS = frozenset(
    [
        "bool",
        "dict",
        "float",
        "frozenset",
        "int",
        "len",
        "list",
        "max",
        "min",
        "namedtuple",
        "range",
        "set",
        "str",
        "tuple",
    ]
)
"""Calls whose results classes and functions use as constants."""


def find_first_in(folders: Sequence[Path]) -> None:
    """Adds the folders to the import path, with the precedence described above. The last is the repository's top."""
    places = [str(folder) for folder in dict.fromkeys(folders)]
    # At the end too, for folders without __init__.py and for compiled modules.
    sys.path += places
    sys.meta_path.insert(0, _Finder(places, frozenset(name.partition(".")[0] for name in sys.modules)))


def find_main_in(folders: Sequence[Path]) -> None:
    """Finds names that a pickle calls `__main__.Name` in the scripts and notebooks in these folders."""

    def lookup(name: str) -> Any:
        if not name.startswith("__"):
            for path, found in sources(folders):
                if any(_defines(statement, name) for statement in found.body):
                    module = _submitted(path)
                    if hasattr(module, name):
                        kind = "notebook" if notebooks.is_notebook(path) else "script"
                        tolerate(f"{name} was pickled from a {kind} that was run; it was taken from {path.name}.")
                        return getattr(module, name)
        raise AttributeError(f"no file of the submission defines {name!r}")

    sys.modules["__main__"].__dict__["__getattr__"] = lookup


def sources(folders: Sequence[Path]) -> Iterator[tuple[Path, ast.Module]]:
    """Parses the Python files directly in the folders, and then the notebooks; skips those that can't be parsed."""
    for suffix in (".py", notebooks.SUFFIX):
        for folder in dict.fromkeys(folders):
            for path in sorted(folder.glob(f"*{suffix}"))[:_MOST_FILES]:
                with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError, GradingError):
                    if notebooks.is_notebook(path) or path.stat().st_size <= _LARGEST:
                        yield path, tree(path)


def tree(path: Path) -> ast.Module:
    """Parses a Python file, or the cells of a notebook as if they were one file."""
    if not notebooks.is_notebook(path):
        return ast.parse(path.read_bytes())
    statements: list[ast.stmt] = []
    line = 0
    for cell in notebooks.read(path, path.name):
        statements += [ast.increment_lineno(one, line) for one in cell.body]
        line += cell.source.count("\n") + 1
    return ast.Module(statements, [])


def imported(path: Path) -> ModuleType:
    """Imports a file that lies directly in one of the folders, under the name by which other files import it."""
    importable = path.stem.isidentifier() and not notebooks.is_notebook(path)
    return importlib.import_module(path.stem) if importable else _submitted(path)


def definitions(path: Path) -> dict[str, Any]:
    """Runs only the definitions of a script: its imports, functions, classes and assignments of plain values.

    Returns the names that they define. Statements that fail are skipped, so that one missing package does not lose
    the rest. A notebook's are those of its cells.
    """
    if notebooks.is_notebook(path):
        return dict(vars(_submitted(path)))
    namespace: dict[str, Any] = {"__name__": f"submitted_{path.stem}", "__file__": str(path)}
    _define(ast.parse(path.read_bytes()), namespace, path.name)
    return namespace


class _Finder(MetaPathFinder):
    """Finds modules in `places`, except those of the standard library and those in `loaded`."""

    def __init__(self, places: Sequence[str], loaded: frozenset[str]) -> None:
        self._places, self._loaded = places, loaded

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if path is not None or name in sys.stdlib_module_names or name in self._loaded:
            return None
        for place in self._places:
            spec = PathFinder.find_spec(name, [place])
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = _Loader(name, str(spec.origin))
                self._report_clash(name, Path(place))
                return spec
        return None

    def _report_clash(self, name: str, taken: Path) -> None:
        """Notes which of several files of one name was imported, where other folders of the repository have one too."""
        top = Path(self._places[-1])
        folders = [top, *(one for one in sorted(top.iterdir()) if one.is_dir())]
        others = [one for one in folders if one != taken and (one / f"{name}.py").is_file()]
        if others:
            named = ", ".join(str((one / f"{name}.py").relative_to(top)) for one in others[:5])
            chosen = (taken / name).relative_to(top)
            tolerate(f"Of several modules {name}, {chosen} was imported; not taken: {named}.")


class _Loader(SourceFileLoader):
    """Loads a module; a script that can't be run to its end, because it trains or wants flags, by definitions alone."""

    def exec_module(self, module: ModuleType) -> None:
        folder = Path(self.path).parent
        if folder.name == module.__name__:
            # ebm/ebm.py is what scripts in ebm/ call `ebm`, and what scripts above call `ebm.ebm`.
            module.__path__ = [str(folder)]
        try:
            super().exec_module(module)
        except (Exception, SystemExit) as error:
            tree = ast.parse(self.get_data(self.path))
            if not _is_script(tree):
                raise
            said = "SystemExit" if isinstance(error, SystemExit) else f"{type(error).__name__}: {str(error)[:200]}"
            tolerate(
                f"{Path(self.path).name} is a script and did not run to its end here ({said}); "
                "its definitions alone were taken."
            )
            _define(tree, module.__dict__, Path(self.path).name)


def _submitted(path: Path) -> ModuleType:
    """A module of the definitions in a file."""
    if notebooks.is_notebook(path):
        # Imported here, because it uses this module.
        from harness.student_code import notebook_definitions

        return notebook_definitions.opened(path, path.name).module
    name = f"submitted_{path.stem}"
    if name not in sys.modules:
        module = ModuleType(name)
        sys.modules[name] = module
        module.__dict__.update(definitions(path))
    return sys.modules[name]


def _is_script(tree: ast.Module) -> bool:
    """Tells whether the file does more than define things: it has loops, calls, or assigns results of calls."""
    return any(
        isinstance(one, ast.For | ast.While | ast.With | ast.Expr) and not is_docstring(one) for one in tree.body
    ) or any(isinstance(one, ast.Assign) and isinstance(one.value, ast.Call) for one in tree.body)


def is_docstring(statement: ast.stmt) -> bool:
    """Tells whether the statement is a value alone, such as a text."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _define(tree: ast.Module, namespace: dict[str, Any], file: str) -> None:
    """Runs the definitions among the statements in `namespace`; those that fail are skipped."""
    for statement in tree.body:
        if only_defines(statement):
            try:
                run([statement], namespace, file)
            except (Exception, SystemExit) as error:
                if not isinstance(statement, ast.Import | ast.ImportFrom | ast.Try):
                    continue
                tolerate(f"{file}, line {statement.lineno}: an import failed and was skipped: {str(error)[:200]}.")


def run(statements: list[ast.stmt], namespace: dict[str, Any], file: str = "<submission>") -> None:
    """Runs statements of the submission's own source; tracebacks name `file`."""
    namespace.setdefault("__builtins__", builtins)
    exec(compile(ast.Module(statements, []), file, "exec"), namespace)  # noqa: S102 — in the sandbox


def run_what_works(statements: list[ast.stmt], namespace: dict[str, Any]) -> None:
    """Runs statements of the submission's own source one by one, and skips those that fail."""
    for one in statements:
        with contextlib.suppress(Exception, SystemExit):
            if isinstance(one, ast.If):
                test = ast.copy_location(ast.Assign([ast.Name("_gradebench_test", ast.Store())], one.test), one)
                scope = dict(namespace)
                run([ast.fix_missing_locations(test)], scope)
                run_what_works(one.body if scope["_gradebench_test"] else one.orelse, namespace)
            else:
                run([one], namespace)


def only_defines(statement: ast.stmt) -> bool:
    """Tells whether the statement defines or imports something and calls nothing but what makes plain values."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return is_plain(statement)
    if isinstance(statement, ast.Try):
        return all(only_defines(one) for one in statement.body)
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def is_plain(node: ast.AST) -> bool:
    """Tells whether all calls in the tree make plain values, such as `torch.device("cuda")` and `int(2.5)`."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Call):
            named = (isinstance(one.func, ast.Attribute) and one.func.attr in _PLAIN_METHODS) or (
                isinstance(one.func, ast.Name) and one.func.id in _PLAIN_FUNCTIONS
            )
            if not named:
                return False
        # The body of a lambda runs later, if ever.
        waiting += [one.args] if isinstance(one, ast.Lambda) else ast.iter_child_nodes(one)
    return True


def _defines(statement: ast.stmt, name: str) -> bool:
    return isinstance(statement, ast.ClassDef | ast.FunctionDef) and statement.name == name
