"""The import directions of the architecture, and the calls that the trusted side never makes.

Every source file has a rule: the modules of ours that it may import, by longest matching prefix. Imported names are
resolved (`from harness import records` is an import of `harness.records`), and calls are found in the syntax tree under
whatever name they were imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("harness", "reference", "classifiers", "reports", "submissions")

TYPES = {"harness.types"}
TEXT = {"harness.text", "harness.files", "harness.numbers"}
TASKS = TYPES | {
    "harness.metrics",
    "harness.evidence",
    "harness.likeness",
    "harness.tasks",
    "harness.mnist",
    "harness.hints",
    "harness.secret",
}
PARENT = {"harness.intake", "harness.records", "harness.rubric", "harness.provenance", "harness.assignments"}
PARENT |= {"harness.decisions"}
INSIDE = TYPES | {"harness.registry", "harness.checkpoint", "harness.sequences", "harness.student_code"}

RULES: dict[str, set[str]] = {
    # The domain, and small things that need nothing.
    "harness/__init__.py": set(),
    "harness/types.py": set(),
    "harness/text.py": set(),
    "harness/files.py": set(),
    "harness/registry.py": set(),
    "harness/hints.py": set(),
    "harness/scratch.py": set(),
    "harness/secret.py": set(),
    "harness/hiding.py": {"harness.files"},
    "harness/teams.py": TYPES | TEXT | {"harness.files"},
    "harness/numbers.py": TYPES | {"harness.text"},
    "harness/mnist.py": TYPES | {"harness.files"},
    # types ← metrics, evidence ← tasks
    "harness/metrics": TYPES | {"harness.metrics"},
    # A quicker matrix product than torch's own on some processors is chosen in one place.
    "harness/metrics/neighbours.py": TYPES | {"harness.metrics", "reference.products"},
    "harness/ranking": {"harness.ranking"},
    "harness/likeness": TYPES | {"harness.likeness"},
    "harness/evidence": TYPES | {"harness.metrics", "harness.evidence"},
    "harness/tasks": TASKS,
    # What a stream of symbols is, is said once: for the models that learn from such streams, and for their exam.
    "harness/tasks/symbols/streams.py": TASKS | {"reference.bayes_symbols"},
    # Tables of counts answer through the code that any model's answers are derived by.
    "harness/tasks/pixels/tables.py": TASKS | {"harness.sequences"},
    # What people hand in.
    "harness/intake": TYPES
    | {"harness.intake", "harness.registry", "harness.starters", "harness.text", "reference.options"},
    "harness/starters": TYPES | {"harness.registry", "harness.starters", "harness.text"},
    "harness/checkpoint": TYPES | {"harness.checkpoint"},
    # The border: outside never imports inside, nor what runs inside; what runs inside never imports the parent's side.
    "harness/sandbox/__init__.py": set(),
    "harness/sandbox/wire.py": TYPES,
    "harness/sandbox/outside": TYPES | {"harness.text", "harness.sandbox.wire", "harness.sandbox.outside"},
    # Only to know its folder, which it shows to workers.
    "harness/sandbox/outside/exposure.py": {"harness", "harness.sandbox.outside.registries"},
    "harness/sandbox/inside": INSIDE
    | {"harness.sandbox.wire", "harness.sandbox.inside", "reference.options", "reference.products"},
    "harness/student_code": TYPES | {"harness.student_code", "harness.starters"},
    "harness/sequences": TYPES | {"harness.sequences", "harness.hints"},
    # tasks ← timing ← run ← cli. Operations are counted on what a worker would call.
    "harness/timing": TASKS
    | {"harness.timing", "harness.ranking", "harness.sandbox.outside", "harness.sequences", "reference.products"},
    # tasks ← run ← cli
    "harness/rubric.py": TYPES | {"harness.hiding", "harness.numbers"},
    "harness/records.py": TYPES | {"harness.files"},
    "harness/provenance.py": set(),
    "harness/decisions.py": TYPES | {"harness.files", "harness.numbers", "harness.text"},
    "harness/totals.py": TYPES | {"harness.numbers"},
    "harness/summary.py": TYPES | {"harness.totals", "harness.ranking", "harness.mnist", "harness.rubric"},
    "harness/assignments": {"harness.rubric", "harness.tasks", "harness.assignments", "reference"},
    "harness/run": TASKS
    | PARENT
    | {"harness.run", "harness.text", "harness.files", "harness.numbers", "harness.starters", "harness.timing"}
    | {"harness.scratch", "harness.teams"}
    | {"harness.sandbox.outside", "harness.checkpoint.together"}
    | {"reference", "classifiers"},
    "harness/run/executors/__init__.py": {"harness.registry", "harness.run", "harness.sandbox.outside"},
    "harness/cli": TASKS
    | PARENT
    | {
        "harness.checkpoint.together",
        "harness.cli",
        "harness.files",
        "harness.hiding",
        "harness.run",
        "harness.ranking",
        "harness.numbers",
        "harness.registry",
        "harness.scratch",
        "harness.summary",
        "harness.teams",
        "harness.text",
        "harness.totals",
        "harness.sandbox.outside",
    }
    | {"reference", "classifiers", "reports", "submissions.examples"},
    # Asks the command line, by a process of its own.
    "harness/pytest_plugin.py": set(),
    # Beside the harness.
    # Which times and scores differ is decided once, for pages and for tests; reports read what is beside records.
    # Pseudonyms are made with the secret seed of a results folder.
    "reports": TYPES
    | TEXT
    | {
        "harness.hiding",
        "harness.secret",
        "harness.teams",
        "harness.totals",
        "harness.decisions",
        "harness.timing.board",
        "harness.ranking",
    }
    | {"harness.run.kept", "reports"},
    "reference": {"reference"},
    "classifiers": {"classifiers", "reference.augment", "reference.precision", "reference.seeding", "reference.train"},
    "submissions/__init__.py": set(),
    "submissions/template": set(),
    "submissions/examples": {"reference", "submissions"},
    # An instructor's own task, which uses what gradebench's tasks use.
    "submissions/examples/own_coursework/tasks.py": TASKS,
}
_OPENING = ("opening", "building", "energy", "flow", "generators", "inpainting_method", "script_commands")
for name in (*_OPENING, "script_settings"):
    # The worker's side of a starter layout.
    RULES[f"harness/starters/tsinghua/{name}.py"] = RULES["harness/starters"] | {"harness.student_code"}

FORBIDDEN = {
    "torch.load": "unpickles",
    "torch.jit.load": "executes",
    "torch.hub.load": "executes",
    "pickle.load": "unpickles",
    "pickle.loads": "unpickles",
    "pickle.Unpickler": "unpickles",
    "marshal.loads": "executes",
    "shelve.open": "unpickles",
    "joblib.load": "unpickles",
    "pandas.read_pickle": "unpickles",
    "yaml.load": "constructs objects",
    "yaml.unsafe_load": "constructs objects",
    "eval": "executes",
    "exec": "executes",
    "runpy.run_path": "executes",
    "os.system": "starts a shell",
}
METHODS = {"extractall": "trusts an archive's names"}
KEYWORDS = {
    ("allow_pickle", True): "unpickles",
    ("weights_only", False): "unpickles",
    ("shell", True): "starts a shell",
}
EXCUSED = {
    # A training's own checkpoint, on the instructor's machine.
    ("reference/train.py", "torch.load"),
    # In the sandbox, and imported by nothing else: test_starter_tolerance.py holds that.
    ("harness/starters/tsinghua/opening.py", "torch.load"),
    ("harness/student_code/imports.py", "exec"),
    # In the sandbox, too: wraps the student's own call.
    ("harness/student_code/cpu_only.py", "torch.load"),
    # Runs in the sandbox, as a student's file.
    ("submissions/template/adapter.py", "torch.load"),
    # Named, not called, by the example of a hostile checkpoint.
    ("submissions/examples/__init__.py", "os.system"),
}

SOURCES = sorted(p for package in OURS for p in (ROOT / package).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]
MODULES = {
    name.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."): name for name in NAMES
}  # module by its dotted name


def rule(relative: str) -> str | None:
    prefixes = [p for p in RULES if relative == p or relative.startswith(p + "/")]
    return max(prefixes, key=len, default=None)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that a file imports, names resolved to the modules that they are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in OURS)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used"
            if (node.module or "").split(".")[0] in OURS:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield full if full in MODULES else str(node.module)


def within(module: str, allowed: set[str]) -> bool:
    # The package `harness` itself is empty; to allow it does not allow what lies below.
    return any(module == a or (a != "harness" and module.startswith(a + ".")) for a in allowed)


@pytest.mark.parametrize("relative", NAMES)
def test_imports_point_one_way(relative: str) -> None:
    chosen = rule(relative)
    assert chosen is not None, f"{relative} has no rule: add one to RULES"
    for module in imports(ast.parse((ROOT / relative).read_text(encoding="utf-8"))):
        assert within(module, RULES[chosen]), f"{relative} must not import {module}"


def test_every_rule_is_for_something_and_names_what_exists() -> None:
    used = {rule(name) for name in NAMES}
    assert set(RULES) <= used
    allowed = set().union(*RULES.values())
    assert not {module for module in allowed if module not in MODULES}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from harness import records", "harness.records"),
        ("from harness.run import run as r", "harness.run.run"),
        ("from harness.types import Record", "harness.types"),
        ("def f():\n    import harness.cli.app", "harness.cli.app"),
        ("from harness.sandbox.inside import serve", "harness.sandbox.inside.serve"),
    ],
)
def test_imported_names_are_resolved(source: str, found: str) -> None:
    assert list(imports(ast.parse(source))) == [found]


def forbidden(tree: ast.AST) -> Iterator[str]:
    """Every forbidden call in a file, by the name that the rule has for it."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        # Also where it is handed on without being called.
        if isinstance(node, ast.Name | ast.Attribute) and (dotted := _dotted(node, names)) in FORBIDDEN:
            yield dotted
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                yield node.func.attr
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if (keyword.arg, value) in KEYWORDS:
                    yield f"{keyword.arg}={value}"


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


