"""Tests of hostile hand-ins: each is refused with a reason, leaves its neighbours alone, and costs little."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import stat
import struct
import tarfile
import threading
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import intake
from harness.intake import regular_files, submissions
from harness.intake.archives import Limits, unpack
from harness.types import Failure, GradingError, Submission

TASKS = ("conditional-generation",)
MODELS = {"cvae": {}, "cgan": {}}
TOML = b'[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "best.pt"\n'
GOOD = {"submission.toml": TOML, "best.pt": b"weights"}


def collect(tmp_path: Path, *paths: Path) -> list[Submission]:
    workdir = tmp_path / "work"
    workdir.mkdir(exist_ok=True)
    return intake.collect(paths, workdir, tasks=TASKS, models=MODELS)


def made_zip(*entries: tuple[str | zipfile.ZipInfo, bytes], base: dict[str, bytes] = GOOD) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*base.items(), *entries]:
            archive.writestr(name, content)
    return buffer.getvalue()


def info(name: str, mode: int = 0, system: int = 3) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("x")
    entry.filename = entry.orig_filename = name
    entry.create_system, entry.external_attr = system, mode << 16
    return entry


def made_tar(*entries: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in GOOD.items():
            plain = tarfile.TarInfo(name)
            plain.size = len(content)
            archive.addfile(plain, io.BytesIO(content))
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def tar_entry(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


def in_a_class(tmp_path: Path, hostile: bytes, name: str = "mallory.zip") -> Failure:
    """Collect the hostile archive between two good ones, in a folder and in a zip, and return its one failure."""
    hall = tmp_path / "class"
    hall.mkdir()
    (hall / "alice.zip").write_bytes(made_zip())
    (hall / "zoe.zip").write_bytes(made_zip())
    (hall / name).write_bytes(hostile)
    whole = tmp_path / "class.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for path in hall.iterdir():
            archive.write(path, path.name)
    failures = []
    for path in (hall, whole):
        found = {one.id: one for one in collect(tmp_path, path)}
        assert set(found) == {"alice", "mallory", "zoe"}
        assert found["alice"].failure is None and found["zoe"].failure is None
        assert found["alice"].digests["best.pt"] == intake.digest(b"weights")
        failure = found["mallory"].failure
        assert failure is not None and failure.fault == "submission" and failure.stage == "intake"
        failures.append(failure)
    assert failures[0] == failures[1]
    assert not (tmp_path.parent / "evil").exists() and not (tmp_path / "work" / "evil").exists()
    return failures[0]


NFC, NFD = unicodedata.normalize("NFC", "modèle.pt"), unicodedata.normalize("NFD", "modèle.pt")


@pytest.mark.corpus("Intake", "`../` and absolute names", "parent-path", "absolute-path")
@pytest.mark.corpus("Intake", "symlink to truth, in zip, tar and folder", "../link.pt", "/tmp/x")
@pytest.mark.corpus("Intake", "device node", "device")
@pytest.mark.corpus("Intake", "FIFO named .pt", "named pipe")
@pytest.mark.corpus("Intake", "deflate bomb", "inflates-too-far")
@pytest.mark.corpus("Intake", "duplicate names", "duplicate-name")
@pytest.mark.corpus("Intake", "`Model.pt` beside `model.pt`", "Model.pt")
@pytest.mark.corpus("Intake", "NFC/NFD twins", "accents")
@pytest.mark.corpus("Intake", "NUL in a name", "nul-in-name")
@pytest.mark.corpus("Intake", "300-byte names", "long-name")
@pytest.mark.parametrize(
    ("entries", "kind", "words"),
    [
        ([("../evil", b"x")], "parent-path", "../evil"),
        ([("a/../../evil", b"x")], "parent-path", ".."),
        ([(info("/tmp/evil"), b"x")], "absolute-path", "/tmp/evil"),
        ([(info("C:/evil"), b"x")], "absolute-path", "drive letter"),
        ([(info("..\\evil"), b"x")], "parent-path", "../evil"),
        ([(info("a\0b.pt"), b"x")], "nul-in-name", "NUL"),
        ([("n" * 300, b"x")], "long-name", "300 bytes"),
        ([("é" * 150, b"x")], "long-name", "300 bytes"),
        ([("d/" * 20 + "x", b"x")], "too-deep", "16"),
        ([(info("C:\\evil"), b"x")], "absolute-path", "drive letter"),
        ([(info("\\\\server\\evil"), b"x")], "absolute-path", "//server/evil"),
        ([(info("../link.pt", stat.S_IFLNK | 0o777), b"/etc/passwd")], "parent-path", "../link.pt"),
        ([(info("away", stat.S_IFLNK | 0o777), b"/tmp"), ("away/evil", b"x")], "duplicate-name", "both a file"),
        ([(info("away/", stat.S_IFLNK | 0o777), b"/tmp"), ("away/evil", b"x")], "duplicate-name", "both a file"),
        ([(info("best.pt", stat.S_IFLNK | 0o777), b"/tmp/x")], "duplicate-name", "twice"),
        ([(info("tty.pt", stat.S_IFCHR | 0o666), b"")], "special-file", "device"),
        ([(info("disk.pt", stat.S_IFBLK | 0o666), b"")], "special-file", "device"),
        ([(info("pipe.pt", stat.S_IFIFO | 0o666), b"")], "special-file", "named pipe"),
        ([("a.pt", b"1"), ("a.pt", b"2")], "duplicate-name", "twice"),
        ([("a", b"1"), ("a/b", b"2")], "duplicate-name", "both a file and a folder"),
        ([("Model.pt", b"1"), ("model.pt", b"2")], "twin-names", "Model.pt"),
        ([("Vae/a.pt", b"1"), ("vae/b.pt", b"2")], "twin-names", "case"),
        ([(NFC, b"1"), (NFD, b"2")], "twin-names", "accents"),
        ([("zeros.pt", bytes(60_000_000))], "inflates-too-far", "200 times"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_entries_of_a_zip(
    tmp_path: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], kind: str, words: str
) -> None:
    failure = in_a_class(tmp_path, made_zip(*entries))
    assert failure.kind == kind and words in failure.message
    assert "mallory.zip" in failure.message and "\0" not in failure.message


def patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Put `value` into `content`, `offset` bytes after every occurrence of `signature`."""
    out, at = bytearray(content), content.find(signature)
    while at >= 0:
        out[at + offset : at + offset + len(value)] = value
        at = content.find(signature, at + 4)
    return bytes(out)


