"""Tests of opening student code in a sandbox of its own, honest and hostile."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.intake import copied
from harness.sandbox.outside import CODE_LIMITS, Isolation, Limits, Session, Worker
from harness.student_code.opening import open_code
from harness.types import ArraySpec, GradingError, Question, Submission
from tests.harness.sandbox.sandbox_asking import (
    CODE_PROBES,
    descendants,
    hostile_submission,
    question,
    student_worker,
    works,
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_submission(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module", params=["full", "reduced"])
def patient(request: pytest.FixtureRequest, hostile: Path) -> Iterator[Session]:
    """One worker that outlives every probe, at each level."""
    with student_worker(request.getfixturevalue(request.param), hostile) as worker:
        yield worker


@pytest.mark.corpus("Runtime", "fork", "fork", "clone_raw", "run_program", "exec_python")
@pytest.mark.corpus(
    "Runtime", "network, vsock", "internet", "datagram", "unix_socket", "pair", "virtual_machine_socket"
)
@pytest.mark.corpus("Runtime", "reading truth", "accounts", "environment_of_others", "digits", "reference_weights")
@pytest.mark.corpus("Runtime", "/proc/PPID/mem", "parent_memory")
@pytest.mark.corpus(
    "Runtime", "killing or tracing the parent", "signal_parent", "signal_everyone", "trace_parent", "limit_parent"
)
@pytest.mark.corpus("Runtime", "8 GB allocation", "raise_own_limit", "memory_outside_the_limit")
@pytest.mark.corpus("Runtime", "inherited descriptors", "descriptors")
@pytest.mark.corpus("Runtime", "overwriting worker code", "write_outside")
@pytest.mark.corpus("Runtime", "mounts, namespaces, capabilities", "mount", "privileges")
@pytest.mark.corpus("Runtime", "daemon outliving the kill", "fork")
@pytest.mark.corpus("Runtime, found later", "chmod, chown, utime, setxattr at files that Landlock hides", "metadata")
@pytest.mark.corpus("Runtime, found later", "inotify and fanotify", "watch_files")
@pytest.mark.corpus("Runtime, found later", "prctl(PR_SET_PDEATHSIG, 0)", "outlive_parent")
@pytest.mark.corpus("Runtime, found later", "`import reference` in a student's worker", "import_gradebench")
@pytest.mark.parametrize("attack", CODE_PROBES)
def test_probe_finds_nothing(patient: Session, hostile: Path, attack: str) -> None:
    assert float(patient.ask(question(attack), 200.0)["y"][0]) == 0.0, patient.log
    assert works(patient)
    assert sorted(path.name for path in hostile.iterdir() if path.name != "__pycache__") == ["adapter.py"]


@pytest.mark.corpus("Runtime", "segfault", "segfault")
@pytest.mark.corpus("Runtime", "os._exit(0)", "leave")
@pytest.mark.corpus("Runtime", "SIGSTOP on itself", "stop")
@pytest.mark.corpus("Runtime", "daemon outliving the kill")
@pytest.mark.parametrize("level", ["full", "reduced"])
@pytest.mark.parametrize(
    ("attack", "kind", "reason"),
    [
        ("segfault", "crashed", "segmentation fault"),
        ("leave", "crashed", "exit code 0"),
        ("stop", "timeout", "longer than 1 s"),
    ],
)
def test_a_worker_that_ends_is_reported_and_leaves_no_process(
    request: pytest.FixtureRequest, hostile: Path, level: str, attack: str, kind: str, reason: str
) -> None:
    before = descendants()
    with student_worker(request.getfixturevalue(level), hostile) as worker:
        with pytest.raises(GradingError) as caught:
            worker.ask(question(attack), 1.0 if kind == "timeout" else 60.0)
        failure = caught.value.failure
        assert (failure.stage, failure.kind, failure.fault) == ("worker", kind, "submission")
        assert reason in failure.message
    assert descendants() <= before


@pytest.mark.corpus("Runtime", "8 GB allocation")
@pytest.mark.corpus("Runtime", "disk fill")
@pytest.mark.corpus("Runtime", "2,000 threads")
@pytest.mark.parametrize("level", ["full", "reduced"])
def test_memory_disk_and_threads_are_limited(request: pytest.FixtureRequest, level: str, hostile: Path) -> None:
    limits = Limits(memory=2 << 30, tmp_bytes=16 << 20, threads=64)
    with student_worker(request.getfixturevalue(level), hostile, limits=limits) as worker:
        with pytest.raises(GradingError, match="more memory than is allowed"):
            worker.ask(question("gluttony"), 20.0)
        written = float(worker.ask(question("fill_disk"), 20.0)["y"][0])
        # At reduced there is nowhere to write.
        assert 8 << 20 < written <= 17 << 20 if level == "full" else written == 0
        assert works(worker)
        with pytest.raises(GradingError) as caught:
            worker.ask(question("swarm"), 200.0)
        assert caught.value.failure.fault == "submission"
        assert caught.value.failure.kind in ("threads", "exception")


@pytest.mark.corpus("Runtime, found later", "3 million inodes of /tmp")
@pytest.mark.parametrize("level", ["full", "reduced"])
def test_the_number_of_files_in_tmp_is_limited(request: pytest.FixtureRequest, level: str, hostile: Path) -> None:
    with student_worker(request.getfixturevalue(level), hostile, limits=replace(CODE_LIMITS, tmp_files=2000)) as worker:
        assert works(worker)
        with pytest.raises(GradingError) as caught:
            worker.ask(question("fill_inodes"), 200.0)
        failure = caught.value.failure
        assert (failure.kind, failure.fault) == ("files" if level == "full" else "exception", "submission")
        said = "made more than 2,000 files in /tmp" if level == "full" else "Permission denied: '/tmp/inode0'"
        assert said in failure.message


@pytest.mark.corpus("Runtime, found later", "a state kept between calls")
@pytest.mark.parametrize("level", ["full", "reduced"])
def test_workers_of_one_entry_share_no_place_to_leave_anything(
    request: pytest.FixtureRequest, level: str, tmp_path: Path
) -> None:
    root = hostile_submission(tmp_path / "s")
    (root / "data").mkdir()
    for number in range(8):
        (root / "data" / f"bit{number}").write_bytes(b"0")
    copy = tmp_path / "copy"
    copy.mkdir()
    copied(Submission("s", "s", root), copy)
    before = {path: (path.read_bytes() if path.is_file() else b"", os.stat(path)) for path in copy.rglob("*")}
    isolation = request.getfixturevalue(level)
    with student_worker(isolation, copy) as first, student_worker(isolation, copy) as beside:
        first.ask(question("leave_traces"), 60.0)
        assert float(beside.ask(question("find_traces"), 60.0)["y"][0]) == 0.0, beside.log
    with student_worker(isolation, copy) as afterwards:
        assert float(afterwards.ask(question("find_traces"), 60.0)["y"][0]) == 0.0, afterwards.log
    for path, (content, state) in before.items():
        now = os.stat(path)
        assert (path.read_bytes() if path.is_file() else b"") == content
        for clock in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_mode"):
            assert getattr(now, clock) == getattr(state, clock), (path, clock)
    assert set(copy.rglob("*")) == set(before)


def test_honest_code_may_copy_files(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "weights.npz").write_bytes(b"payload")
    (tmp_path / "adapter.py").write_text(
        textwrap.dedent(
            """
            import os, pathlib, shutil, torch

            class Model:
                def size(self, x):
                    shutil.copy2("weights.npz", "/tmp/w.npz")
                    shutil.copytree(os.getcwd(), "/tmp/whole", dirs_exist_ok=True)
                    os.chmod("/tmp/w.npz", 0o600)
                    pathlib.Path("/tmp/w.npz").touch()
                    return torch.tensor([float(os.path.getsize("/tmp/whole/weights.npz"))])

            def load(path):
                return Model()
            """
        )
    )
    with student_worker(full, tmp_path) as worker:
        assert float(worker.ask(question("size"), 20.0)["y"][0]) == 7.0


@pytest.mark.corpus("Runtime", "a `torch.py` or `sitecustomize.py` beside the model")
@pytest.mark.parametrize("level", ["full", "reduced"])
def test_modules_of_the_submission_never_replace_those_of_the_worker(
    request: pytest.FixtureRequest, level: str, tmp_path: Path
) -> None:
    bad = "raise SystemExit('shadowed')\n"
    for name in ("torch.py", "numpy.py", "sitecustomize.py", "usercustomize.py", "json.py", "harness.py", "_ctypes.py"):
        (tmp_path / name).write_text(bad)
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "sitecustomize.py").write_text(bad)
    (tmp_path / "flow" / "layers.py").write_text("FACTOR = 3\n")
    (tmp_path / "common.py").write_text("OFFSET = 1\n")
    (tmp_path / "flow" / "best.npz").write_bytes(b"payload")
    (tmp_path / "flow" / "adapter.py").write_text(
        textwrap.dedent(
            """
            import os, sys, torch, json
            from dataclasses import dataclass
            from common import OFFSET
            from layers import FACTOR

            @dataclass
            class Model:
                size: int
                def sample(self, noise, labels):
                    print(sorted(os.environ), os.getcwd(), sys.argv)
                    return {"image": noise * FACTOR + OFFSET, "size": torch.full((len(noise),), self.size)}

            def load(path):
                return Model(len(open(path, "rb").read()))
            """
        )
    )
    os.environ["GRADEBENCH_TEST_SECRET"] = "do not tell"
    try:
        with Worker(request.getfixturevalue(level), limits=CODE_LIMITS) as worker:
            assert worker.open_code(tmp_path, "flow/adapter.py:load", "flow/best.npz") == []
            noise = np.arange(15, dtype=np.float32).reshape(5, 3)
            answer = worker.ask(
                Question(
                    "sample",
                    {"noise": noise, "labels": noise},
                    {"image": ArraySpec((5, 3)), "size": ArraySpec((5,), "int64")},
                    batch=2,
                ),
                20.0,
            )
            np.testing.assert_array_equal(answer["image"], noise * 3 + 1)
            assert answer["size"].tolist() == [7] * 5
            assert worker.isolation_stamp == level
            assert "SECRET" not in worker.log
            assert ("/submission" if level == "full" else str(tmp_path)) in worker.log
    finally:
        del os.environ["GRADEBENCH_TEST_SECRET"]


@pytest.mark.parametrize(
    ("source", "code", "kind", "reason"),
    [
        ("def load(p): return 1", "adapter.py:make", "missing-function", "no function 'make'"),
        ("import nothing_like_this", "adapter.py:load", "exception", "No module named 'nothing_like_this'"),
        ("import os; os.system('true'); open('../data/x')", "adapter.py:load", "exception", "own files exist"),
    ],
)
def test_code_that_cannot_be_loaded_is_refused_with_the_reason(
    full: Isolation, tmp_path: Path, source: str, code: str, kind: str, reason: str
) -> None:
    (tmp_path / "adapter.py").write_text(source)
    with Worker(full) as worker, pytest.raises(GradingError) as caught:
        worker.open_code(tmp_path, code, None)
    assert (caught.value.failure.kind, caught.value.failure.fault) == (kind, "submission")
    assert reason in caught.value.failure.message


def test_a_missing_import_is_named_with_the_file_that_asks_for_it(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "adapter.py").write_text(
        "import torch\nfrom layers import Block\ndef load(p): return Block()\n"
    )
    (tmp_path / "vae" / "layers.py").write_text("# layers\n\nfrom keras.layers import Dense\nclass Block: pass\n")

    def refusal() -> str:
        with Worker(full) as worker, pytest.raises(GradingError) as caught:
            worker.open_code(tmp_path, "vae/adapter.py:load", None)
        return caught.value.failure.message

    assert "No module named 'keras'. vae/layers.py, line 3 imports it. The sandbox has torch, numpy and" in refusal()
    assert ".." not in refusal()
    for said in ("torchvision, ", "matplotlib, ", "tqdm, ", "tensorboardX, ", "hand it in too", "take the import out"):
        assert said in refusal()
    (tmp_path / "vae" / "adapter.py").write_text("def load(p):\n    import torch.keras\n")
    assert "vae/adapter.py, line 2 imports it. There is torch, but no torch.keras in it." in refusal()


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("other.py:load", "missing-file", "no file other.py"),
        ("adapter.py", "code", "path/to/file.py:function"),
        (":load", "code", "path/to/file.py:function"),
    ],
)
def test_a_wrong_code_line_is_refused_with_the_reason(tmp_path: Path, code: str, kind: str, reason: str) -> None:
    seeded: list[None] = []
    with pytest.raises(GradingError) as caught:
        open_code(tmp_path, code, None, lambda: seeded.append(None))
    assert not seeded
    assert caught.value.failure.kind == kind
    assert reason in caught.value.failure.message


def test_student_code_is_refused_without_isolation_unless_it_is_trusted(hostile: Path) -> None:
    minimal = Isolation("minimal", (), "")
    with Worker(minimal) as worker, pytest.raises(GradingError) as caught:
        worker.open_code(hostile, "adapter.py:load", None)
    assert (caught.value.failure.kind, caught.value.failure.fault) == ("not-isolated", "harness")
    with student_worker(minimal, hostile, trust_code=True) as worker:
        assert worker.isolation_stamp == "NOT ISOLATED"
        assert works(worker)


def test_code_needs_a_worker_of_its_own(full: Isolation, hostile: Path) -> None:
    with student_worker(full, hostile) as worker, pytest.raises(GradingError) as caught:
        worker.open_code(hostile, "adapter.py:load", None)
    assert caught.value.failure.kind == "not-fresh"
