"""Tests of the registry of starter layouts, with a layout that is added for the test."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness import intake
from harness.starters import STARTERS, starter, starter_for, starters
from harness.types import Entry, Kind
from tests.harness.intake.handed_in import write, zipped

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", STARTERS)
def test_each_summary_is_the_starters_own(name: str) -> None:
    assert starter(name).summary == STARTERS[name][1]


def test_no_code_belongs_to_two_starters() -> None:
    codes = [code for one in starters() for code in one.codes]
    assert len(set(codes)) == len(codes) and all(code.startswith("starter:") for code in codes)
    assert {"starter:ebm", "starter:flow"} <= set(codes)
    assert starter_for("starter:ebm") is starter("tsinghua")
    assert starter_for("starter:dit") is starter_for("adapter.py:load") is None


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("from harness.starters import STARTERS", ["torch", "numpy", "harness.starters.layout"]),
        ("from harness.starters import starters_of; assert starters_of(['ebm'])", ["torch", "harness.student_code"]),
        ("import harness.intake", ["torch", "harness.starters.tsinghua.opening", "harness.student_code"]),
    ],
)
def test_the_parents_side_imports_neither_torch_nor_an_opening(program: str, absent: list[str]) -> None:
    check = f"import sys; {program}; found = set({absent}) & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60, cwd=ROOT)


RECOGNITION = """
    from harness.starters.layout import Starter
    from harness.types import Entry, Kind


    def entries(files, tasks, models):
        found = [file for file in files if file.startswith("handout/") and file.endswith(".pt")]
        return tuple(Entry(tasks[0], Kind.CODE, "mine", None, file, "starter:mine") for file in found), ("found",)


    STARTER = Starter(
        summary="A starter of the test",
        layout="the folder handout/",
        codes=("starter:mine",),
        is_layout=lambda names: "handout" in names,
        entries=entries,
        opening="test_starter.opening:open_starter",
    )
"""
OPENING = "def open_starter(root, code, checkpoint):\n    return root.name, code, checkpoint\n"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a starter's package that STARTERS has one line for."""
    code = tmp_path / "code"
    files = {"__init__.py": "", "recognition.py": textwrap.dedent(RECOGNITION), "opening.py": OPENING}
    write(code / "test_starter", files)
    monkeypatch.syspath_prepend(code)
    monkeypatch.setitem(STARTERS, "mine", ("test_starter.recognition:STARTER", "A starter of the test"))
    for module in ("test_starter", "test_starter.recognition", "test_starter.opening"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return code


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_layout_is_added_by_its_package_and_one_line(tmp_path: Path, added: Path, as_zip: bool) -> None:
    toml = '[[entry]]\ntask = "t"\npart = "own"\ncode = "starter:mine"\n'
    files = {"ada/handout/a.pt": b"a", "bob/wrapper/handout/b.pt": b"b", "carl/submission.toml": toml, "dora/x": ""}
    path = write(tmp_path, {"all.zip": zipped(files)}) / "all.zip" if as_zip else write(tmp_path / "all", files)
    (tmp_path / "work").mkdir()
    found = intake.collect([path], tmp_path / "work", tasks=("t",), models={})
    assert [(one.id, one.entries, one.notes) for one in found] == [
        ("ada", (Entry("t", Kind.CODE, "mine", None, "handout/a.pt", "starter:mine"),), ("found",)),
        ("bob", (Entry("t", Kind.CODE, "mine", None, "handout/b.pt", "starter:mine"),), ("found",)),
        ("carl", (Entry("t", Kind.CODE, "own", None, None, "starter:mine"),), ()),
        ("dora", (), ()),
    ]
    assert found[3].failure is not None and found[3].failure.kind == "not-a-submission"
    assert "test_starter.recognition" in sys.modules and "test_starter.opening" not in sys.modules


def test_an_added_layouts_code_is_opened_by_its_own_function(tmp_path: Path, added: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        f"sys.path.append({str(added)!r})\n"
        "from harness.starters import STARTERS\n"
        "STARTERS['mine'] = ('test_starter.recognition:STARTER', '')\n"
        "from harness.student_code.opening import open_code\n"
        "print(open_code(Path('team'), 'starter:mine', 'a.pt', lambda: print('seeded')))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=ROOT, capture_output=True)
    assert ran.stdout.decode().splitlines() == ["seeded", "('team', 'starter:mine', 'a.pt')"]