def encrypted() -> bytes:
    return patched(patched(made_zip(), b"PK\x03\x04", 6, b"\x01\x00"), b"PK\x01\x02", 8, b"\x01\x00")


def lzma_packed() -> bytes:
    buffer = io.BytesIO(made_zip())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("more.pt", b"x" * 100)
    return buffer.getvalue()


def understated() -> bytes:
    """Build a zip whose directory says that more.pt inflates to three bytes."""
    buffer = io.BytesIO(made_zip())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.pt", bytes(1000))
    content = buffer.getvalue()
    at = content.rfind(b"PK\x01\x02")
    return content[: at + 24] + struct.pack("<I", 3) + content[at + 28 :]


def overlapping() -> bytes:
    """Build a zip of ten names whose directory entries all point at one file's data, as in Fifield's bomb."""
    content = made_zip(*[(f"{n}.pt", b"x" * 500) for n in range(10)])
    out = bytearray(content)
    places, at = [], content.find(b"PK\x01\x02")
    while at >= 0:
        places.append(at)
        at = content.find(b"PK\x01\x02", at + 4)
    first = out[places[2] + 42 : places[2] + 46]
    for place in places[3:]:
        out[place + 42 : place + 46] = first
    return bytes(out)


def forged_directory_size() -> bytes:
    content = made_zip()
    at = content.rfind(b"PK\x05\x06")
    return content[: at + 12] + struct.pack("<II", 0xFFFFFFF0, 0) + content[at + 20 :]


