"""Runs the definitions of a notebook: imports, functions, classes and assignments of plain values.

Everything else, such as training loops, is passed over and named in a note. Each statement is compiled under the name
of its cell, so that a traceback reads `File "hw4.ipynb, cell 7", line 3`.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from harness.student_code import imports, missing_imports, notebooks
from harness.student_code.notebooks import Cell
from harness.student_code.tolerated import tolerate

_QUOTED = 3
"""Statements and magics that a note quotes."""


@dataclass(frozen=True)
class NotRun:
    """A statement that was passed over, or that failed."""

    cell: Cell
    statement: ast.stmt
    error: BaseException | None = None

    @property
    def place(self) -> str:
        """The statement's cell and line."""
        return f"cell {self.cell.number}, line {self.statement.lineno}"

    def __str__(self) -> str:
        line = self.cell.source.split("\n")[self.statement.lineno - 1].strip()
        return f"{self.place}: {_short(line)}{_because(self.error)}"


@dataclass
class NotebookModule:
    """The module of a notebook's definitions, and what of the notebook was not run."""

    name: str
    """The notebook's path as messages show it."""
    module: ModuleType
    passed: list[NotRun] = field(default_factory=list)
    failed: list[NotRun] = field(default_factory=list)
    """Imports and definitions that raised an error."""
    magics: list[str] = field(default_factory=list)
    unreadable: list[Cell] = field(default_factory=list)
    defined: list[ast.stmt] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """Sentences on what was not run."""
        if self.passed:
            yield (
                f"{self.name}: of a notebook, only imports, definitions and assignments of plain values are run; "
                f"{_counted(len(self.passed), 'other statement')} passed over: {_some(self.passed)}."
            )
        if self.magics:
            yield f"{self.name}: {_counted(len(self.magics), 'magic')} passed over: {_some(map(_short, self.magics))}."
        if self.unreadable:
            cells = _some(f"cell {cell.number} ({cell.problem})" for cell in self.unreadable)
            yield f"{self.name}: cells that can't be parsed were passed over: {cells}."
        if self.failed:
            yield f"{self.name}: imports and definitions that failed were skipped: {_some(self.failed)}."

    def missing(self, function: str) -> str:
        """A sentence on names that `function` uses, directly or not, and that statements not run would have set.

        Empty where there are none. Also says so where the function itself is such a name.
        """
        set_by: dict[str, NotRun] = {}
        for one in (*self.passed, *self.failed):
            for name in _bound(one.statement):
                set_by[name] = one
        known = vars(self.module)
        wanted = sorted(
            (name for name in self._used(function) if name in set_by and name not in known),
            key=lambda name: (set_by[name].cell.number, set_by[name].statement.lineno),
        )
        if not wanted:
            return ""
        named = _some(f"{name}, {set_by[name].place}{_because(set_by[name].error)}" for name in wanted)
        absent = [
            one.error.name or name for name in wanted if isinstance((one := set_by[name]).error, ModuleNotFoundError)
        ]
        todo = missing_imports.advice(absent[0].partition(".")[0]) if absent else ""
        return (
            f"{self.name}: {function} needs names that are set by statements of the notebook that were not run: "
            f"{named}. {todo or f'Make them plain values, or set them inside {function}.'}"
        )

    def _used(self, function: str) -> set[str]:
        """Names of the notebook that a function needs, itself included."""
        uses: dict[str, set[str]] = {}
        for statement in (*self.defined, *(one.statement for one in self.failed)):
            names = _globals_of(statement)
            for bound in _bound(statement):
                uses[bound] = names
        found, waiting = {function}, [function]
        while waiting:
            more = uses.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found


def opened(path: Path, name: str) -> NotebookModule:
    """Run the definitions of a notebook, once, and note what of it was not run. GradingError if it can't be read."""
    if path not in _OPENED:
        module = ModuleType(f"submitted_{path.stem}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        cells = notebooks.read(path, name)
        _OPENED[path] = taken = NotebookModule(name, module)
        _run(cells, taken)
        for sentence in taken.notes():
            tolerate(sentence)
    return _OPENED[path]


_OPENED: dict[Path, NotebookModule] = {}


def _run(cells: list[Cell], taken: NotebookModule) -> None:
    for cell in cells:
        file = f"{taken.name}, cell {cell.number}"
        linecache.cache[file] = (len(cell.source), None, cell.source.splitlines(keepends=True), file)
        taken.magics += cell.magics
        if cell.problem is not None:
            taken.unreadable.append(cell)
        for statement in cell.body:
            if isinstance(statement, ast.Pass) or imports.is_docstring(statement):
                continue
            if not _only_defines(statement):
                taken.passed.append(NotRun(cell, statement))
                continue
            try:
                imports.run([statement], vars(taken.module), file)
            except (Exception, SystemExit) as error:
                plain = isinstance(statement, ast.Assign | ast.AnnAssign | ast.If)
                (taken.passed if plain else taken.failed).append(NotRun(cell, statement, error))
            else:
                taken.defined.append(statement)


def _only_defines(statement: ast.stmt) -> bool:
    """Decide whether to run a statement; `if torch.cuda.is_available(): device = …` is one of those that are run."""
    if isinstance(statement, ast.If):
        branches = (*statement.body, *statement.orelse)
        return imports.is_plain(statement.test) and all(map(_only_defines, branches))
    return imports.only_defines(statement)


def _bound(statement: ast.stmt) -> set[str]:
    """Names that a statement of a module sets."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return names


def _globals_of(statement: ast.stmt) -> set[str]:
    """Names of the module that a statement, with the functions and classes in it, refers to."""
    names: set[str] = set()
    try:
        tables = [symtable.symtable(ast.unparse(statement), "<submission>", "exec")]
    except (SyntaxError, RecursionError):
        return names
    while tables:
        table = tables.pop()
        is_module = table.get_type() == "module"
        names |= {
            one.get_name() for one in table.get_symbols() if one.is_referenced() and (is_module or one.is_global())
        }
        tables += table.get_children()
    return names - set(dir(builtins))


def _because(error: BaseException | None) -> str:
    return "" if error is None else f" ({type(error).__name__}: {str(error)[:100]})"


def _short(line: str) -> str:
    return f'"{line[:60]}…"' if len(line) > 60 else f'"{line}"'


def _counted(number: int, what: str) -> str:
    return f"1 {what} was" if number == 1 else f"{number} {what}s were"


def _some(things: object) -> str:
    listed = [str(one) for one in things]  # type: ignore[attr-defined]
    more = len(listed) - _QUOTED
    return "; ".join(listed[:_QUOTED]) + (f"; and {more} more" if more > 0 else "")
