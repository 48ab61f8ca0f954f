"""Tests each layer of the confinement by itself: system calls, visible files, levels, escaped text."""

from __future__ import annotations

import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from harness.sandbox.inside import confinement, landlock, seccomp
from harness.sandbox.outside import bubblewrap, exposure, isolation, probe
from harness.text import plain_text

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# (name, x86_64, aarch64, verdict), numbered as in the kernel's tables and written down apart from the filter's own.
CALLS = [
    ("read", 0, 63, ALLOW),
    ("write", 1, 64, ALLOW),
    ("mmap", 9, 222, ALLOW),
    ("futex", 202, 98, ALLOW),
    ("openat", 257, 56, ALLOW),
    ("exit_group", 231, 94, ALLOW),
    ("socket", 41, 198, EPERM),
    ("execve", 59, 221, EPERM),
    ("kill", 62, 129, EPERM),
    ("ptrace", 101, 117, EPERM),
    ("memfd_create", 319, 279, EPERM),
    ("unshare", 272, 97, EPERM),
    ("bpf", 321, 280, EPERM),
    ("io_uring_setup", 425, 425, EPERM),
    ("pidfd_getfd", 438, 438, EPERM),
    ("fchmod", 91, 52, EPERM),
    ("fchmodat", 268, 53, EPERM),
    ("fchmodat2", 452, 452, EPERM),
    ("fchown", 93, 55, EPERM),
    ("fchownat", 260, 54, EPERM),
    ("utimensat", 280, 88, EPERM),
    ("setxattr", 188, 5, EPERM),
    ("lsetxattr", 189, 6, EPERM),
    ("fsetxattr", 190, 7, EPERM),
    ("setxattrat", 463, 463, EPERM),
    ("removexattr", 197, 14, EPERM),
    ("lremovexattr", 198, 15, EPERM),
    ("fremovexattr", 199, 16, EPERM),
    ("removexattrat", 466, 466, EPERM),
    ("file_setattr", 469, 469, EPERM),
    ("inotify_init1", 294, 26, EPERM),
    ("inotify_add_watch", 254, 27, EPERM),
    ("fanotify_init", 300, 262, EPERM),
    ("fanotify_mark", 301, 263, EPERM),
    ("getxattr", 191, 8, ALLOW),
    ("newfstatat", 262, 79, ALLOW),
    ("ftruncate", 77, 46, ALLOW),
    ("clone3", 435, 435, ENOSYS),
]