@pytest.mark.corpus("Intake", "overlapping entries", "overlapping-entries")
@pytest.mark.corpus("Intake", "encrypted entry", "encrypted")
@pytest.mark.corpus("Intake", "wrong extension", "not-an-archive")
@pytest.mark.corpus("Intake", "deflate bomb", "inflates-too-far")
@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (encrypted, "encrypted", "password"),
        (lzma_packed, "compression", "method 14"),
        (understated, "damaged-archive", "more.pt"),
        (overlapping, "overlapping-entries", "overlap"),
        (forged_directory_size, "damaged-archive", "cut off"),
        (lambda: made_zip()[:-30], "damaged-archive", "cut off"),
        (lambda: made_zip()[:150], "damaged-archive", "cut off"),
        (lambda: b"", "not-an-archive", "empty"),
        (lambda: b"Rar!\x1a\x07\x01\x00" + bytes(100), "not-an-archive", "RAR"),
        (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(100), "not-an-archive", "7-Zip"),
        (lambda: b"\x89PNG" + bytes(1000), "not-an-archive", "a picture"),
        (lambda: b"\0" * 1000, "not-an-archive", "neither a zip nor a tar"),
        (lambda: b"<!DOCTYPE html><p>Sign in", "not-an-archive", "a web page"),
        (lambda: b"\x28\xb5\x2f\xfd" + bytes(100), "not-an-archive", "Zstandard"),
        (lambda: gzip.compress(b"not a tar" * 100), "damaged-archive", "not a tar"),
        (lambda: gzip.compress(bytes(60_000_000)), "inflates-too-far", "50,000,000"),
        (lambda: made_zip(base={}), "nothing-handed-in", "nothing"),
    ],
)
def test_hostile_zips(tmp_path: Path, make: Callable[[], bytes], kind: str, words: str) -> None:
    failure = in_a_class(tmp_path, make())
    assert failure.kind == kind and words in failure.message


def bit_flip() -> bytes:
    content = bytearray(made_zip(("big.pt", os.urandom(5000))))
    content[content.find(b"big.pt") + 100] ^= 1
    return bytes(content)


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    failure = in_a_class(tmp_path, bit_flip())
    assert failure.kind == "damaged-archive" and "big.pt" in failure.message


@pytest.mark.corpus("Intake", "50,000 entries")
def test_fifty_thousand_entries(tmp_path: Path) -> None:
    failure = in_a_class(tmp_path, made_zip(*[(f"e/{n}", b"") for n in range(50_000)]))
    assert failure.kind == "too-many-files" and "50,002" in failure.message and "20,000" in failure.message


@pytest.mark.corpus("Intake", "`../` and absolute names", "parent-path", "absolute-path")
@pytest.mark.corpus("Intake", "symlink to truth, in zip, tar and folder", "leads out")
@pytest.mark.corpus("Intake", "device node", "device")
@pytest.mark.corpus("Intake", "FIFO named .pt", "pipe")
@pytest.mark.corpus("Intake", "growing or sparse file", "tar type 'S'")
@pytest.mark.corpus("Intake", "duplicate names", "duplicate-name")
@pytest.mark.parametrize(
    ("entry", "content", "kind", "words"),
    [
        (tar_entry("../evil", tarfile.REGTYPE), b"", "parent-path", "../evil"),
        (tar_entry("/tmp/evil", tarfile.REGTYPE), b"", "absolute-path", "/tmp/evil"),
        (tar_entry("../truth.pt", tarfile.SYMTYPE, "/etc/passwd"), b"", "parent-path", "leads out"),
        (tar_entry("best.pt", tarfile.SYMTYPE, "/etc/passwd"), b"", "duplicate-name", "twice"),
        (tar_entry("best.pt/x", tarfile.LNKTYPE, "/etc/passwd"), b"", "duplicate-name", "both a file"),
        (tar_entry("null.pt", tarfile.CHRTYPE), b"", "special-file", "device"),
        (tar_entry("disk.pt", tarfile.BLKTYPE), b"", "special-file", "device"),
        (tar_entry("pipe.pt", tarfile.FIFOTYPE), b"", "special-file", "pipe"),
        (tar_entry("holes.pt", tarfile.GNUTYPE_SPARSE), b"", "special-file", "tar type 'S'"),
        (tar_entry("BEST.pt", tarfile.REGTYPE), b"", "twin-names", "case"),
        (tar_entry("best.pt", tarfile.REGTYPE), b"", "duplicate-name", "twice"),
    ],
)
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_hostile_entries_of_a_tar(
    tmp_path: Path, entry: tarfile.TarInfo, content: bytes, kind: str, words: str, mode: str
) -> None:
    failure = in_a_class(tmp_path, made_tar((entry, content), mode=mode), "mallory.tar.gz")
    assert failure.kind == kind and words in failure.message


