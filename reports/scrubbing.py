"""Removes ids and names of students from the sentences of records: messages, notes and explanations.

Such sentences hold what students write: names of files and folders, and texts of errors. Of a pseudonymous submission,
its own id and name give way to the pseudonym, each word of them in any company; of others, ids and names do wherever
they stand as words of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from harness.types import Record

OTHER = "another submission"
"""Stands for the id or name of somebody else."""
_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 3
"""Letters of a word of a name that is removed where it stands within another word."""
_MOST = 20_000
"""Characters of a text that are looked at; the rest is cut off."""


class Scrubber:
    """Knows the ids and names of a class."""

    def __init__(self, records: Sequence[Record], pseudonyms: Mapping[str, str]) -> None:
        self._pseudonyms = pseudonyms
        self._own: dict[str, set[str]] = {}
        self._known: dict[str, dict[tuple[str, ...], str]] = {}
        seen = set()
        for record in records:
            who = (record.submission, record.name, record.place)
            if who in seen:
                continue
            seen.add(who)
            hidden = record.submission in pseudonyms
            own = {record.submission, record.name, *([record.place.rpartition(":")[2]] if hidden else [])}
            self._own.setdefault(record.submission, set()).update(own)
            for text in own:
                words = _words(text)
                # A folder called "best" is not what "best.pt" is about: of ids that are words, only names that a
                # platform gives are looked for.
                if words and (hidden or len(words) > 1 or any(letter.isdigit() for letter in text)):
                    self._known.setdefault(words[0], {}).setdefault(words, record.submission)

    def __call__(self, text: str, submission: str) -> str:
        """Return a text of a submission's record without the ids and names of others, nor its own if it has a
        pseudonym.
        """
        pseudonym = self._pseudonyms.get(submission, "")
        # Others first: of namesakes, the common surname alone would go, and leave the other's first name behind.
        text = self._without_others(text[:_MOST], submission)
        return self._without_own(text, submission, pseudonym) if pseudonym else text

    def without(self, text: str, submissions: Collection[str]) -> str:
        """Return a text that is known to be about these submissions, without their ids and names as they stand."""
        texts = {text for own in submissions for text in {own, *self._own.get(own, ())} if text.strip()}
        patterns = [rf"(?<![^\W_]){re.escape(one)}(?![^\W_])" for one in sorted(texts, key=len, reverse=True)]
        found = re.sub("|".join(patterns), OTHER, text[:_MOST], flags=re.IGNORECASE) if patterns else text
        return _once(found)

    def _without_own(self, text: str, submission: str, pseudonym: str) -> str:
        own = self._own.get(submission, set())
        texts = {*filter(None, own), *(word for one in own for word in _words(one))}
        patterns = [_pattern(text) for text in sorted(texts, key=len, reverse=True)]
        if not patterns:
            return text
        found = re.sub("|".join(patterns), pseudonym, text, flags=re.IGNORECASE)
        return re.sub(rf"{re.escape(pseudonym)}(?:[\s_.,-]*{re.escape(pseudonym)})+", pseudonym, found)

    def _without_others(self, text: str, submission: str) -> str:
        spans = [(match.group().casefold(), match.start(), match.end()) for match in _WORD.finditer(text)]
        out, last, index = [], 0, 0
        while index < len(spans):
            best: tuple[str, ...] = ()
            for words, who in self._known.get(spans[index][0], {}).items():
                same = tuple(span[0] for span in spans[index : index + len(words)]) == words
                if same and who != submission and len(words) > len(best):
                    best = words
            if best:
                out += [text[last : spans[index][1]], OTHER]
                last = spans[index + len(best) - 1][2]
            index += len(best) or 1
        return _once("".join([*out, text[last:]]))


def _once(text: str) -> str:
    """The text with a name and the id in brackets behind it as one."""
    return text.replace(f"{OTHER} ({OTHER})", OTHER)


def _pattern(text: str) -> str:
    """Finds a name or a part of one: a number not within another, a short word only where it stands alone."""
    if text.isdigit():
        return rf"(?<!\d){re.escape(text)}(?!\d)"
    return re.escape(text) if len(text) >= _SHORTEST else rf"(?<![^\W_]){re.escape(text)}(?![^\W_])"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(text[:200]))
