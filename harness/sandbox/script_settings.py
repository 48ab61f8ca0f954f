"""With which settings a student's script builds its model: read off the script and its flags, without running it.

Starter code hands its model over in one expression, `Trainer(model, device, args.langevin_k, …)`, of which the parts
come from assignments before it and from argparse's defaults. What the student really ran often stands in a README or
a file of commands alone.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.sandbox import own_modules

_COMMAND_FILES = ("*.md", "*.txt", "*.sh", "README*")
_LARGEST = 64 << 10
_EVALUATION = re.compile(r"--(play|load|eval|test)")


@dataclass
class Settings:
    """A script's flags with the values that they have here."""

    values: argparse.Namespace
    flags: tuple[str, ...] = ()
    """Flags of a command that was found beside the script."""
    found_in: str | None = None
    """The file that holds this command."""
    required: tuple[str, ...] = ()
    """Flags that the script wants to be given and that no command gives; they are None."""


@dataclass
class Call:
    """A call of a class somewhere in a script."""

    path: Path
    node: ast.Call
    body: list[ast.stmt]
    """The statements of the function around it, or of the file."""
    parameters: frozenset[str] = field(default_factory=frozenset)
    """What the function around it is given."""


def find_call(name: str, folder: Path) -> Call | None:
    """The first call of class `name` in the files of a folder, those that read flags first."""
    files = sorted(own_modules.sources([folder]), key=lambda one: "ArgumentParser" not in ast.dump(one[1]))
    for path, tree in files:
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        scopes: list[ast.FunctionDef | ast.Module] = [*functions, tree]
        for scope in scopes:
            for node in ast.walk(scope):
                if isinstance(node, ast.Call) and called(node) == name:
                    given = scope.args.args if isinstance(scope, ast.FunctionDef) else []
                    return Call(path, node, scope.body, frozenset(one.arg for one in given))
    return None


def read_settings(script: Path, near: Sequence[Path], fixed: Mapping[str, Any]) -> Settings:
    """The flags of a script: `fixed` ones, else a command's in a text file `near` it, else its own defaults."""
    namespace = own_modules.definitions(script)
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    required = []
    for node in ast.walk(ast.parse(script.read_bytes())):
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
    flags, found_in = _command(script, near)
    try:
        values, _ = parser.parse_known_args(list(flags))
    except (argparse.ArgumentError, SystemExit):
        values, flags, found_in = parser.parse_known_args([])[0], (), None
    for name, value in fixed.items():
        if hasattr(values, name):
            setattr(values, name, value)
    given = {flag.partition("=")[0] for flag in flags}
    return Settings(values, flags, found_in, tuple(name for name in required if name not in given))


def evaluate(call: Call, settings: Settings, known: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call, by position and by name, with no more of the script run than they need.

    `known` are names that have a value already, whatever the script assigns to them.
    """
    namespace = own_modules.definitions(call.path) | dict(known)
    holders = _holders(call) - set(namespace)
    namespace |= dict.fromkeys(holders, settings.values)
    needed = _names(call.node) - set(known) - holders
    before = [one for one in call.body if one.lineno <= call.node.lineno]
    while True:
        kept = _slice(before, needed, call.node)
        wider = needed | ({name for one in kept for name in _names(one)} - set(known) - holders)
        if wider == needed:
            break
        needed = wider
    own_modules.run(kept, namespace)
    return _evaluated(call.node, namespace)


def _holders(call: Call) -> set[str]:
    """Names that stand for the parsed flags: what `parse_args` is assigned to, and what is called like it."""
    found = {"args", "opt", "opts", "FLAGS", "hparams"} & (call.parameters | {"args"})
    tree = ast.parse(call.path.read_bytes())
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if called(node.value) in ("parse_args", "parse_known_args"):
            found |= {name for target in node.targets for name in _names(target)}
    return found


def _slice(statements: Sequence[ast.stmt], needed: set[str], call: ast.Call) -> list[ast.stmt]:
    """Of statements those that give `needed` names a value, with the conditions that they stand under."""
    kept: list[ast.stmt] = []
    for one in statements:
        if isinstance(one, ast.If):
            body, other = _slice(one.body, needed, call), _slice(one.orelse, needed, call)
            if body or other:
                kept.append(
                    ast.copy_location(ast.If(one.test, body or [ast.copy_location(ast.Pass(), one)], other), one)
                )
        elif isinstance(one, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            holds_call = any(node is call for node in ast.walk(one))
            if not holds_call and {name for target in targets for name in _names(target)} & needed:
                kept.append(one)
    return kept


def _evaluated(call: ast.Call, namespace: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Evaluates a call's arguments, but not the call."""
    catch = ast.copy_location(ast.Name("_gradebench_call", ast.Load()), call)
    replaced = ast.copy_location(ast.Call(catch, call.args, call.keywords), call)
    taken: list[tuple[list[Any], dict[str, Any]]] = []
    scope = namespace | {"_gradebench_call": lambda *args, **named: taken.append((list(args), named))}
    own_modules.run([ast.copy_location(ast.Expr(replaced), call)], scope)
    return taken[0]


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - set(dir(builtins))


def called(call: ast.Call) -> str:
    """The last part of the name that is called; "" where there is none."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _command(script: Path, near: Sequence[Path]) -> tuple[tuple[str, ...], str | None]:
    """The flags of the last command that runs the script to evaluate, or of the last at all, and the file's name."""
    commands = [(_EVALUATION.search(line) is not None, line, name) for name, line in _lines(near, script.name)]
    chosen = [one for one in commands if one[0]] or commands
    for _, line, name in reversed(chosen):
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        at = next((i for i, word in enumerate(words) if word.endswith(script.name)), None)
        if at is not None and any(word.startswith("-") for word in words[at + 1 :]):
            return tuple(words[at + 1 :]), name
    return (), None


def _lines(folders: Sequence[Path], script: str) -> Iterator[tuple[str, str]]:
    """Commands that run a file of this name, by the name of the text that holds them; nearest folder last."""
    for folder in reversed(folders):
        for path in sorted({path for pattern in _COMMAND_FILES for path in folder.glob(pattern) if path.is_file()}):
            if path.stat().st_size <= _LARGEST:
                for line in path.read_text("utf-8", "replace").replace("\\\n", " ").splitlines():
                    if script in line and "python" in line:
                        yield path.name, line.strip().strip("`$ ")