def resized(content: bytes, name: bytes, size: bytes) -> bytes:
    """Set the size in the header of `name` in a tar to `size` (12 bytes), with a correct checksum."""
    at = content.find(name + b"\0")
    header = bytearray(content[at : at + 512])
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return content[:at] + bytes(header) + content[at + 512 :]


@pytest.mark.parametrize(
    "make",
    [
        lambda: resized(made_tar(), b"best.pt", b"\xff" * 12),
        lambda: resized(made_tar(), b"best.pt", b"\x80" + b"\x7f" * 11),
        lambda: resized(made_tar(), b"best.pt", b"-0000000777\0"),
        lambda: resized(made_tar(), b"best.pt", b"77777777777\0"),
        lambda: made_tar()[:700],
        lambda: made_tar()[:1024],
        lambda: made_tar(mode="w:gz")[:-12],
        lambda: made_tar()[:514] + b"junk" + made_tar()[518:600] + bytes(500),
    ],
)
def test_forged_and_truncated_tars(tmp_path: Path, make: Callable[[], bytes]) -> None:
    assert in_a_class(tmp_path, make(), "mallory.tar").kind == "damaged-archive"


def test_a_pax_header_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    forged = header.tobuf(tarfile.USTAR_FORMAT) + bytes(2048)
    failure = in_a_class(tmp_path, forged, "mallory.tar")
    assert failure.kind == "damaged-archive" and "1073741824" in failure.message


