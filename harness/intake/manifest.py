"""Parses and validates submission.toml. Each error names the key, what was found and what is allowed.

    [submission]
    name = "Team Gauss"
    id = "s1234567"

    [[entry]]
    task = "conditional-generation"
    model = "cvae"
    checkpoint = "vae/best.pt"
    options = { concat_activation = "relu" }

An entry brings its model in one of three ways: `checkpoint` with `model`, `code` (with or without `checkpoint`), or
`outputs`. The code is "path/to/file.py:function", "path/to/file.py" alone where the file's own functions are asked, or
one that a starter layout opens, such as "starter:ebm".
"""

from __future__ import annotations

import difflib
import tomllib
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.intake.manifest_text import STRAIGHT, decoded, with_slashes, with_straight_quotes
from harness.intake.names import ID_LENGTH, folded, is_id, path_problem, slug
from harness.starters import starter_for, starters
from harness.text import NAME_LENGTH, shown
from harness.types import ITSELF, Entry, GradingError, Kind, refuse
from reference.options import Values, chosen

FILE_NAME = "submission.toml"
LARGEST = 64 << 10
"""Bytes of the largest manifest that is read."""
MOST_ENTRIES = 50
_MOST_DOTS = 64
OPTIONS_OF_ANY_MODEL: Mapping[str, Values] = {"value_range": ("0,1", "-1,1")}
"""Options of entries that name no architecture: the range of their model's own output."""