def verdict(program: bytes, architecture: int, number: int, argument: int) -> int:
    """Interprets classic BPF as the kernel does; the value that the filter returns for a system call."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, argument, 0, 0, 0, 0, 0)
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_what_it_should_and_nothing_else(machine: str) -> None:
    program = seccomp.program(machine, own_pid=77)
    column = 1 if machine == "x86_64" else 2
    for row in CALLS:
        assert verdict(program, AUDIT[machine], row[column], 0) == row[3], row[0]
    clone, tgkill, prlimit = {"x86_64": (56, 234, 302), "aarch64": (220, 131, 261)}[machine]
    prctl = {"x86_64": 157, "aarch64": 167}[machine]
    thread_flags, fork_flags = 0x3D0F00, 0x01200011
    expected = [
        (clone, thread_flags, ALLOW),
        (clone, fork_flags, EPERM),
        (tgkill, 77, ALLOW),
        (tgkill, 78, EPERM),
        (prlimit, 0, ALLOW),
        (prlimit, 77, ALLOW),
        (prlimit, 1, EPERM),
        (prctl, 1, EPERM),
        (prctl, (1 << 32) + 1, EPERM),
        (prctl, 15, ALLOW),
        (prctl, 38, ALLOW),
    ]
    if machine == "x86_64":
        expected += [(number, 0, EPERM) for number in (90, 92, 94, 132, 235, 253, 261)]
    for number, argument, wanted in expected:
        assert verdict(program, AUDIT[machine], number, argument) == wanted, (number, argument)
    other = AUDIT["aarch64" if machine == "x86_64" else "x86_64"]
    assert verdict(program, other, 0, 0) == KILL
    if machine == "x86_64":
        assert verdict(program, AUDIT[machine], 0x40000000 | 41, 0) == EPERM


def test_truth_and_weights_are_hidden_and_neighbouring_folders_not_exposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADEBENCH_DATA", str(tmp_path))
    exposure._without_submission.cache_clear()
    shown = exposure.expose(("fake_architectures:MODELS",), None, True)
    assert "/gradebench/fake_architectures/weights" in shown.hidden
    assert any(path.endswith("sklearn/datasets/data") for path in shown.hidden)
    sources = [Path(source) for source, _ in shown.binds]
    checkout = Path(exposure.__file__).parents[3]
    for secret in (tmp_path, Path.home(), checkout, Path("/etc/shadow"), checkout / "tests", Path("/proc")):
        assert not any(source == secret or source in secret.parents for source in sources), secret
    read, listing = exposure.readable_paths(exposure.expose(("fake_architectures:MODELS",), None, False))
    for hidden in exposure.expose(("fake_architectures:MODELS",), None, False).hidden:
        assert not any(Path(path) in [Path(hidden), *Path(hidden).parents] for path in read)
        assert str(Path(hidden).parent) in listing
    exposure._without_submission.cache_clear()


def test_workers_for_student_code_do_not_see_the_reference_models(tmp_path: Path) -> None:
    shown = exposure.expose((), str(tmp_path), True)
    assert [name for name, _ in shown.packages] == ["harness"]
    assert (str(tmp_path), "/submission") in shown.binds


def test_missing_layers_are_errors_only_where_they_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> int:
        raise OSError("the kernel has no Landlock")

    monkeypatch.setattr(confinement, "drop_privileges", lambda: None)
    monkeypatch.setattr(landlock, "confine", missing)
    monkeypatch.setattr(seccomp, "confine", missing)
    paths: dict[str, list[str]] = {"read": [], "list": [], "write": []}
    assert confinement.restrict_files(paths, required=False)["landlock"] == 0
    assert confinement.filter_system_calls(required=False)["seccomp"] is False
    with pytest.raises(OSError, match="Landlock"):
        confinement.restrict_files(paths, required=True)
    with pytest.raises(OSError, match="seccomp"):
        confinement.filter_system_calls(required=True)


def test_probe_falls_back_level_by_level(monkeypatch: pytest.MonkeyPatch) -> None:
    working = [isolation.Check("x", True, "")]
    broken = [isolation.Check("y", True, ""), isolation.Check("z", False, "it succeeded")]
    for results, level in (
        ({"full": working, "reduced": working}, "full"),
        ({"full": broken, "reduced": working}, "reduced"),
        ({"full": broken, "reduced": broken}, "minimal"),
    ):
        monkeypatch.setattr(isolation, "check_level", results.__getitem__)
        probe.cache_clear()
        found = probe()
        assert found.level == level
        assert bool(found.notice) == (level != "full")
    probe.cache_clear()


def test_the_check_says_that_bubblewrap_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation.bubblewrap, "executable", lambda: None)
    (check,) = isolation.check_level("full")
    assert (check.ok, check.detail) == (False, "bwrap is not installed")


def test_a_broken_bubblewrap_does_not_count_as_isolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    false = tmp_path / "bwrap"
    false.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    false.chmod(0o755)
    monkeypatch.setattr(isolation.bubblewrap, "executable", lambda: str(false))
    (check,) = isolation.check_level("full")
    assert not check.ok
    assert "Permission denied" in check.detail


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("plain\n\ttext é 数", 100, "plain\n\ttext é 数"),
        ("\x1b[31mred\x1b]0;t\x07\r\x00\x7f\x9b", 100, "\\x1b[31mred\\x1b]0;t\\x07\\r\\x00\\x7f\\x9b"),
        ("a\u202egnp.exe\u2066\u2028", 100, "a\\u202egnp.exe\\u2066\\u2028"),
        ("\ud800 alone", 100, "\\ud800 alone"),
        ("abcdef", 3, "abc […]"),
        ("ab\x1b", 3, "ab\\ […]"),
    ],
)
def test_control_and_direction_characters_are_escaped(text: str, limit: int, expected: str) -> None:
    assert plain_text(text, limit) == expected
    plain_text(text, limit).encode()


def test_importing_the_worker_imports_no_code_of_the_parent() -> None:
    parents = "'harness.sandbox.outside' in sys.modules"
    code = f"import harness.sandbox.inside.entry, sys; print('torch' in sys.modules, {parents})"
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(exposure.__file__).parents[3],
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.split() == ["False", "False"]


def test_the_mount_of_tmp_does_not_cover_libraries_below_it() -> None:
    shown = exposure.Exposure("/tmp/venv/bin/python", (("/tmp/venv/lib", "/tmp/venv/lib"),), (), (), (), ())
    arguments = bubblewrap.command(shown, {}, "/", 1 << 20, 3)
    assert arguments.index("/tmp") < arguments.index("/tmp/venv/lib")
