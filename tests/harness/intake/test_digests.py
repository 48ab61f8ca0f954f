"""Tests of digests over all files of a submission."""

from __future__ import annotations

from pathlib import Path

from harness import intake
from tests.harness.intake.handed_in import collect, team, write


def test_the_digest_of_a_tree_changes_with_any_of_its_code(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", team() | {"lib/net.py": "a = 1"})
    (found,) = collect(tmp_path, folder)
    first = intake.tree_digest(found)
    assert first == intake.tree_digest(found)
    write(folder, {"lib/net.py": "a = 2"})
    second = intake.tree_digest(found)
    (folder / "lib" / "net.py").rename(folder / "lib" / "mesh.py")
    assert len({first, second, intake.tree_digest(found)}) == 3
