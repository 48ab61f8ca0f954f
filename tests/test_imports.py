"""The import directions of the architecture: who may know of whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ALLOWED = {
    # The project's packages that the files matching a pattern may import, by longest matching prefix.
    "harness/types.py": set(),
    "harness/text.py": set(),
    "harness/files.py": set(),
    "harness/numbers.py": {"harness.types", "harness.text"},
    "harness/metrics": {"harness.types", "harness.metrics"},
    "harness/evidence": {"harness.types", "harness.metrics", "harness.evidence"},
    "harness/tasks": {"harness.types", "harness.metrics", "harness.evidence", "harness.tasks", "harness.mnist"},
    # What a stream of symbols is, is said once: for the models that learn from such streams, and for their exam.
    "harness/tasks/symbols/streams.py": {"harness.types", "harness.tasks", "reference.bayes_symbols"},
    # Tables of counts answer through the code that any model's answers are derived by.
    "harness/tasks/pixels/baselines.py": {"harness.types", "harness.tasks", "harness.sequences"},
    "harness/records.py": {"harness.types"},
    "harness/checkpoint": {"harness.checkpoint", "harness.types"},
    "reports": {"harness.types", "harness.text", "harness.files", "harness.numbers", "reports"},
    "reference": {"reference"},
    "classifiers": {"classifiers", "reference.augment", "reference.precision", "reference.seeding", "reference.train"},
    "submissions": {"reference", "submissions"},
}
OURS = ("harness", "reference", "classifiers", "reports", "submissions")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return {name for name in found if name.split(".")[0] in OURS}


def rule(relative: str) -> str | None:
    prefixes = [p for p in ALLOWED if relative == p or relative.startswith(p + "/")]
    return max(prefixes, key=len, default=None)


SOURCES = sorted(p for package in OURS for p in (ROOT / package).rglob("*.py") if "template" not in p.parts)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    chosen = rule(str(path.relative_to(ROOT)))
    if chosen is None:
        return
    for name in imports(path):
        allowed = any(name == a or name.startswith(a + ".") for a in ALLOWED[chosen])
        package = chosen.replace("/", ".").removesuffix(".py")
        assert allowed or name == "harness" or name.startswith(package), f"{chosen} must not import {name}"


def test_the_trusted_parent_unpickles_nothing():
    forbidden = ("torch.load(", "pickle.load", "weights_only=False", "extractall(", "allow_pickle=True", "eval(")
    excused = {
        "reference/train.py": "torch.load(",
        # In the sandbox, and imported by nothing else: test_starter_tolerance.py holds that.
        "harness/starters/tsinghua/opening.py": "torch.load(",
    }
    for path in SOURCES:
        text = path.read_text(encoding="utf-8").replace(".eval()", "").replace("_bn_eval(", "")
        relative = str(path.relative_to(ROOT))
        for word in forbidden:
            if word in text:
                assert excused.get(relative) == word, f"{relative} says {word}"