Models = Mapping[str, Mapping[str, Values]]
"""Fixed architectures by name; for each, its options with their allowed values."""


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read without an error."""

    name: str | None
    """Name on the leaderboard, cleaned; None if the manifest has none."""
    id: str | None
    """Safe as a file name; None if the manifest has none."""
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    """Changes that reading made, in sentences for the student."""


@dataclass(frozen=True)
class FoundManifest:
    """The manifest at the top of a submission."""

    name: str
    """Its name as it is spelled there."""
    notes: tuple[str, ...] = ()
    """A sentence if that is not `FILE_NAME`."""


def spellings(names: Iterable[str]) -> list[str]:
    """Return the names that are a manifest's, sorted: in any case, and with the ".txt" that Windows' Notepad adds."""
    return sorted(name for name in names if name.casefold() in (FILE_NAME, f"{FILE_NAME}.txt"))


def manifest_in(names: Iterable[str]) -> FoundManifest | None:
    """Find the manifest among the names at the top of a submission; None if there is none.

    Raises
    ------
    GradingError
        of kind several-manifests, with their names.
    """
    found = spellings(names)
    if not found:
        return None
    if len(found) > 1:
        listed = " and ".join(shown(name) for name in found[:4])
        message = f"{listed} lie side by side; one manifest is allowed. Keep the right one, as {FILE_NAME}."
        raise refuse("manifest", "several-manifests", message)
    if found[0] == FILE_NAME:
        return FoundManifest(FILE_NAME)
    return FoundManifest(found[0], (f"{shown(found[0])} was read as the manifest. Rename it to {FILE_NAME}.",))


def matched(entries: Iterable[Entry], files: Iterable[str], name: str) -> tuple[tuple[Entry, ...], list[str]]:
    """Give the paths of entries the spelling of the files that are there, with notes for the student.

    A path that no file has stays as it is. Composed and decomposed accents (NFC, NFD) are the same. A file whose path
    differs in case is taken, as Windows and macOS do, and the note says which line to write: no two files differ in
    case alone, so there is no choice.
    """
    there = {folded(file): file for file in files}
    exact = set(there.values())
    notes: list[str] = []

    def spelled(path: str, where: str, line: str) -> str:
        found = there.get(folded(path))
        if path in exact or found is None:
            return path
        if unicodedata.normalize("NFC", found) != unicodedata.normalize("NFC", path):
            notes.append(
                f"{where}: there is no {shown(path, 80)}, but {shown(found, 80)}, which was read. "
                f"Write {line.format(shown(found, 80))}."
            )
        return found

    made = []
    for number, entry in enumerate(entries, 1):
        where, file, code = f"{name}, entry {number}", entry.file, entry.code
        if file is not None:
            key = "outputs" if entry.kind is Kind.OUTPUTS else "checkpoint"
            file = spelled(file, where, f'{key} = "{{}}"')
        if code is not None and starter_for(code) is None:
            path, _, function = code.rpartition(":")
            line = f'code = "{{}}:{function}"'
            code = f"{spelled(path, where, line)}:{function}"
        made.append(replace(entry, file=file, code=code))
    return tuple(made), notes


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _SubmissionTable(_Table):
    name: str | None = None
    id: str | int | None = None


class _EntryTable(_Table):
    task: str
    part: str | None = None
    model: str | None = None
    checkpoint: str | None = None
    code: str | None = None
    outputs: str | None = None
    options: dict[str, str | int | float] = {}


class _Document(_Table):
    submission: _SubmissionTable = _SubmissionTable()
    entry: list[_EntryTable]


def read_manifest(content: bytes, name: str, *, tasks: Collection[str], models: Models) -> Manifest:
    """Parse and validate a manifest.

    Parameters
    ----------
    content : the file's bytes: UTF-8, or UTF-16 as Notepad writes it
    name : name of the file in errors
    tasks : the tasks that exist
    models : the fixed architectures that exist, with their options and the values of these

    Raises
    ------
    GradingError
        of stage "manifest", with the file, the key, what was found and what is allowed.
    """
    table, repairs = _toml(content, name)
    _refuse_onnx(table, name)
    document, slashed = _slashed(_document(table, name), name)
    if not document.entry:
        raise refuse("manifest", "no-entry", f"{name} has no [[entry]], so nothing to grade. Write one for each model.")
    if len(document.entry) > MOST_ENTRIES:
        message = f"{name} has {len(document.entry)} entries; at most {MOST_ENTRIES} are allowed. Remove some."
        raise refuse("manifest", "too-many-entries", message)
    entries = tuple(
        _entry(table, f"{name}, entry {number}", tasks, models) for number, table in enumerate(document.entry, 1)
    )
    _refuse_equal_parts(entries, name)
    shown_name, identifier, notes = _identity(document.submission, name)
    return Manifest(shown_name, identifier, entries, (*repairs, *slashed, *notes))


def _toml(content: bytes, name: str) -> tuple[dict[str, Any], list[str]]:
    """Parse the file, with notes on what was repaired in it."""
    if len(content) > LARGEST:
        raise refuse("manifest", "too-large", f"{name} is larger than {LARGEST} bytes, which is the most allowed.")
    text = decoded(content, name)
    # tomllib's time grows with the cube of the parts of a dotted key, which is always on one line.
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS:
            message = f"{name}, line {number}, has more than {_MOST_DOTS} dots, the most allowed. Break the line up."
            raise refuse("manifest", "not-toml", message)
    text, notes = with_slashes(text, name)
    try:
        return tomllib.loads(text), notes
    except RecursionError:
        message = f"{name} nests values too deeply to be read. Write plain tables and texts."
        raise refuse("manifest", "not-toml", message) from None
    except ValueError as error:  # tomllib's own error is one; so is an integer of too many digits
        reason = shown(error)
    straight, curly = with_straight_quotes(text)
    if not curly:
        raise refuse("manifest", "not-toml", f"{name} is not valid TOML: {reason}.")
    try:
        table = tomllib.loads(straight)
    except (RecursionError, ValueError):
        found = shown(text.split("\n")[curly[0] - 1], 80)
        message = (
            f"{name} is not valid TOML: {reason}. Line {curly[0]} has curly quotes: {found}. Write straight ones, "
            f"{found.translate(STRAIGHT)}, in a plain text editor."
        )
        raise refuse("manifest", "curly-quotes", message) from None
    said = f'{name}: curly quotes (line {curly[0]}) were read as straight ones. Write " in a plain text editor.'
    return table, [*notes, said]


def _slashed(document: _Document, name: str) -> tuple[_Document, list[str]]:
    """Turn the backslashes of paths into forward slashes, with notes."""
    tables, notes = [], []
    for number, table in enumerate(document.entry, 1):
        changed = {}
        for key in ("checkpoint", "code", "outputs"):
            value = getattr(table, key)
            if value is not None and "\\" in value:
                changed[key] = value.replace("\\", "/")
                notes.append(
                    f"{name}, entry {number}: backslashes were read as slashes. "
                    f'Write {key} = "{shown(changed[key], 80)}".'
                )
        tables.append(table.model_copy(update=changed))
    return document.model_copy(update={"entry": tables}), notes


def _refuse_onnx(table: dict[str, Any], name: str) -> None:
    entries = table.get("entry")
    for number, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        if isinstance(entry, dict) and "onnx" in entry:
            message = (
                f'{name}, entry {number}, key "onnx": ONNX models can\'t be graded. For an architecture that '
                '`gradebench models` lists, save the state dict, torch.save(model.state_dict(), "model.pt"), and write '
                'model = "…" and checkpoint = "model.pt". For any other, hand in its Python: '
                'code = "path/to/file.py:function".'
            )
            raise refuse("manifest", "onnx-not-supported", message)


def _document(table: dict[str, Any], name: str) -> _Document:
    try:
        return _Document.model_validate(table)
    except ValidationError as error:
        sentences = [_sentence(problem) for problem in error.errors(include_url=False, include_context=False)]
        distinct = list(dict.fromkeys(sentences))
        raise refuse("manifest", "bad-key", f"{name}: {' '.join(distinct[:3])}", "\n".join(distinct)) from None


def _sentence(problem: Any) -> str:
    """Put one of pydantic's errors into a sentence: the key, what was found, what is allowed."""
    keys = [key for key in problem["loc"] if key not in ("str", "int", "float")]  # the last are branches of a union
    where, kind, found = _where(keys), problem["type"], _described(problem["input"])
    if kind == "missing":
        if keys == ["entry"]:
            return "There is no [[entry]]: at least one is needed."
        return f'{where} is missing. Add {keys[-1]} = "…".'
    if kind == "extra_forbidden":
        allowed = list(_allowed(keys))
        return f"{where} is not known; {_guess(str(keys[-1]), allowed)}allowed are {', '.join(allowed)}."
    wanted = {
        "string_type": "a text in quotes",
        "int_type": "a text in quotes",
        "float_type": "a text in quotes",
        "list_type": "a list of tables, each written [[entry]]",
        "dict_type": "a table of texts",
        "model_type": "a table",
        "model_attributes_type": "a table",
    }.get(kind, "something else")
    if keys[2:3] == ["options"] and len(keys) > 3:
        wanted = "a text in quotes or a number"
    return f"{where} is {found}, but has to be {wanted}."


