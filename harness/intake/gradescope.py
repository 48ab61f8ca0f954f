"""Gradescope's export "Export Submissions": folders `submission_<id>/` beside submission_metadata.yml.

The metadata are YAML with Ruby symbols as keys (`:submitters`, `:name`). They are parsed by PyYAML's safe loader into
nodes, of which no object is constructed: names stay the text that they are, and merged keys can't multiply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import yaml

from harness.intake.platforms import Owner, Platform
from harness.text import shown

LARGEST = 16 << 20
"""Bytes of the largest metadata that are parsed."""
_DEPTH = 40
"""Levels of nesting that are followed; the platform's own are about eight."""
_MOST_PEOPLE = 100
"""Submitters of one submission that are read."""
_FOLDER = re.compile("submission_[0-9]{1,18}")
_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _owners(text: str) -> Mapping[str, Owner]:
    owners: dict[str, Owner] = {}
    for folder, told in _pairs(_root(text)):
        if not _FOLDER.fullmatch(folder):
            continue
        names = [name for key, people in _pairs(told) if key == ":submitters" for name in _names(people)]
        owners[folder] = Owner(folder.removeprefix("submission_"), shown(" & ".join(names)) or folder)
    return owners


def _root(text: str) -> yaml.Node | None:
    if len(text) > LARGEST:
        raise ValueError(f"it holds more than {LARGEST:,} characters, the most that are read")
    try:
        depth = 0
        for event in yaml.parse(text, _LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _DEPTH:
                raise ValueError(f"it is nested more than {_DEPTH} levels deep")
        return yaml.compose(text, _LOADER)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {shown(error)}") from None


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value


def _names(people: yaml.Node) -> list[str]:
    if not isinstance(people, yaml.SequenceNode):
        return []
    told = (
        value.value.strip()
        for person in people.value[:_MOST_PEOPLE]
        for key, value in _pairs(person)
        if key == ":name" and isinstance(value, yaml.ScalarNode)
    )
    return [shown(name) for name in told if name]


GRADESCOPE = Platform(
    summary="Gradescope, Export Submissions: a folder for each submission, beside submission_metadata.yml",
    metadata="submission_metadata.yml",
    owners=_owners,
)
