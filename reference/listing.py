"""The models' titles, tasks and options, known without importing the models, and torch with them.

`listing.json` repeats what each model's file says, so that models are listed and manifests are read quickly. An entry
counts only while the model's file is the one that it was written from; otherwise the file is imported, which is slow
and right. `python -m reference.listing` writes the listing anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reference import MODELS, architecture
from reference.architecture import Architecture
from reference.options import Number, Values

FILE = Path(__file__).with_name("listing.json")


@dataclass(frozen=True)
class Description:
    """The part of an `Architecture` that needs no torch."""

    title: str
    task: str
    also: tuple[str, ...]
    options: Mapping[str, Values]
    extended: tuple[str, ...] = ()
    determined: bool = False
    converging: bool = False

    @classmethod
    def of(cls, described: Architecture) -> Description:
        """Take the description out of an architecture."""
        return cls(
            described.title,
            described.task,
            tuple(described.also),
            dict(described.options),
            tuple(described.extended),
            described.determined,
            described.converging,
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks that the model's weights answer, its own first."""
        return (self.task, *self.also, *self.extended)


def description(name: str) -> Description:
    """Describe one of `reference.MODELS`. Raises LookupError for another name."""
    entry = _entries().get(name)
    if entry is None or name not in MODELS or entry["source"] != _source_digest(MODELS[name][0]):
        return Description.of(architecture(name))
    options = {option: _values(said) for option, said in entry["options"].items()}
    also, extended = tuple(entry["also"]), tuple(entry["extended"])
    fixed = entry["determined"], entry["converging"]
    return Description(entry["title"], entry["task"], also, options, extended, *fixed)


def document() -> str:
    """Return what `listing.json` is to hold, from the models' files."""
    entries = {}
    for name in MODELS:
        found = Description.of(architecture(name))
        options = {o: asdict(v) if isinstance(v, Number) else list(v) for o, v in found.options.items()}
        entries[name] = {
            "source": _source_digest(MODELS[name][0]),
            "title": found.title,
            "task": found.task,
            "also": list(found.also),
            "extended": list(found.extended),
            "determined": found.determined,
            "converging": found.converging,
            "options": options,
        }
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


@cache
def _entries() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    return found


@cache
def _source_digest(address: str) -> str:
    """The SHA-256 of the source file of a model's "module:attribute"; empty where it is no file."""
    spec = find_spec(address.partition(":")[0])
    path = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else ""


def _values(said: Any) -> Values:
    return Number(**said) if isinstance(said, dict) else tuple(said)


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
