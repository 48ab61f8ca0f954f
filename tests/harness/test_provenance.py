"""The sources that a result depends on are found wherever they are imported."""

import ast
from pathlib import Path

import harness
from harness import provenance

SOURCE = """
import harness.text
if 1:
    from harness import files
else:
    import harness.numbers
try:
    import harness.records
except ImportError:
    import harness.totals
else:
    import harness.summary
finally:
    import harness.rubric
class A:
    def method(self):
        with open("x"):
            for _ in ():
                while True:
                    import harness.mnist
        match 1:
            case 1:
                import harness.registry
async def f():
    from reference import cvae
"""
NAMES = {"text", "files", "numbers", "records", "totals", "summary", "rubric", "mnist", "registry"}


def test_imports_in_every_kind_of_statement_are_followed(tmp_path):
    file = tmp_path / "tasks.py"
    file.write_text(SOURCE)
    found = set(provenance.sources((), (file,)))
    assert {f"harness.{name}" for name in NAMES} | {"reference.cvae", "tasks.py"} <= found


def test_no_import_of_ours_is_missed():
    for file in Path(harness.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_bytes())
        of_tree = {id(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)}
        assert of_tree <= {id(node) for node in provenance._statements(tree)}, file