def _where(keys: list[Any]) -> str:
    """Put a path of keys into words: entry 2, key "options.z_log"."""
    if len(keys) >= 2 and keys[0] == "entry" and isinstance(keys[1], int):
        inner = ".".join(shown(key, 60) for key in keys[2:])
        return f'Entry {keys[1] + 1}, key "{inner}"' if inner else f"Entry {keys[1] + 1}"
    return f'Key "{".".join(shown(key, 60) for key in keys)}"'


def _allowed(keys: list[Any]) -> Collection[str]:
    if keys[0] == "entry" and len(keys) > 1:
        return _EntryTable.model_fields
    return _SubmissionTable.model_fields if keys[0] == "submission" and len(keys) > 1 else _Document.model_fields


def _described(value: object) -> str:
    """Describe a value for an error: short, on one line, tables and lists by their type alone."""
    if isinstance(value, str):
        return f'the text "{shown(value, 60)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}" if abs(value) < 1e15 else "a large number"
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else "a date or time"


def _guess(found: str, allowed: Collection[str]) -> str:
    """Return 'did you mean "checkpoint"? ' if an allowed word is close, else nothing."""
    close = difflib.get_close_matches(found[:100], allowed, n=1)
    return f'did you mean "{close[0]}"? ' if close else ""


def _known(value: str, key: str, where: str, allowed: Collection[str], what: str) -> str:
    """Return `value` if it is allowed."""
    if value not in allowed:
        raise _unknown(value, key, where, allowed, what)
    return value


def _unknown(value: str, key: str, where: str, allowed: Collection[str], what: str) -> GradingError:
    choice = ", ".join(f'"{name}"' for name in sorted(allowed)) or "none"
    message = (
        f'{where}, key "{key}": "{shown(value, 60)}" is no {what} here; {_guess(value, allowed)}allowed: {choice}.'
    )
    return refuse("manifest", f"unknown-{what}", message)


def _entry(table: _EntryTable, where: str, tasks: Collection[str], models: Models) -> Entry:
    task = _known(table.task, "task", where, tasks, "task")
    kind, file = _way(table, where)
    model = None
    if kind is Kind.WEIGHTS:
        model = _known(table.model or "", "model", where, models, "model")
    elif table.model is not None:
        message = (
            f'{where}, key "model": a model is named only beside a "checkpoint" without "code". '
            'To say which part of the coursework this is, use "part".'
        )
        raise refuse("manifest", "model-not-allowed", message)
    part = table.part if table.part is not None else model or task
    if not is_id(part):
        message = (
            f'{where}, key "part": "{shown(part, 60)}" has to be 1 to {ID_LENGTH} of A-Z a-z 0-9 . _ -, '
            "and no name that Windows reserves."
        )
        raise refuse("manifest", "bad-part", message)
    return Entry(
        task=task,
        kind=kind,
        part=part,
        model=model,
        file=None if file is None else _path(file[1], file[0], where),
        code=None if table.code is None else _code(table.code, where),
        options=_options(table.options, where, OPTIONS_OF_ANY_MODEL if model is None else models[model]),
    )


