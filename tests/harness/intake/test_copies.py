"""Tests of private copies: what is digested is what was copied, and nothing else is there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness import intake
from harness.intake import copies, regular_files
from harness.types import GradingError, Submission
from tests.harness.intake.handed_in import collect, team, write


def handed_in(base: Path) -> Submission:
    folder = write(base / "class" / "s", team() | {"lib/net.py": "a = 1"})
    for unlisted in ("lib/__pycache__/net.cpython-311.pyc", ".git/config", "venv/lib/torch.py"):
        (folder / unlisted).parent.mkdir(parents=True, exist_ok=True)
        (folder / unlisted).write_text("not listed")
    (folder / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.pt")
    (found,) = collect(base, folder)
    return found


def copied(found: Submission, into: Path) -> copies.Copy:
    into.mkdir()
    return intake.copied(found, into)


def test_the_copy_holds_the_listed_files_alone_and_has_the_digest_of_the_tree(tmp_path: Path) -> None:
    found = handed_in(tmp_path)
    copy = copied(found, tmp_path / "copy")
    there = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*")}
    assert there == {"lib", *intake.listed(found.root).files}
    assert copy.digest == intake.tree_digest(found) == intake.tree_digest(copy.submission)
    for name, digest in copy.digests.items():
        assert digest == hashlib.sha256((found.root / name).read_bytes()).hexdigest()
    assert copy.submission.entries == found.entries and copy.submission.id == found.id


@pytest.mark.corpus("What ran is what was digested", "a file changed during `load`")
def test_a_file_written_in_place_afterwards_does_not_change_the_copy(tmp_path: Path) -> None:
    found = handed_in(tmp_path)
    copy = copied(found, tmp_path / "copy")
    with (found.root / "lib" / "net.py").open("r+") as file:
        file.write("a = 2")
    assert (tmp_path / "copy" / "lib" / "net.py").read_text() == "a = 1"
    assert copy.digest == intake.tree_digest(copy.submission) != intake.tree_digest(found)


def test_a_file_that_becomes_a_link_or_pipe_after_it_was_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = handed_in(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("truth")
    listing = intake.listed(found.root)

    def swapped(root: Path) -> regular_files.Listing:
        (root / "lib" / "net.py").unlink()
        (root / "lib" / "net.py").symlink_to(secret)
        return listing

    monkeypatch.setattr(copies, "listed", swapped)
    copy = copied(found, tmp_path / "copy")
    assert not (tmp_path / "copy" / "lib" / "net.py").exists()
    lines = [f"{name}\0{copy.digests.get(name, 'unreadable')}\n" for name in listing.files]
    assert copy.digest == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert set(listing.files) - set(copy.digests) == {"lib/net.py"}


def test_what_grows_beyond_the_limit_while_it_is_copied_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = handed_in(tmp_path)
    size = sum((found.root / name).stat().st_size for name in intake.listed(found.root).files)
    monkeypatch.setattr(copies, "LIMITS", copies.LIMITS.__class__(total_bytes=size))
    copied(found, tmp_path / "exactly")
    monkeypatch.setattr(copies, "LIMITS", copies.LIMITS.__class__(total_bytes=size - 1))
    with pytest.raises(GradingError, match="which is the most allowed"):
        copied(found, tmp_path / "more")


@pytest.mark.corpus("What ran is what was digested", "a manifest changed while it is graded")
def test_a_manifest_that_changed_since_it_was_read_is_refused(tmp_path: Path) -> None:
    found = handed_in(tmp_path)
    manifest = found.root / "submission.toml"
    manifest.write_text(manifest.read_text() + "\n# another\n")
    with pytest.raises(GradingError, match=r"submission.toml was changed while"):
        copied(found, tmp_path / "copy")


def test_all_copies_have_the_same_times_and_reading_leaves_no_trace(tmp_path: Path) -> None:
    copied(handed_in(tmp_path), tmp_path / "copy")

    def times() -> dict[str, tuple[int, int]]:
        every = [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]
        return {str(path): (path.stat().st_atime_ns, path.stat().st_mtime_ns) for path in every}

    before = times()
    assert set(before.values()) == {(copies.ACCESSED * 10**9, copies.MODIFIED * 10**9)}
    for path in (tmp_path / "copy").rglob("*.py"):
        path.read_bytes()
    os.listdir(tmp_path / "copy" / "lib")
    assert times() == before
