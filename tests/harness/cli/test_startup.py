"""The listings, every help text and a run where all is known import nothing heavy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from harness.cli.app import COMMANDS
from harness.registry import imported
from submissions import examples

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "pandas", "sklearn", "scipy", "matplotlib")
IMPORTED = """
import json, sys
sys.argv = ["gradebench", *sys.argv[1:]]
from harness.cli import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code or 0, sorted(sys.modules)]), file=sys.stderr)
"""


def called(arguments: list[str], environment: dict[str, str] | None = None) -> tuple[int, set[str], str]:
    """The exit code of a command, the modules that it imported, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment or os.environ | {"COLUMNS": "200"},
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, set(modules), done.stdout + done.stderr


def groups() -> dict[str, typer.Typer]:
    found = {name: imported(reference) for name, (reference, _) in COMMANDS.items()}
    return {name: command for name, command in found.items() if isinstance(command, typer.Typer)}


SUBCOMMANDS = [[name, str(command.name)] for name, group in groups().items() for command in group.registered_commands]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["tasks"], ["models"], ["models", "--json"], ["assignments"]]
    + [[*command, "--help"] for command in [*([name] for name in COMMANDS), *SUBCOMMANDS]],
    ids=" ".join,
)
def test_listings_and_help_import_nothing_heavy(arguments: list[str]) -> None:
    code, modules, printed = called(arguments)
    assert code == 0, printed
    assert not modules & {*HEAVY}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_own_help(name: str) -> None:
    reference, summary = COMMANDS[name]
    command = imported(reference)
    own = command.info.help if isinstance(command, typer.Typer) else command.__doc__
    assert own.splitlines()[0].partition(" Example:")[0] == summary


def test_the_help_names_every_command_and_a_subcommands_own_options() -> None:
    _, _, printed = called(["--help"])
    assert all(name in printed and summary[:60] in printed for name, (_, summary) in COMMANDS.items())
    assert "--keep-answers" in called(["grade", "--help"])[2]
    assert "--generated" in called(["judge", "evaluate", "--help"])[2]


def test_an_unknown_command_is_refused_with_the_nearest_one() -> None:
    code, _, printed = called(["modles"])
    assert code == 2
    assert "models" in printed


def test_a_run_where_all_is_known_imports_nothing_heavy(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "GRADEBENCH_DATA"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"}
    place = tmp_path / "class" / "one"
    place.mkdir(parents=True)
    examples.mediocre(place)
    # Options that the manifest does not state are tried, and the questions of the trial are known, too.
    manifest = place / "submission.toml"
    lines = manifest.read_text(encoding="utf-8").splitlines()
    manifest.write_text("\n".join(line for line in lines if not line.startswith("options")), encoding="utf-8")
    arguments = ["grade", str(tmp_path / "class"), "--results", str(tmp_path / "results"), "--no-references"]
    code, modules, printed = called(arguments, environment)
    assert code == 1 and "torch" in modules, printed
    record = tmp_path / "results" / "one" / "cvae.json"
    assert len(json.loads(record.read_bytes())["tried"]) == 4
    before = record.read_bytes()
    code, modules, printed = called(arguments, environment)
    assert code == 1, printed
    assert not modules & {*HEAVY}
    assert record.read_bytes() == before