@pytest.mark.parametrize("relative", NAMES)
def test_nothing_unpickles_or_executes_what_it_reads(relative: str) -> None:
    tree = ast.parse((ROOT / relative).read_text(encoding="utf-8"))
    found = {call for call in forbidden(tree) if (relative, call) not in EXCUSED}
    assert not found, f"{relative} uses {', '.join(sorted(found))}"


def test_every_excuse_is_needed() -> None:
    for relative, call in EXCUSED:
        assert call in set(forbidden(ast.parse((ROOT / relative).read_text(encoding="utf-8")))), (relative, call)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch\ntorch.load('x')", "torch.load"),
        ("import torch as t\nt.load('x')", "torch.load"),
        ("from torch import load as read\nread('x')", "torch.load"),
        ("from pickle import loads\nf = loads", "pickle.loads"),
        ("import pickle\nmap(pickle.loads, [])", "pickle.loads"),
        ("eval('1')", "eval"),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "allow_pickle=True"),
        ("import zipfile\nzipfile.ZipFile('x').extractall()", "extractall"),
    ],
)
def test_forbidden_calls_are_found_under_any_name(source: str, found: str) -> None:
    assert list(forbidden(ast.parse(source))) == [found]


def test_a_models_eval_method_is_not_the_builtin() -> None:
    assert list(forbidden(ast.parse("model.eval()\nimport safetensors.torch\nsafetensors.torch.load(b'')"))) == []
