"""Tests that results of baselines and reference models are kept for other runs, and used only where they hold."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import provenance, records
from harness.run import beside_keys, beside_results, kept, keys, plan
from harness.run import run as grading
from harness.run.executors import threads
from harness.run.hand_in import HandIn
from harness.run.questions import Questions
from harness.run.settings import Run
from harness.sandbox.outside import Isolation, WeightsWorkers
from harness.tasks import task
from harness.tasks.base import Context
from harness.types import Record, Role, Status
from tests.harness.run.grading import run_of

PART = "pca"


@pytest.fixture(scope="module")
def context(embedded_context: Context) -> Context:
    return embedded_context


def run_in(folder: Path, context: Context, **changes: object) -> Run:
    run = run_of(context, folder / "results", "tu-berlin-sheet10", beside="all", cache=folder / "cache")
    return dataclasses.replace(run, **changes)


def planned(run: Run) -> list[plan.Plan]:
    """Black, the mean image and the PCA's shipped weights."""
    names = ("black", "mean-image", "pca")
    return [
        [each for each in whole if each.part.id == PART]
        for whole in plan.beside(run)
        if whole[0].submission.id in names
    ]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory, context: Context) -> tuple[Path, list[Record]]:
    folder = tmp_path_factory.mktemp("first")
    run = run_in(folder, context)
    asked: list[int] = []
    found = grading.grade_beside(planned(run), run, before_asking=lambda: asked.append(1))
    assert asked == [1]
    assert [r.status for r in found] == [Status.SCORED] * 3
    return folder, found


@pytest.fixture
def copied(graded: tuple[Path, list[Record]], tmp_path: Path) -> Path:
    """Another place with the same cache, and no results."""
    shutil.copytree(graded[0] / "cache", tmp_path / "cache")
    return tmp_path


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was asked")

    with monkeypatch.context() as patch:
        patch.setattr(WeightsWorkers, "worker", refuse)
        patch.setattr(threads, "mark", refuse)
        patch.setattr(grading, "mark", refuse)
        yield


def again(run: Run) -> tuple[list[Record], list[bool]]:
    known: list[bool] = []
    found = grading.grade_beside(planned(run), run, lambda _, old: known.append(old))
    return found, known


@pytest.mark.usefixtures("nobody_is_asked")
def test_another_results_folder_asks_none(copied: Path, context: Context, graded: tuple[Path, list[Record]]) -> None:
    run = run_in(copied, context)
    found, known = again(run)
    assert known == [True] * 3
    for first, second in zip(graded[1], found, strict=True):
        assert records.repeatable(dataclasses.replace(first, answers="")) == records.repeatable(second)
        path = records.path_of(run.results, second.role, second.submission, second.part)
        assert records.load(path) == second
        for name in records.files_of(second):
            assert (run.results / name).read_bytes() == (graded[0] / "results" / name).read_bytes()
        arrays = kept.load_arrays(run.results, second)
        assert "scores" in arrays
        assert arrays.keys() == kept.load_arrays(graded[0] / "results", first).keys()
    # And once they are there, they are the folder's own, without the cache.
    assert again(dataclasses.replace(run, cache=None)) == (found, [True] * 3)


@pytest.mark.usefixtures("nobody_is_asked")
def test_points_and_titles_are_the_assignment_s_own(copied: Path, context: Context) -> None:
    run = run_in(copied, context)
    parts = [
        part.model_copy(update={"points": 3.0, "title": "Ours", "pass_mark": 1e-9, "steps": [(1e-9, 1.0)]})
        for part in run.assignment.part
    ]
    own = run.assignment.model_copy(update={"part": parts, "name": "ours"})
    run = dataclasses.replace(run, coursework=dataclasses.replace(run.coursework, assignment=own))
    found, known = again(run)
    assert known == [True] * 3
    assert {(r.assignment, r.part_title, r.score.points, r.score.max_points) for r in found} == {
        ("ours", "Ours", 0, 3.0)
    }