@pytest.mark.corpus("Intake", "deflate bomb")
def test_a_gzipped_tar_that_inflates_without_end(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("zeros.pt")
    entry.size = 80_000_000
    failure = in_a_class(tmp_path, made_tar((entry, bytes(entry.size)), mode="w:gz"), "mallory.tgz")
    assert failure.kind == "inflates-too-far"


def test_a_hostile_folder_in_an_export_fails_its_student_alone(tmp_path: Path) -> None:
    """Charge entries to the student whose folder they lie in; one that leads out of the archive has its own row."""
    folders = [f"{who}_{n}_assignsubmission_file_" for n, who in enumerate(("Ann", "Mal", "Zoe"), 101)]
    base = {f"{folder}/{name}": content for folder in folders for name, content in GOOD.items()}
    export = tmp_path / "export.zip"
    pipe = info(f"{folders[1]}/truth.pt", stat.S_IFIFO | 0o777)
    export.write_bytes(made_zip((pipe, b""), ("../evil", b"x"), base=base))
    found = {one.id: one for one in collect(tmp_path, export)}
    assert set(found) == {"101", "102", "103", "export-parent-path"}
    assert found["101"].failure is None and found["103"].failure is None
    assert (found["102"].failure or Failure("", "", "")).kind == "special-file"
    assert (found["export-parent-path"].failure or Failure("", "", "")).kind == "parent-path"


def test_a_problem_in_a_zip_with_a_folder_of_code_is_reported(tmp_path: Path) -> None:
    base = {"report.pdf": b"x"} | {f"code/{name}": content for name, content in GOOD.items()}
    hostile = made_zip((info("code/truth.pt", stat.S_IFIFO | 0o777), b""), base=base)
    (tmp_path / "mallory.zip").write_bytes(hostile)
    (alone,) = collect(tmp_path, tmp_path / "mallory.zip")
    assert alone.id == "mallory" and (alone.failure or Failure("", "", "")).kind == "special-file"
    assert in_a_class(tmp_path, hostile).kind == "special-file"


def limits(**changes: int) -> Limits:
    return Limits(**changes)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (limits(file_bytes=999), "too-large"),
        (limits(total_bytes=1999), "too-large"),
        (limits(ratio_from=500, ratio=2), "inflates-too-far"),
        (limits(files=2), "too-many-files"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_limits_are_counted_while_inflating(tmp_path: Path, changed: Limits, kind: str, form: str) -> None:
    files = {"a": bytes(1000), "b": bytes(1000), "c": b""}
    if form == "zip":
        content = made_zip(base=files)
    else:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w:{form[4:]}") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        content = buffer.getvalue()
    if form == "tar" and kind == "inflates-too-far":
        pytest.skip("a tar that isn't compressed can't inflate")
    (tmp_path / "into").mkdir()
    with pytest.raises(GradingError) as caught:
        unpack(io.BytesIO(content), f"x.{form}", tmp_path / "into", changed)
    assert caught.value.failure.kind == kind
    (tmp_path / "again").mkdir()
    unpack(io.BytesIO(content), f"x.{form}", tmp_path / "again", Limits(3, 1000, 2000, 200, 1_000_000))
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["a", "b", "c"]


@pytest.mark.corpus("Intake", "right-to-left marks and ANSI in names")
def test_escapes_and_direction_marks_in_names_are_removed(tmp_path: Path) -> None:
    names = ["\u202egpj.tp", "a\x1b[2J.pt"]
    (tmp_path / "ev\u202eil\x1b[31m.zip").write_bytes(made_zip(*[(name, b"x") for name in names]))
    (tmp_path / "plain.zip").write_bytes(made_zip(*[(name, b"x") for name in names]))
    (plain,) = collect(tmp_path, tmp_path / "plain.zip")
    assert plain.failure is None and any("control character" in note for note in plain.notes)
    (evil,) = collect(tmp_path, tmp_path / "ev\u202eil\x1b[31m.zip")
    assert evil.id == "evil"
    for one in (plain, evil):
        said = one.id + one.name + "".join(one.notes) + (one.failure.message if one.failure else "")
        assert "\x1b" not in said and "\u202e" not in said


@pytest.mark.corpus("Intake", "symlink to truth, in zip, tar and folder")
@pytest.mark.corpus("Intake", "FIFO named .pt")
def test_links_pipes_and_sockets_in_a_folder(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    (truth / "labels.pt").write_bytes(b"secret")
    folder = tmp_path / "mallory"
    folder.mkdir()
    for name, content in GOOD.items():
        (folder / name).write_bytes(content)
    (folder / "link.pt").symlink_to(truth / "labels.pt")
    (folder / "away").symlink_to(truth)
    os.mkfifo(folder / "pipe.pt")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # a socket's path may be no longer than 107 bytes
        server.bind("socket.pt")
    os.chdir(tmp_path)
    (found,) = collect(tmp_path, folder)
    assert found.failure is None and len(found.notes) == 1
    assert "2 links (away, link.pt); 2 pipes, sockets or devices (pipe.pt, socket.pt)" in found.notes[0]
    for name, kind in {
        "link.pt": "link",
        "away/labels.pt": "link",
        "pipe.pt": "special-file",
        "socket.pt": "special-file",
        "away": "link",
        ".": "empty-path",
        "../truth/labels.pt": "parent-path",
        str(truth / "labels.pt"): "absolute-path",
        "best.pt/x": "link",
    }.items():
        with pytest.raises(GradingError) as caught:
            intake.open_file(found, name)
        assert caught.value.failure.kind == kind, name
        assert "secret" not in caught.value.failure.message


@pytest.mark.corpus("Intake", "device node")
@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no device nodes here")
def test_devices_are_never_opened() -> None:
    for name in ("zero", "full", "tty"):
        with pytest.raises(GradingError) as caught:
            intake.open_file(Submission("x", "x", Path("/dev")), name)
        assert caught.value.failure.kind in {"special-file", "missing-file"}


def test_a_link_among_the_submissions_of_a_class(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    for name in ("alice", "zoe"):
        (hall / name).mkdir(parents=True)
        for file, content in GOOD.items():
            (hall / name / file).write_bytes(content)
    (hall / "mallory").symlink_to(hall / "alice")
    alice, mallory, zoe = collect(tmp_path, hall)
    assert alice.failure is None and zoe.failure is None
    assert mallory.failure is not None and mallory.failure.kind == "link"


@pytest.mark.corpus("Intake", "`Model.pt` beside `model.pt`")
def test_twins_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mallory"
    folder.mkdir()
    for name in (*GOOD, "Best.pt"):
        (folder / name).write_bytes(GOOD.get(name, b"other"))
    if len(list(folder.iterdir())) < 3:
        pytest.skip("case doesn't count on this file system")
    (found,) = collect(tmp_path, folder)
    assert found.failure is not None and found.failure.kind == "twin-names"


@pytest.mark.corpus("Intake", "growing or sparse file")
def test_a_sparse_file_of_a_terabyte(tmp_path: Path) -> None:
    folder = tmp_path / "mallory"
    folder.mkdir()
    for name, content in GOOD.items():
        (folder / name).write_bytes(content)
    try:
        os.truncate(folder / "best.pt", 1 << 40)
    except OSError:
        pytest.skip("this file system has no sparse files of this size")
    (found,) = collect(tmp_path, folder)
    assert found.failure is not None and found.failure.kind == "too-large"
    assert "1,099,511,627,776" in found.failure.message
    with pytest.raises(GradingError, match="too large"):
        intake.open_file(found, "best.pt")


class _Growing(io.RawIOBase):
    """A file without end."""

    read_so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self.read_so_far += len(buffer)
        return len(buffer)


def test_a_file_that_grows_while_it_is_read() -> None:
    growing = _Growing()
    with pytest.raises(GradingError) as caught:
        b"".join(regular_files.chunks(io.BufferedReader(growing), "best.pt", 3_000_000))
    assert caught.value.failure.kind == "too-large"
    assert growing.read_so_far < 3_000_001 + (1 << 20)


@pytest.mark.corpus("Intake", "growing or sparse file")
def test_a_file_that_grows_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(b"x" * 1000)
    submission, stop = Submission("x", "x", tmp_path), threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not stop.is_set():
                file.write(bytes(100_000))
                file.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        while True:  # until it has grown past the limit; pytest's own timeout is the guard
            try:
                assert len(intake.open_file(submission, "best.pt", 1_000_000)) <= 1_000_000
            except GradingError as error:
                refused = error.failure.kind
                break
    finally:
        stop.set()
        thread.join()
    assert refused == "too-large"


@pytest.mark.corpus("Intake", "file swapped after the check")
def test_a_file_swapped_after_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a file between the check and its opening: by a link, another file, and a pipe."""
    truth = tmp_path / "truth.pt"
    truth.write_bytes(b"secret")
    folder = tmp_path / "mallory"
    folder.mkdir()
    path = folder / "best.pt"
    submission = Submission("x", "x", folder)
    real = os.stat

    def link() -> None:
        path.unlink()
        path.symlink_to(truth)

    def other() -> None:
        path.rename(folder / "kept")
        path.write_bytes(b"other")

    def pipe() -> None:
        path.unlink()
        os.mkfifo(path)

    for swap, kind in ((link, "link"), (other, "changed"), (pipe, "special-file")):

        def swapping(target: object, swap: Callable[[], None] = swap, **arguments: object) -> os.stat_result:
            found = real(target, **arguments)  # type: ignore[call-overload]
            if target == "best.pt":
                swap()
            return found  # type: ignore[no-any-return]

        path.unlink(missing_ok=True)
        path.write_bytes(b"weights")
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", swapping)
            with pytest.raises(GradingError) as caught:
                intake.open_file(submission, "best.pt")
        assert caught.value.failure.kind == kind


@pytest.mark.corpus("Intake", "file swapped after the check")
def test_the_bytes_that_were_read_are_hashed(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"honest")
    content = intake.open_file(Submission("x", "x", tmp_path), "best.pt")
    (tmp_path / "best.pt").write_bytes(b"forged")
    assert intake.digest(content) == intake.digest(b"honest")


def test_too_many_files_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regular_files, "LIMITS", Limits(files=10))
    folder = tmp_path / "mallory"
    folder.mkdir()
    for name, content in GOOD.items():
        (folder / name).write_bytes(content)
    for n in range(9):
        (folder / str(n)).write_bytes(b"")
    (found,) = collect(tmp_path, folder)
    assert found.failure is not None and found.failure.kind == "too-many-files"


def test_a_manifest_that_is_a_link_or_a_pipe(tmp_path: Path) -> None:
    for name, make in (("link", lambda path: path.symlink_to("/etc/passwd")), ("pipe", os.mkfifo)):
        folder = tmp_path / name
        folder.mkdir()
        make(folder / "submission.toml")
        (found,) = collect(tmp_path, folder)
        assert found.failure is not None and found.failure.kind in {"link", "special-file"}


def test_an_error_of_the_harness_is_not_held_against_the_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = tmp_path / "class"
    for name in ("alice", "zoe"):
        (hall / name).mkdir(parents=True)
        for file, content in GOOD.items():
            (hall / name / file).write_bytes(content)
    real = submissions.listed
    monkeypatch.setattr(submissions, "listed", lambda root: real(root) if root.name == "zoe" else 1 / 0)
    alice, zoe = collect(tmp_path, hall)
    assert alice.failure is not None and alice.failure.fault == "harness" and "ZeroDivision" in alice.failure.detail
    assert zoe.failure is None


@pytest.mark.corpus("Results folder", "a full disk while an archive is unpacked")
def test_a_full_disk_is_the_environments_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: Path, flags: int, *arguments: int, **named: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return real(path, flags, *arguments, **named)

    (tmp_path / "a.zip").write_bytes(made_zip())
    monkeypatch.setattr(os, "open", full)
    (found,) = collect(tmp_path, tmp_path / "a.zip")
    assert found.failure is not None and found.failure.fault == "harness" and "No space" in found.failure.message


def packed_tar(size: int, pack: Callable[[bytes], bytes]) -> bytes:
    entry = tarfile.TarInfo("zeros.pt")
    entry.size = size
    return pack(made_tar((entry, bytes(size))))


def large_dictionary() -> bytes:
    """Build a tar.xz of 200 bytes that asks for 512 MiB of memory."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    return lzma.compress(made_tar(), filters=filters)


def pax_records(count: int) -> bytes:
    content = b"5 a=\n" * count
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(content)
    return header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: packed_tar(60_000_000, lzma.compress), "inflates-too-far", "50,000,000"),
        (lambda: packed_tar(60_000_000, bz2.compress), "inflates-too-far", "50,000,000"),
        (large_dictionary, "damaged-archive", "288 MiB"),
        (lambda: gzip.compress(b"") * 100_001, "damaged-archive", "100,000 gzip streams"),
        (lambda: bz2.compress(b"") * 100_001, "damaged-archive", "100,000 bzip2 streams"),
        (lambda: lzma.compress(b"") * 100_001, "damaged-archive", "100,000 xz streams"),
        (lambda: gzip.compress(pax_records(1001)), "damaged-archive", "1,000 records"),
        (lambda: gzip.compress(tar_entry("a\x01b", b"0").tobuf() * 20_001), "too-many-files", "20,000"),
        (lambda: gzip.compress(tar_entry("l", b"2", "/etc").tobuf() * 2), "duplicate-name", "twice"),
    ],
)  # fmt: skip
def test_bombs_in_compressed_tars(tmp_path: Path, make: Callable[[], bytes], kind: str, words: str) -> None:
    failure = in_a_class(tmp_path, make(), "mallory.tar.xz")
    assert failure.kind == kind and words in failure.message


def test_ignored_entries_are_counted_after_the_first_twenty(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(made_zip(*[(f"a\x01{n}", b"") for n in range(5000)]))
    (found,) = collect(tmp_path, tmp_path / "a.zip")
    assert found.failure is None and len(found.notes) == 21 and "4,980" in found.notes[-1]


@pytest.mark.parametrize("form", ["zip", "tar.bz2"])
def test_processor_time_is_bounded(tmp_path: Path, form: str) -> None:
    content = made_zip() if form == "zip" else made_tar(mode="w:bz2")
    with pytest.raises(GradingError, match=f"x.{form} takes more than 0 seconds") as caught:
        unpack(io.BytesIO(content), f"x.{form}", tmp_path, Limits(seconds=0))
    assert caught.value.failure.kind == "too-slow"


@pytest.mark.corpus("Intake", "archive in archive")
def test_an_archive_in_an_archive_inflates_no_further_than_one_alone(tmp_path: Path) -> None:
    """Two ratios would multiply: here, 1,000 bytes become 90 million in two steps of less than 50 million each."""
    inner = made_zip(*[(f"{n}.pt", bytes(45_000_000)) for n in range(2)])
    outer = made_zip(("inner.zip", inner), base={})
    assert len(outer) < 2_000
    failure = in_a_class(tmp_path, outer)
    assert failure.kind == "too-large" and "50,000,000" in failure.message


def test_what_tools_leave_behind_is_counted_ten_times_as_far(tmp_path: Path) -> None:
    def archive(count: int) -> io.BytesIO:
        return io.BytesIO(tar_entry(".git/x", b"0").tobuf() * count + bytes(1024))

    unpack(archive(50), "x.tar", tmp_path, Limits(files=5))
    with pytest.raises(GradingError, match="more than 5 entries"):
        unpack(archive(51), "x.tar", tmp_path, Limits(files=5))
