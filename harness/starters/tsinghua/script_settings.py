"""Reads the settings with which a student's script builds its model off the script and its flags, without running it.

Starter code builds its trainer in one expression, `Trainer(model, device, args.langevin_k, …)`, whose parts come from
assignments before it and from argparse's defaults. Often only a README or a file of commands has the flags that the
student used.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import copy
import re
import symtable
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from harness.starters.tsinghua import script_commands
from harness.starters.tsinghua.script_commands import Command
from harness.student_code import imports
from harness.student_code.tolerated import tolerate

_EVALUATION = re.compile(r"--(play|load|eval|test)")
_PARSING = ("parse_args", "parse_known_args")
_FLAGS = frozenset(["args", "opt", "opts", "FLAGS", "hparams"])
"""Names of parameters that take the flags."""
_CALL = "_gradebench_call"
_MOST_CALLERS = 8
_DEEPEST = 3
"""Levels of callers in which the value of a function's parameter is looked for."""


@dataclass
class Settings:
    """The flags of a script with their values."""

    values: argparse.Namespace
    flags: tuple[str, ...] = ()
    """Flags of a command that was found beside the script."""
    found_in: str | None = None
    """The file that holds this command."""
    required: tuple[str, ...] = ()
    """Flags that the script requires and that no command gives; they are None."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Values that neither the script nor a command can change."""


@dataclass
class Call:
    """A call of a class somewhere in a script."""

    path: Path
    tree: ast.Module
    node: ast.Call
    function: ast.FunctionDef | None = None
    """The function around it, if any."""


class Evaluated(NamedTuple):
    """Arguments of a call, evaluated."""

    arguments: list[Any]
    named: dict[str, Any]
    names: dict[str, Any]
    """Values of the script's own names, which its classes and functions have as globals."""


def find_calls(name: str, folder: Path) -> Iterator[Call]:
    """Find the calls of class `name` in the files of a folder; those in files that parse flags come first."""
    files = sorted(imports.sources([folder]), key=lambda one: "ArgumentParser" not in ast.dump(one[1]))
    for path, tree in files:
        yield from _calls(name, path, tree)


def _calls(name: str, path: Path, tree: ast.Module) -> Iterator[Call]:
    """Find the calls in one file: each in every function around it, and then as if it were in none."""
    for scope in [*(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), tree]:
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and called(node) == name:
                yield Call(path, tree, node, scope if isinstance(scope, ast.FunctionDef) else None)


def read_settings(script: Path, near: Sequence[Path], fixed: Mapping[str, Any]) -> Settings:
    """Read the flags of a script: the `fixed` ones, else a command's in a text file `near` it, else its defaults."""
    namespace = imports.definitions(script)
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    required = []
    for node in ast.walk(imports.tree(script)):
        if isinstance(node, ast.Call) and called(node) == "add_argument":
            try:
                names, named = _evaluated(node, namespace)
                if named.pop("required", False):
                    required.append(str(names[0]))
                if not str(names[0]).startswith("-"):
                    named["nargs"] = named.get("nargs", "?")
                parser.add_argument(*names, **named)
            except Exception:  # noqa: S112 — a flag that can't be understood is one that nothing here needs
                continue
    values, flags, found_in = _commanded(parser, script, near)
    for name, value in fixed.items():
        if hasattr(values, name):
            setattr(values, name, value)
    given = {flag.partition("=")[0] for flag in flags}
    return Settings(values, flags, found_in, tuple(name for name in required if name not in given), dict(fixed))


def evaluate(call: Call, settings: Settings, known: Mapping[str, Any]) -> Evaluated:
    """Evaluate the arguments of a call, and run no more of the script than they need.

    `known` are names that keep their value, whatever the script assigns to them. Assignments to the flags themselves,
    `args.device = …`, change a copy of the settings' values.
    """
    return _Script(call, settings, known).evaluate(call, call.node, _DEEPEST)


