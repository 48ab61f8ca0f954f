"""Runs the shell steps of a composite action as a runner of GitHub Actions does, and reads their commands likewise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
_EXPRESSION = re.compile(r"\$\{\{\s*([a-z.A-Z0-9_-]+)\s*\}\}")
_COMMAND = re.compile(r"\s*::([a-zA-Z][a-zA-Z-]*)((?: [^:]*)?)::(.*)", re.DOTALL)


@dataclass
class Done:
    """The outcome of the steps of one run."""

    code: int
    output: str
    commands: list[tuple[str, str, str]]
    outputs: dict[str, dict[str, str]]
    summary: str
    environment: str
    skipped: list[str] = field(default_factory=list)


def environment_of_a_runner(folder: Path) -> dict[str, str]:
    """A Python of its own, which sees this one's packages but gradebench, and a sudo that only notes its arguments."""
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "gradebench" not in path.name and not path.name.endswith(".pth"):
            (packages / path.name).symlink_to(path)
    venv.create(folder / "python", with_pip=False, symlinks=True)
    site = folder / "python" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "packages.pth").write_text(f"{packages}\n")
    if find_spec("hatchling") is None:
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            str(site),
            "hatchling",
            "trove-classifiers",
        ]
        if subprocess.run(install, capture_output=True).returncode:
            pytest.skip("hatchling, which builds gradebench, is neither installed nor to be had from an index")
    tools = folder / "tools"
    tools.mkdir()
    (tools / "sudo").write_text(f'#!/bin/sh\necho "$@" >> {folder}/sudo.log\n')
    (tools / "sudo").chmod(0o755)
    (folder / "home").mkdir()
    (folder / "temp").mkdir()
    return {
        "PATH": f"{tools}:{folder}/python/bin:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "home" / ".cache"),
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_ACTIONS": "true",
        "CI": "true",
        "LANG": "C.UTF-8",
        # Nothing is downloaded: what the steps ask for is here, or they have to do without.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "false",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "https_proxy": "http://127.0.0.1:9",
        "OMP_NUM_THREADS": "1",
    }


def run(
    environment: dict[str, str], repository: Path, files: Path, names: set[str] | None = None, **inputs: str
) -> Done:
    """Run the shell steps of action.yml in a repository; those of `names`, or all. Steps with `uses` are skipped."""
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    known = {f"inputs.{name}": str(told["default"]) for name, told in action["inputs"].items()}
    known |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
    known["github.action_path"] = str(ROOT)
    files.mkdir()
    done = Done(0, "", [], {}, "", "")
    for number, step in enumerate(action["runs"]["steps"]):
        if "uses" in step:
            done.skipped.append(step["uses"])
            continue
        if names is not None and step["name"] not in names:
            continue
        own = {name: _evaluated(str(value), known) for name, value in step.get("env", {}).items()}
        paths = {name: files / f"{number}-{name}" for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
        for path in paths.values():
            path.touch()
        script = files / f"{number}.sh"
        script.write_text(step["run"])
        shown = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=repository,
            env=environment | own | {name: str(path) for name, path in paths.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=280,
        )
        done.output += shown.stdout
        done.commands += commands(shown.stdout)
        done.summary += paths["GITHUB_STEP_SUMMARY"].read_text("utf-8")
        done.environment += paths["GITHUB_ENV"].read_text("utf-8")
        told = dict(line.split("=", 1) for line in paths["GITHUB_OUTPUT"].read_text("utf-8").splitlines())
        done.outputs[step.get("id", step["name"])] = told
        known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in told.items()}
        if shown.returncode:
            done.code = shown.returncode
            break
    return done


def commands(output: str) -> list[tuple[str, str, str]]:
    """The commands that a runner finds in a step's output: (name, properties, message); stopped ones are none."""
    found, word = [], ""
    for line in output.splitlines():
        match = _COMMAND.fullmatch(line)
        if word:
            if (match is not None and match[1] == word) or line.strip() == f"::{word}::":
                word = ""
            continue
        if match is not None and match[1] == "stop-commands":
            word = match[3]
        elif match is not None:
            found.append((match[1], match[2].strip(), match[3]))
        elif "##[" in line:
            found.append(("##", "", line))
    return found


def _evaluated(text: str, known: dict[str, Any]) -> str:
    return _EXPRESSION.sub(lambda match: known[match[1]], text)
