"""The moment until which pages for everybody, and exports to platforms that students see, tell no score.

An assignment states it as `hide_until`, a command as `--hide-until`. The results folder remembers it for each
assignment, so that a command that doesn't repeat it hides, too.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from harness.files import write_atomically

KEY = "hide_until"
"""Key of an assignment's TOML."""
OPTION = "--hide-until"
LIFTED = "none"
"""Value of the option that shows all at once, whatever the assignment states."""
FILE = "hide-until.json"
"""Name of the file in a results folder."""
_LARGEST = 1 << 20
_EXAMPLE = "2026-12-01T18:00:00+01:00"
_LINE = re.compile(rf"^[ \t]*{KEY}[ \t]*=[ \t]*([^#\n]*)", re.MULTILINE)
_MINUTES = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2})([+-][0-9]{2}:[0-9]{2}|Z)?")


class HidingError(Exception):
    """The file of a results folder can't be used; the message says what to do."""


def moment(value: object, key: str = KEY) -> datetime:
    """Return a date with its time zone, given as TOML or a person writes it, such as "2026-12-01T18:00+01:00".

    Raises ValueError with a sentence that names the key, what was found, and a line to write.
    """
    found = value
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(_wrong(key, value, "is no date with a time")) from None
        if ":" not in value:
            raise ValueError(_wrong(key, value, "has no time of day and no time zone"))
    if isinstance(found, date) and not isinstance(found, datetime):
        raise ValueError(_wrong(key, found.isoformat(), "has no time of day and no time zone"))
    if not isinstance(found, datetime):
        raise ValueError(_wrong(key, value, "is no date with a time"))
    if found.utcoffset() is None:
        raise ValueError(_wrong(key, value if isinstance(value, str) else found.isoformat(), "has no time zone"))
    return found


def malformed(text: str) -> str:
    """Return a sentence about a line `hide_until = …` that is no TOML; empty where there is none.

    TOML has no date without seconds and no bare word, and says little about either.
    """
    for match in _LINE.finditer(text):
        try:
            tomllib.loads(match[0])
        except tomllib.TOMLDecodeError:
            return _wrong(KEY, match[1].strip(), "is no date of TOML")
    return ""


def shown(until: datetime) -> str:
    """Return a moment as people read it.

    >>> shown(moment("2026-12-01T18:00+01:00")), shown(moment("2026-12-01T18:00Z"))
    ('2026-12-01 18:00 (UTC+01:00)', '2026-12-01 18:00 (UTC)')
    """
    return until.strftime("%Y-%m-%d %H:%M") + f" ({until.tzname() if until.utcoffset() is not None else 'UTC'})"


@dataclass(frozen=True)
class Stated:
    """A moment, or None where hiding was lifted, and who stated it."""

    until: datetime | None
    by_option: bool = False
    """True for the command line, whose word stands until the next one; an assignment's is replaced by its own."""


def stated(results: Path) -> dict[str, Stated]:
    """Return what is stated in a results folder, by assignment. Raises HidingError for a file that can't be read.

    A file that can't be read never shows a score.
    """
    path = results / FILE
    try:
        if not path.is_symlink() and not path.exists():
            return {}
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise ValueError
        document = json.loads(path.read_text("utf-8"))
        return {str(name): _read(told) for name, told in document["assignments"].items()}
    except OSError as error:
        raise HidingError(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HidingError(
            f"{path}: can't be read, so that nobody knows until when scores are hidden; delete it and state the date "
            f"again, {OPTION} {_EXAMPLE}"
        ) from error


def remember(
    results: Path, assignment: str, of_assignment: datetime | None, option: datetime | None = None, lifted: bool = False
) -> None:
    """Keep what an assignment and a command's option state; the option, where there is one, wins until the next one.

    Parameters
    ----------
    of_assignment : the assignment's own `hide_until`
    option : the command's, None where it gives none
    lifted : the command's option is "none"
    """
    known = stated(results)
    former = known.get(assignment)
    now = former
    if option is not None or lifted:
        now = Stated(option, by_option=True)
    elif former is None or not former.by_option:
        now = Stated(of_assignment) if of_assignment is not None else None
    if now == former:
        return
    changed = {name: told for name, told in {**known, assignment: now}.items() if told is not None}
    document = {
        "assignments": {
            name: {"until": None if told.until is None else told.until.isoformat(), "by_option": told.by_option}
            for name, told in sorted(changed.items())
        }
    }
    write_atomically(results / FILE, json.dumps(document, indent=1).encode() + b"\n")


def hidden(results: Path, now: datetime | None = None) -> Mapping[str, datetime]:
    """Return the assignments whose scores are hidden at a moment, by default this one, and until when."""
    at = now or datetime.now(UTC)
    return {name: told.until for name, told in stated(results).items() if told.until is not None and at < told.until}


def _read(told: Any) -> Stated:
    return Stated(None if told["until"] is None else moment(told["until"]), bool(told["by_option"]))


def _wrong(key: str, found: object, what: str) -> str:
    option = key.startswith("-")
    match = _MINUTES.match(str(found).strip("\"' "))
    whole = f"{match[1].replace(' ', 'T')}:00{match[2] or '+01:00'}" if match is not None else _EXAMPLE
    try:
        datetime.fromisoformat(whole)
    except ValueError:
        whole = _EXAMPLE
    line = f"{key} {whole}" if option else f"{key} = {whole}"
    zone = "" if match is not None and match[2] else " (+01:00 is the time zone, hours ahead of UTC)"
    return f"{key}: found {str(found)!r:.80}, which {what}; write {line}{zone}"