class _Script:
    """Evaluates parts of a script, as if it were run as `__main__`."""

    def __init__(self, call: Call, settings: Settings, known: Mapping[str, Any]) -> None:
        self._path, self._tree = call.path, call.tree
        self._fixed, self._known = settings.fixed, set(known)
        self._values = copy.copy(settings.values)
        self._assigned = False
        self._globals = _globals_read(call.tree)
        # One dictionary from here on, as it is the globals of the functions that are defined in it.
        self._names = imports.definitions(call.path)
        self._names.update({"__name__": "__main__"}, **known)

    def evaluate(self, call: Call, wanted: ast.Call, depth: int) -> Evaluated:
        """Evaluate the arguments `wanted` at the place of `call`."""
        holders = self._holders(call.function)
        self._names.update(dict.fromkeys(holders, self._values))
        part = _Part(call.node, frozenset(self._known | holders), frozenset(holders))
        names = {name for one in (*wanted.args, *wanted.keywords) for name in _names(one)}
        if call.function is None:
            self._prepare(part, self._globals)
            kept, _ = part.needed(self._tree.body, names)
        else:
            body, inside = call.function.body, _stored(call.function)
            kept, needed = part.needed(body, names)
            needed = needed | part.needed(body, set(), flags=True)[1]
            self._prepare(_Part(None, part.fixed, part.holders, call.function.name), self._globals | (needed - inside))
            asked = (needed & {one.arg for one in call.function.args.args}) - part.fixed
            given = self._given(call.function, asked, depth)
            for name in asked:
                # A global of the same name as a parameter is something else.
                self._names.pop(name, None)
            self._names.update(given)
            self._run_what_works(part.needed(body, set(), flags=True)[0])
        imports.run(kept, self._names)
        return Evaluated(*_evaluated(wanted, self._names), self._names)

    def _prepare(self, part: _Part, names: set[str]) -> None:
        """Run the assignments outside functions: to the flags, once, and to those of `names` that have no value yet."""
        missing = {name for name in names if name not in self._names}
        self._run_what_works(part.needed(self._tree.body, missing, flags=not self._assigned)[0])
        self._assigned = True

    def _run_what_works(self, statements: list[ast.stmt]) -> None:
        imports.run_what_works(statements, self._names)
        for name, value in self._fixed.items():
            # A torch.device in place of its name is the same setting, and stays.
            if type(getattr(self._values, name, None)) is type(value):
                setattr(self._values, name, value)

    def _holders(self, function: ast.FunctionDef | None) -> set[str]:
        """Return the names of the parsed flags: `args`, and whatever `parse_args()` is assigned or passed to."""
        found = {"args"}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign) and _is_parsing(node.value):
                found |= {name for target in node.targets for name in _names(target)}
        if function is not None:
            found |= _FLAGS & {one.arg for one in function.args.args}
            for call in islice(_calls(function.name, self._path, self._tree), _MOST_CALLERS):
                given = _by_parameter(function, call.node) or {}
                found |= {
                    name
                    for name, value in given.items()
                    if _is_parsing(value) or (isinstance(value, ast.Name) and value.id in found)
                }
        # A class `args` that holds the settings is left out.
        held = (None, self._values)
        return {name for name in found - self._known if any(self._names.get(name) is one for one in held)}

    def _given(self, function: ast.FunctionDef, asked: set[str], depth: int) -> dict[str, Any]:
        """Return values for those of the function's parameters that are `asked`: the defaults, or a caller's."""
        defaults = zip(reversed(function.args.args), reversed(function.args.defaults), strict=False)
        values: dict[str, Any] = {}
        for name, value in {one.arg: value for one, value in defaults if one.arg in asked}.items():
            with suppress(Exception, SystemExit):
                values |= _evaluated(_call_with({name: value}), self._names)[1]
        if not asked or not depth:
            return values
        for caller in islice(_calls(function.name, self._path, self._tree), _MOST_CALLERS):
            handed = _by_parameter(function, caller.node)
            if handed is not None and caller.function is not function and asked <= set(handed) | set(values):
                wanted = _call_with({name: handed[name] for name in asked & set(handed)})
                with suppress(Exception, SystemExit):
                    return values | self.evaluate(caller, wanted, depth - 1).named
        return values