@pytest.mark.usefixtures("nobody_is_asked")
def test_neither_isolation_nor_a_micro_version_makes_them_stale(
    copied: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = dict(provenance.versions())
    minor = found["python"].rpartition(".")[0]
    changed = {"python": f"{minor}.99", "torch": found["torch"].partition("+")[0] + "+cu999", "gradebench": "9.9"}
    monkeypatch.setattr(provenance, "versions", lambda: found | changed)
    assert again(run_in(copied, context, isolation=Isolation("minimal", (), "")))[1] == [True] * 3


class Other:
    """Another judge of the same kind."""

    digest = "0" * 64

    def __init__(self, judge: object) -> None:
        self._judge = judge

    def __getattr__(self, name: str) -> object:
        return getattr(self._judge, name)


def test_seed_judge_data_and_versions_make_them_stale(
    copied: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold(context: Context) -> list[bool]:
        run = run_in(copied, context)
        questions = Questions(run)
        result = []
        for whole in planned(run):
            asking_key = keys.of_asking(whole[0], run, questions, HandIn.of(whole[0]).digests)
            result.append(beside_results.recalled(whole[0], run, asking_key) is not None)
        return result

    digits = dataclasses.replace(context.data, digest="1" * 64)
    assert hold(context) == [True] * 3
    assert hold(dataclasses.replace(context, seed=1)) == [False] * 3
    assert hold(dataclasses.replace(context, judge=Other(context.judge))) == [False] * 3
    assert hold(dataclasses.replace(context, second=context.judge)) == [False] * 3
    assert hold(dataclasses.replace(context, data=digits)) == [False] * 3
    assert hold(dataclasses.replace(context, official={"patch-inpainting": Other(context.judge)})) == [False] * 3
    for name, version in (("torch", "2.99.0"), ("numpy", "9.0"), ("scipy", "9.0"), ("python", "3.99.1")):
        changed = dict(provenance.versions()) | {name: version}
        with monkeypatch.context() as patch:
            patch.setattr(provenance, "versions", lambda changed=changed: changed)
            assert hold(context) == [False] * 3, name
    assert hold(context) == [True] * 3


def test_weights_and_sources_are_in_the_key(tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(tmp_path, context)
    reference = planned(run)[-1][0]
    assert reference.submission.role is Role.REFERENCE

    def key(**changes: str) -> str:
        digests = HandIn.of(reference).digests | changes
        return keys.of_asking(reference, run, Questions(run), digests)

    assert key() == key()
    assert key(checkpoint="other") != key()
    before, marked = key(), keys.of_marking(reference, run, {"answers": "a"})
    reached: list[str] = []
    code = provenance._code

    def changed_code(path: Path) -> str:
        reached.append("/".join(path.parts[-3:]))
        return code(path) + (" changed" if path.name == changed_name else "")

    monkeypatch.setattr(provenance, "_code", changed_code)
    # Of each: whether asking and marking have other keys once it has changed.
    for changed_name, expected in (
        ("nothing.py", (False, False)),
        ("pca.py", (True, False)),
        ("serve.py", (True, False)),
        ("tensorfile.py", (True, False)),
        ("patch.py", (True, True)),
        ("judge.py", (False, True)),
        ("types.py", (False, False)),
        ("seccomp.py", (False, False)),
        ("opening.py", (False, False)),
        ("run.py", (False, False)),
    ):
        beside_keys._module_code.cache_clear()
        now = key() != before, keys.of_marking(reference, run, {"answers": "a"}) != marked
        assert now == expected, changed_name
    beside_keys._module_code.cache_clear()
    assert not any(name.endswith(("types.py", "seccomp.py", "opening.py", "wire.py")) for name in reached)


def test_each_task_and_model_has_a_key_of_its_own(tmp_path: Path, context: Context) -> None:
    from harness.assignments import coursework

    found: dict[str, object] = {}
    for shipped in coursework.shipped().values():
        run = run_in(tmp_path, context, coursework=shipped)
        for whole in plan.beside(run):
            for each in whole:
                asked = keys.of_asking(each, run, Questions(run), HandIn.of(each).digests)
                file = beside_results.shipped_file(each)
                assert found.setdefault(keys.of_beside(each, run, asked), file) == file
    assert len(found) == len(set(found.values())) > 50


def spoilt(content: bytes) -> list[bytes]:
    document = json.loads(content)
    other = {**document, "files": {**document["files"], "../../escaped.png": base64.b64encode(b"x").decode()}}
    return [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, content[: len(content) // 2],
        content.replace(b'"format":1', b'"format":2'),
        content.replace(b'"value":0.', b'"value":1.', 1),
        json.dumps({**document, "record": {}}).encode(),
        json.dumps({**document, "record": {**document["record"], "schema": 99}}).encode(),
        json.dumps({**other, "sha256": beside_results._digest({n: other[n] for n in ("record", "files")})}).encode(),
        json.dumps({**document, "files": []}).encode(),
        b" " * (beside_results._LARGEST + 1),
    ]  # fmt: skip


def test_bad_and_foreign_files_are_not_used(copied: Path, context: Context) -> None:
    run = run_in(copied, context)
    black = planned(run)[0][0]
    asking_key = keys.of_asking(black, run, Questions(run), {})
    (path,) = beside_results._cached(black, run, asking_key)
    content = path.read_bytes()
    assert beside_results.read(path) is not None
    for bad in spoilt(content):
        path.write_bytes(bad)
        assert beside_results.recalled(black, run, asking_key) is None, bad[:60]
    assert not (copied / "escaped.png").exists()
    # Another's result under this name.
    shutil.copy(next(other for other in run.cache.iterdir() if other != path), path)
    assert beside_results.recalled(black, run, asking_key) is None
    path.unlink()
    os.mkfifo(path)
    assert beside_results.recalled(black, run, asking_key) is None
    path.unlink()
    path.mkdir()
    assert beside_results.recalled(black, run, asking_key) is None
    # With all that the run goes on, and asks.
    found, known = again(run)
    assert known.count(True) == 2
    assert [r.status for r in found] == [Status.SCORED] * 3


def test_a_cache_that_can_t_be_written_stops_nothing(tmp_path: Path, context: Context) -> None:
    (tmp_path / "cache").write_text("a file in the way", encoding="utf-8")
    run = run_in(tmp_path, context)
    found = grading.grade_beside(planned(run)[:1], run)
    assert [r.status for r in found] == [Status.SCORED]


def test_the_cache_is_kept_to_its_size_and_strangers_files_are_left(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = copied / "cache"
    names = sorted(cache.iterdir())
    for age, path in enumerate(names):
        os.utime(path, (1e9 - age, 1e9 - age))
    (cache / "mine.json").write_bytes(b"x" * 1000)
    (cache / ".a.json.0123.tmp").write_bytes(b"x")
    (cache / ".b.json.0123.tmp").write_bytes(b"x")
    os.utime(cache / ".a.json.0123.tmp", (1e9, 1e9))
    monkeypatch.setattr(beside_results, "CACHE_BYTES", sum(path.stat().st_size for path in names) - 1)
    beside_results._bound(cache)
    assert sorted(path.name for path in cache.iterdir()) == sorted(
        [".b.json.0123.tmp", "mine.json", *(path.name for path in names[:-1])]
    )


def test_a_result_that_is_used_stays_longest(copied: Path, context: Context) -> None:
    run = run_in(copied, context)
    for path in run.cache.iterdir():
        os.utime(path, (1e9, 1e9))
    black = planned(run)[0][0]
    began = time.time() - 5
    assert beside_results.recalled(black, run, keys.of_asking(black, run, Questions(run), {})) is not None
    assert sum(path.stat().st_mtime > began for path in run.cache.iterdir()) == 1


def test_fresh_asks_again(copied: Path, context: Context) -> None:
    assert again(run_in(copied, context, fresh=True))[1] == [False] * 3


def test_failures_are_not_kept(tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("no training images")

    black = task("patch-inpainting").baselines["black"]
    rows = {"black": dataclasses.replace(black, answer=breaks)}
    monkeypatch.setattr(task("patch-inpainting"), "baselines", rows, raising=False)
    run = run_in(tmp_path, context)
    assert [r.status for r in grading.grade_beside(planned(run)[:1], run)] == [Status.NOT_GRADABLE]
    assert not (tmp_path / "cache").exists()


def test_those_that_are_gone_are_forgotten_and_known_ones_stay(copied: Path, context: Context) -> None:
    run = run_in(copied, context)
    again(run)
    gone = records.load(records.path_of(run.results, Role.BASELINE, "black", PART))
    records.save(run.results, dataclasses.replace(gone, submission="former", figures=()))
    # One has to be asked, two are known: of these three nothing is forgotten.
    records.remove(run.results, gone)
    for path in run.cache.iterdir():
        path.unlink()
    again(run)
    left = {path.parent.name for path in records.paths(run.results)}
    assert left == {"black", "mean-image", "pca"}
