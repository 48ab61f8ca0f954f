"""The commands and options that stand within a page's sentences and tables: each exists."""

from __future__ import annotations

import configparser
import itertools
import re

import click
import pytest
import typer

from harness.cli.app import COMMANDS
from harness.registry import imported
from reports.exports import EXPORTS
from tests.docs.pages import PAGES, ROOT, spans, text_of

FOREIGN = {
    "--memory-limit": "dask",
    "--no-dashboard": "dask",
    "--port": "dask",
    "--worker-port": "dask",
    "--nanny-port": "dask",
    "--amend": "git",
    "--force": "git",
    "--play": "the Tsinghua starter",
    "--gradebench": "pytest",
    "--device": "nobody: CONTRIBUTING.md says why there is none",
}
"""Options of other programs that pages name, and whose they are."""


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words begin with, and the words behind its name. LookupError for a name that is none."""
    name, *rest = words
    if name not in COMMANDS:
        raise LookupError(f"gradebench {name}")
    found = imported(COMMANDS[name][0])
    if not isinstance(found, typer.Typer):
        command, found = found, typer.Typer(add_completion=False)
        found.command(name)(command)
        return typer.main.get_command(found), rest
    group = typer.main.get_command(found)
    commands = getattr(group, "commands", {})
    if not rest or rest[0].startswith("-"):
        return group, rest
    if rest[0] not in commands:
        raise LookupError(f"gradebench {name} {rest[0]}")
    return commands[rest[0]], rest[1:]


def options_of(command: click.Command) -> set[str]:
    found = {"--help"}
    for each in (command, *getattr(command, "commands", {}).values()):
        found |= {name for one in each.params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")}
    return found


ALL_OPTIONS = set().union(*(options_of(command_of([name])[0]) for name in COMMANDS)) | {"--version"}


def problems(text: str) -> list[str]:
    """The spans of a page that look like a command or option of gradebench's and are none."""
    found = []
    for before, span in spans(text):
        words = span.replace("\\|", "|").split()
        if words[:1] == ["gradebench"] and len(words) > 1:
            found += [f"{span}: {said}" for said in _unknown(words[1:])]
        elif words[:1] and words[0].startswith("--"):
            # In a row of the table of commands an option is that command's.
            row = before.split()[1:2] if before.startswith("gradebench ") else []
            allowed = options_of(command_of(row)[0]) if row else ALL_OPTIONS | set(FOREIGN)
            if words[0].split("=")[0] not in allowed:
                found.append(f"{span}: no such option")
    return found


def _unknown(words: list[str]) -> list[str]:
    if words[0].startswith("--"):
        return [] if words[0] in ALL_OPTIONS else [f"no option {words[0]}"]
    found = []
    # train|evaluate stands for both.
    for each in itertools.product(*(word.split("|") for word in words)):
        try:
            command, rest = command_of(list(each))
        except LookupError as error:
            return [f"no such command: {error}"]
        wrong = {word for word in rest if word.startswith("-") and word.split("=")[0] not in options_of(command)}
        found += [f"no option {word}" for word in sorted(wrong)]
        if each[0] == "export" and len(each) > 1 and each[1] not in (*EXPORTS, "FORMAT"):
            found.append(f"no format {each[1]}")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_within_text_exist(page: str) -> None:
    # The history names what there was.
    if page != "CHANGELOG.md":
        assert problems(text_of(page)) == []


def test_every_command_is_in_the_table_of_commands() -> None:
    page = text_of("docs/commands.md")
    assert {
        name for name in COMMANDS if not re.search(rf"^\|.*`(gradebench )?{name}\b.*\|", page, re.MULTILINE)
    } == set()


def test_every_foreign_option_is_on_a_page() -> None:
    there = {word for page in PAGES for _, span in spans(text_of(page)) for word in span.split()}
    assert set(FOREIGN) <= there


def test_environments_of_tox_exist() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    named = {name for page in PAGES for name in re.findall(r"`tox -e (\w+)", text_of(page))}
    assert named and named <= {section.removeprefix("testenv:") for section in tox.sections()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("`gradebench grad x`", "no such command"),
        ("`gradebench judge paint`", "no such command"),
        ("`gradebench grade x --quick`", "no option --quick"),
        ("`gradebench export word results`", "no format word"),
        ("Give it `--nonsense`.", "no such option"),
        ("| a | b |\n|---|---|\n| `gradebench grade` | `--quick` |", "no such option"),
    ],
)
def test_what_does_not_exist_is_told(text: str, said: str) -> None:
    assert len(problems(text)) == 1 and said in problems(text)[0]


def test_what_exists_is_not() -> None:
    assert problems("`gradebench judge train --out DIR` and `--quick`, `gradebench --version`") == []
    assert (
        problems("| a | b |\n|---|---|\n| `gradebench data fetch\\|status` · `doctor` | `gradebench grade --timing` |")
        == []
    )
