"""The secret seed of a results folder: kept for its owner alone, one for all runs there, and told to nobody."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from harness import mnist
from harness.assignments import DEFAULT
from harness.run.prepare import Request, RequestError, prepare
from harness.secret import FILE, Secret, SecretError
from harness.tasks.base import Context
from harness.types import Record, Role
from reports.site import render
from submissions import examples
from tests.data import embedded_digits
from tests.harness.run.grading import collect, grade, run_of
from tests.judges import ReadsFirstRow


def test_a_folder_keeps_one_seed_that_only_its_owner_can_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first = Secret.kept(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert len(first.seed) == 32
    assert Secret.kept(tmp_path).seed == first.seed
    assert (tmp_path / FILE).read_text() == first.seed.hex() + "\n"
    assert first.digest == hashlib.sha256(first.seed).hexdigest()
    other = tmp_path / "other"
    other.mkdir()
    assert Secret.kept(other).seed != first.seed


def test_runs_that_begin_at_once_agree_on_the_seed(tmp_path: Path) -> None:
    together = Barrier(8)

    def kept(_: int) -> bytes:
        together.wait()
        return Secret.kept(tmp_path).seed

    with ThreadPoolExecutor(8) as pool:
        seeds = set(pool.map(kept, range(8)))
    assert seeds == {Secret.kept(tmp_path).seed}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_seed_that_another_run_wrote_meanwhile_counts(tmp_path: Path) -> None:
    first = Secret.kept(tmp_path)
    # As a run goes on that found no file a moment before.
    assert Secret._new(tmp_path / FILE).seed == first.seed
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "0 bytes, not 32"),
        ("ab" * 31, "31 bytes, not 32"),
        ("xy" * 32, "non-hexadecimal"),
        ("ab" * 32 + "\n\n", "not a small regular file"),
        ("é" * 30, "ascii"),
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / FILE
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SecretError, match=said) as caught:
        Secret.kept(tmp_path)
    assert str(path) in str(caught.value)
    assert "Delete it: a new one is drawn" in str(caught.value)
    assert path.read_text(encoding="utf-8") == content
    path.unlink()
    assert len(Secret.kept(tmp_path).seed) == 32


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    Secret.kept(real)
    for number, make in enumerate(
        (
            lambda path: path.symlink_to(real / FILE),
            lambda path: path.symlink_to(tmp_path / "nothing"),
            os.mkfifo,
            lambda path: path.mkdir(),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / FILE)
        with pytest.raises(SecretError, match="can't be read as a secret seed"):
            Secret.kept(folder)
    assert not (tmp_path / "nothing").exists()


def test_a_run_is_not_prepared_with_a_damaged_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "locate", lambda _: embedded_digits())
    (tmp_path / FILE).write_text("short")
    with pytest.raises(RequestError, match="can't be read as a secret seed"):
        prepare(Request(DEFAULT, tmp_path, None, 0))


def test_draws_follow_from_seed_and_parts_alone() -> None:
    one, same, other = Secret(b"1" * 32), Secret(b"1" * 32), Secret(b"2" * 32)

    def drawn(secret: Secret, *parts: object) -> tuple[int, int]:
        return secret.generator(*parts).initial_seed(), int(secret.numbers(*parts).integers(1 << 60))

    # The first 64 bits, the least significant byte first, without the sign's.
    digest = hashlib.sha256(b"1" * 32 + b"task/7").digest()
    assert one.generator("task", 7).initial_seed() == int.from_bytes(digest[:8], "little") >> 1
    assert drawn(one, "task", 7) == drawn(same, "task", 7)
    assert len({drawn(one, "task", 7), drawn(one, "task", 8), drawn(other, "task", 7)}) == 3
    assert one.seed.hex() not in repr(one)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Secret, list[Record]]:
    """A results folder with its pages, its secret, and its records."""
    base = tmp_path_factory.mktemp("secret")
    place = base / "class" / "one"
    place.mkdir(parents=True)
    examples.mediocre(place)
    results = base / "results"
    results.mkdir()
    context = Context(embedded_digits(), ReadsFirstRow(), 0, secret=Secret.kept(results))
    made = grade(collect(place.parent, base / "work"), run_of(context, results))
    render(made, results, base / "site")
    return base, Secret.kept(results), made


def test_records_hold_the_digest_of_the_seed_that_was_used(graded) -> None:
    _, secret, made = graded
    scored = [record for record in made if record.submission and record.role is Role.STUDENT and record.metrics]
    assert scored
    assert {record.digests["secret seed"] for record in scored} == {secret.digest}


def test_neither_a_page_nor_a_record_tells_the_seed(graded) -> None:
    base, secret, made = graded
    told = secret.seed, secret.seed.hex().encode(), secret.seed.hex().upper().encode()
    files = [path for path in base.rglob("*") if path.is_file() and path.name != FILE]
    assert {".html", ".json"} <= {path.suffix for path in files}
    for path in files:
        content = path.read_bytes()
        assert not any(word in content for word in told), path
    assert not any(FILE in path.name for path in (base / "site").rglob("*"))
    assert all(secret.seed.hex() not in repr(record) for record in made)
    assert secret.seed.hex() not in repr(Context(embedded_digits(), ReadsFirstRow(), 0, secret=secret))