def _way(table: _EntryTable, where: str) -> tuple[Kind, tuple[str, str] | None]:
    """Return how the entry brings its model, and the (key, value) of its file."""
    ways = [key for key in ("code", "outputs") if getattr(table, key) is not None]
    if table.checkpoint is not None and ways != ["code"]:
        ways.insert(0, "checkpoint")
    if len(ways) != 1:
        found = "has none of them" if not ways else f"has {' and '.join(ways)}"
        message = (
            f'{where} needs exactly one of "checkpoint" with "model", "code" (with or without "checkpoint"), '
            f'"outputs"; it {found}.'
        )
        raise refuse("manifest", "no-way" if not ways else "several-ways", message)
    if ways == ["checkpoint"]:
        if table.model is None:
            message = (
                f'{where} has a "checkpoint" but neither "model" nor "code". Add model = "…", an architecture that '
                '`gradebench models` lists, or code = "path/to/file.py:function".'
            )
            raise refuse("manifest", "no-model", message)
        return Kind.WEIGHTS, ("checkpoint", table.checkpoint or "")
    if ways == ["code"]:
        return Kind.CODE, None if table.checkpoint is None else ("checkpoint", table.checkpoint)
    return Kind.OUTPUTS, ("outputs", table.outputs or "")


def _path(value: str, key: str, where: str) -> str:
    """Return a path inside the submission, without "./" and doubled slashes."""
    problem = path_problem(value)
    if problem is not None:
        raise refuse("manifest", problem[0], f'{where}, key "{key}": "{shown(value, 80)}" {problem[1]}.')
    return str(PurePosixPath(value))


def _code(value: str, where: str) -> str:
    if starter_for(value) is not None:
        return value
    file, colon, function = value.rpartition(":")
    if value.endswith((".py", ".ipynb")):
        file, colon, function = value, ":", ITSELF
    if not colon or not file.endswith((".py", ".ipynb")) or not (function.isidentifier() or function == ITSELF):
        codes = ", ".join(f'"{code}"' for starter in starters() for code in starter.codes)
        message = f'{where}, key "code": "{shown(value, 80)}" has to be of the form "path/to/file.py:function"' + (
            f", or one of {codes} for the layout of starter code." if codes else "."
        )
        raise refuse("manifest", "bad-code", message)
    return f"{_path(file, 'code', where)}:{function}"


def _options(found: Mapping[str, str | int | float], where: str, allowed: Mapping[str, Values]) -> dict[str, str]:
    """Return the options as text. `reference.options.chosen` decides on them; this puts its refusals into words."""
    for option, value in found.items():
        values, key = allowed.get(option), f"options.{option}"
        if isinstance(values, tuple) and not isinstance(value, str):
            message = f'{where}, key "{key}" is {_described(value)}, but has to be a text in quotes.'
            raise refuse("manifest", "bad-key", message)
        try:
            chosen({option: str(value)}, allowed)
        except ValueError:
            if values is None:
                raise _unknown(option, "options", where, allowed, "option") from None
            if isinstance(values, tuple):
                raise _unknown(str(value), key, where, values, "value") from None
            message = f'{where}, key "{key}": {_described(value)} is not allowed; it has to be {values}.'
            raise refuse("manifest", "unknown-value", message) from None
    return {option: str(value) for option, value in found.items()}


def _refuse_equal_parts(entries: tuple[Entry, ...], name: str) -> None:
    first: dict[tuple[str, ...], int] = {}
    for number, entry in enumerate(entries, 1):
        # Parts become file names, so they have to differ where case doesn't count, too. Options may tell an
        # assignment's parts apart, such as sizes of a code.
        key = (entry.part.casefold(), *(f"{name}={value}" for name, value in sorted(entry.options.items())))
        other = first.setdefault(key, number)
        if other != number:
            message = (
                f'{name}: entries {other} and {number} are both part "{entry.part}". '
                'Give one a "part" of its own: part = "…".'
            )
            raise refuse("manifest", "equal-parts", message)


def _identity(table: _SubmissionTable, where: str) -> tuple[str | None, str | None, tuple[str, ...]]:
    notes: list[str] = []
    name = None
    if table.name is not None:
        name = shown(table.name) or None
        if len(table.name) > NAME_LENGTH:
            notes.append(f"{where}: the name was cut to {NAME_LENGTH} characters.")
        elif (name or "") != unicodedata.normalize("NFC", " ".join(table.name.split())):
            notes.append(f"{where}: characters that can't be shown were removed from the name.")
    identifier = None
    if table.id is not None and str(table.id).strip():
        identifier = slug(str(table.id).strip())
        if identifier != str(table.id):
            notes.append(f'{where}: the id became "{identifier}": up to {ID_LENGTH} of A-Z a-z 0-9 . _ - are allowed.')
    return name, identifier, tuple(notes)
