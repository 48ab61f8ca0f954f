"""The action's shell steps in a clean environment, as a runner runs them, on three repositories: one is hostile."""

from __future__ import annotations

import base64
import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from harness import mnist
from harness.sandbox.outside import Isolation
from submissions import examples
from tests.harness.cli import runner

ACTION = yaml.safe_load((runner.ROOT / "action.yml").read_text("utf-8"))
TEMPLATE = runner.ROOT / "submissions" / "template" / ".github" / "workflows" / "gradebench.yml"
CHECK = "Check the submission"
FORGED = "::error::forged\n::set-env name=PATH::/evil\n  ::add-path::/evil\n##[add-mask]x\n::stop-commands::x\n::x::\n"
MODULE = "import pathlib, sys\npathlib.Path({!r}).write_text('run by ' + sys.argv[0])\n"


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "class"
    examples.build(folder)
    return folder


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runner") / "machine"


@pytest.fixture(scope="module")
def installed(machine: Path, classroom: Path, full: Isolation) -> tuple[dict[str, str], runner.Done]:
    """The environment after all steps of a run on the passing repository, and what they left."""
    environment = runner.environment_of_a_runner(machine)
    done = runner.run(environment, classroom / "strong", machine / "first", site="pages")
    return environment, done


def test_all_steps_pass_on_a_passing_repository(
    installed: tuple[dict[str, str], runner.Done], machine: Path, classroom: Path
) -> None:
    environment, done = installed
    assert done.code == 0, done.output[-3000:]
    assert "Successfully installed gradebench" in done.output
    assert (machine / "python" / "bin" / "gradebench").is_file()
    assert "bubblewrap" in (machine / "sudo.log").read_text()
    cached = done.outputs["mnist"]
    assert cached == {"folder": str(Path(environment["XDG_CACHE_HOME"], "gradebench", "mnist")), "digest": mnist.MNIST}
    # MNIST was out of reach: said, and the check goes on with other digits.
    assert ("warning", "title=gradebench") in [command[:2] for command in done.commands]
    assert [command[0] for command in done.commands] == ["warning", "notice"]
    assert "all passed" in done.commands[-1][2]
    assert done.outputs["check"]["exit-code"] == "0"
    result = json.loads(base64.b64decode(done.outputs["check"]["classroom"]))
    assert result["status"] == "pass" and result["max_score"] > 0
    suite = ElementTree.parse(classroom / "strong" / "gradebench.xml").getroot()[0]
    assert suite.get("failures") == "0"
    assert (classroom / "strong" / "pages" / "index.html").is_file()
    assert "<table>" in done.summary and "passed" in done.summary
    assert done.environment == ""


def test_a_failing_repository_fails_the_step_with_the_reason_as_annotation(
    installed: tuple[dict[str, str], runner.Done], machine: Path, classroom: Path
) -> None:
    environment, _ = installed
    done = runner.run(environment, classroom / "mediocre", machine / "failing", {CHECK})
    assert done.code == 1, done.output[-3000:]
    assert done.outputs["check"]["exit-code"] == "1"
    assert [command[0] for command in done.commands] == ["error", "notice"]
    assert "pass mark" in done.commands[0][2]
    assert json.loads(base64.b64decode(done.outputs["check"]["classroom"]))["status"] == "fail"
    assert "below the mark" in done.summary


def test_a_hostile_repository_gives_no_command_and_runs_nothing(
    installed: tuple[dict[str, str], runner.Done], machine: Path, tmp_path: Path
) -> None:
    environment, _ = installed
    repository = tmp_path / "::error::x"
    repository.mkdir()
    name = f"{FORGED}<img src=x onerror=alert(1)> @everyone [x](http://evil.example) | # x"
    (repository / "submission.toml").write_text(
        f"[submission]\nname = {json.dumps(name)}\n"
        '[[entry]]\ntask = "conditional-generation"\npart = "cvae"\ncode = "adapter.py:load"\n'
        '[[entry]]\ntask = "conditional-generation"\npart = "cgan"\nmodel = "cgan"\ncheckpoint = "::error::y.pt"\n'
    )
    (repository / "adapter.py").write_text(
        "import os, sys\n"
        f"FORGED = {FORGED!r}\n"
        "def load(checkpoint=None):\n"
        "    for name in ('GITHUB_ENV', 'GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY'):\n"
        "        open(os.environ.get(name, '/tmp/none'), 'a').write('EVIL=1\\n')\n"
        "    print(FORGED, file=sys.stderr, flush=True)\n"
        "    raise RuntimeError(FORGED)\n"
    )
    (repository / "::error::y.pt").write_bytes(b"not a checkpoint")
    evil = tmp_path / "evil"
    for module in ("harness", "pip", "torch", "sitecustomize", "usercustomize", "json", "typer", "reports"):
        (repository / f"{module}.py").write_text(MODULE.format(str(evil)))
    # All steps, so that each Python of theirs starts in this folder.
    done = runner.run(environment, repository, machine / "hostile")
    assert done.code == 1, done.output[-3000:]
    assert not evil.exists()
    assert {command[0] for command in done.commands} == {"warning", "error", "notice"}
    own = [command for command in done.commands if "could not be fetched" not in command[2]]
    assert [command[0] for command in own] == ["error", "error", "notice"]
    assert all(command[1].startswith("title=") and "::" not in command[1] for command in own)
    # The forged ones are to be seen, where a runner doesn't obey them.
    assert "forged" in done.output
    assert done.environment == "" and "EVIL" not in done.summary
    assert set(done.outputs["check"]) == {"exit-code", "classroom"}
    assert "<img" not in done.summary and "&lt;img" in done.summary
    for line in done.summary.splitlines():
        assert line == "" or line.startswith("<"), "Markdown would begin here"
    assert "::" not in base64.b64decode(done.outputs["check"]["classroom"]).decode()


def test_an_input_is_never_text_of_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert "uses" in step or step["shell"] == "bash"
    assert all("python " not in step.get("run", "").replace("python -I ", "") for step in ACTION["runs"]["steps"])


def test_the_templates_workflow_uses_the_action_with_inputs_that_it_has() -> None:
    workflow = yaml.safe_load(TEMPLATE.read_text("utf-8"))
    uses = [step for step in workflow["jobs"]["check"]["steps"] if "gradebench@" in step.get("uses", "")]
    assert len(uses) == 1
    assert set(uses[0]["with"]) <= set(ACTION["inputs"])
    # Pinned to a tag, and with no rights but reading.
    assert uses[0]["uses"].rpartition("@")[2].startswith("v")
    assert workflow["permissions"] == {"contents": "read"}


def test_the_class_file_beside_the_submission_is_found(
    installed: tuple[dict[str, str], runner.Done], machine: Path, classroom: Path, tmp_path: Path
) -> None:
    environment, _ = installed
    shutil.copytree(classroom / "mediocre", tmp_path / "repository")
    (tmp_path / "repository" / "gradebench-class.toml").write_text("schema = 1\n")
    done = runner.run(environment, tmp_path / "repository", machine / "broken", {CHECK})
    assert done.code == 2 and "gradebench-class.toml: assignment" in done.output
    assert "classroom" not in done.outputs["check"]