@dataclass
class _Part:
    """Selects the statements that a call needs."""

    call: ast.Call | None
    """The call that the statements lead to; None if all of them are before it."""
    fixed: frozenset[str]
    """Names that have their values already."""
    holders: frozenset[str]
    """Those of the fixed names that hold the flags."""
    around: str | None = None
    """The function around the call, which is not run."""

    def needed(
        self, statements: Sequence[ast.stmt], names: set[str], flags: bool = False
    ) -> tuple[list[ast.stmt], set[str]]:
        """Return the statements that assign to `names`, or to `flags`, and all names that these statements need."""
        names = names - self.fixed
        while True:
            kept = self._slice(statements, names, flags)
            wider = names | ({name for one in kept for name in _names(one)} - self.fixed)
            if wider == names:
                return kept, names
            names = wider

    def _slice(self, statements: Sequence[ast.stmt], names: set[str], flags: bool) -> list[ast.stmt]:
        """Return the needed statements before the call, with the conditions around them."""
        kept: list[ast.stmt] = []
        for one in statements:
            if self.call is not None and one.lineno > self.call.lineno:
                break
            if isinstance(one, ast.Assign | ast.AnnAssign | ast.AugAssign):
                targets = one.targets if isinstance(one, ast.Assign) else [one.target]
                assigned = {name for target in targets for name in _names(target)}
                if (assigned & names or (flags and self._is_flag(targets))) and not self._runs(one):
                    kept.append(one)
            elif isinstance(one, ast.If | ast.For | ast.While | ast.With | ast.Try) and self._leads_to(one):
                # Only the branch that holds the call is followed.
                for block in _blocks(one):
                    if any(self._leads_to(inner) for inner in block):
                        kept += self._slice(block, names, flags)
            elif isinstance(one, ast.If):
                body, other = self._slice(one.body, names, flags), self._slice(one.orelse, names, flags)
                if body or other:
                    body = body or [ast.copy_location(ast.Pass(), one)]
                    kept.append(ast.copy_location(ast.If(one.test, body, other), one))
        return kept

    def _leads_to(self, statement: ast.stmt) -> bool:
        return self.call is not None and any(node is self.call for node in ast.walk(statement))

    def _runs(self, statement: ast.stmt) -> bool:
        """Return True if a statement makes the call, or runs the function around it."""
        calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
        return any(node is self.call or (self.around and called(node) == self.around) for node in calls)

    def _is_flag(self, targets: Sequence[ast.expr]) -> bool:
        return any(
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self.holders
            for target in targets
            for node in ast.walk(target)
        )


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """Return the lists of statements below a compound one."""
    handlers = [one.body for one in getattr(statement, "handlers", [])]
    return [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")] + handlers


def _stored(function: ast.FunctionDef) -> set[str]:
    """Return the names that a function itself assigns to."""
    inside = {one.id for one in ast.walk(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return inside | {one.arg for one in function.args.args}


def _is_parsing(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and called(node) in _PARSING


def _by_parameter(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr] | None:
    """Return the expression that a call passes for each parameter; None for methods and for unpacked arguments."""
    names = [one.arg for one in function.args.args]
    if names[:1] in (["self"], ["cls"]) or any(isinstance(one, ast.Starred) for one in call.args):
        return None
    by_place = dict(zip(names, call.args, strict=False))
    return by_place | {one.arg: one.value for one in call.keywords if one.arg is not None}


def _call_with(arguments: Mapping[str, ast.expr]) -> ast.Call:
    """Make a call that passes expressions by name."""
    first = next(iter(arguments.values()), ast.Constant(None, lineno=1, col_offset=0))
    given = [ast.copy_location(ast.keyword(name, value), value) for name, value in arguments.items()]
    return ast.copy_location(ast.Call(ast.copy_location(ast.Name(_CALL, ast.Load()), first), [], given), first)


def _globals_read(tree: ast.Module) -> set[str]:
    """Return the globals that a script's classes read, and those of the functions that these name."""

    def read(table: symtable.SymbolTable) -> set[str]:
        own = {one.get_name() for one in table.get_symbols() if one.is_global()}
        return own.union(*(read(child) for child in table.get_children()))

    inside: dict[str, set[str]] = {}
    waiting: list[str] = []
    for table in symtable.symtable(ast.unparse(tree), "<submission>", "exec").get_children():
        inside[table.get_name()] = inside.get(table.get_name(), set()) | read(table)
        if table.get_type() == "class":
            waiting.append(table.get_name())
    found: set[str] = set()
    while waiting:
        new = inside.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found - set(dir(builtins))


def _evaluated(call: ast.Call, namespace: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Evaluate a call's arguments, but not the call."""
    catch = ast.copy_location(ast.Name(_CALL, ast.Load()), call)
    replaced = ast.copy_location(ast.Call(catch, call.args, call.keywords), call)
    taken: list[tuple[list[Any], dict[str, Any]]] = []
    scope = namespace | {_CALL: lambda *args, **named: taken.append((list(args), named))}
    imports.run([ast.copy_location(ast.Expr(replaced), call)], scope)
    return taken[0]


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - set(dir(builtins))


def called(call: ast.Call) -> str:
    """Return the last part of the name that is called; "" if there is none."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _commanded(
    parser: argparse.ArgumentParser, script: Path, near: Sequence[Path]
) -> tuple[argparse.Namespace, tuple[str, ...], str | None]:
    """Return the values of the flags, the flags that a command gives, and the file that holds the command.

    Prefers commands whose flags are all known, then evaluation commands, then the latest. Ignores commands with no
    known flag, which belong to another script of the same name.
    """
    found: tuple[tuple[bool, bool], argparse.Namespace, Command, list[str]] | None = None
    for command in script_commands.commands(script, near):
        try:
            values, rest = parser.parse_known_args(list(command.flags))
        except (Exception, SystemExit):  # noqa: S112 — a command with a value that its flag doesn't take
            continue
        unknown = [word for word in rest if word.startswith("-")]
        if set(unknown) >= {word for word in command.flags if word.startswith("-")}:
            continue
        rank = (not unknown, _EVALUATION.search(" ".join(command.flags)) is not None)
        if found is None or rank >= found[0]:
            found = rank, values, command, unknown
    if found is None:
        return parser.parse_known_args([])[0], (), None
    _, values, command, unknown = found
    if unknown:
        tolerate(f"{script.name} has no {', '.join(unknown)}, which the command in {command.found_in} gives.")
    return values, command.flags, command.found_in
