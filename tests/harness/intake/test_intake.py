"""Intake: single submissions, classes, exports of learning platforms, starter layouts."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import intake
from harness.types import Entry, GradingError, Kind, Submission

TASKS = ("conditional-generation",)
MODELS = {"cvae": {}, "cgan": {}}
TOML = '[submission]\nname = "{}"\n[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "best.pt"\n'


def collect(tmp_path: Path, *paths: Path) -> list[Submission]:
    workdir = tmp_path / "work"
    workdir.mkdir(exist_ok=True)
    return intake.collect(paths, workdir, tasks=TASKS, models=MODELS)


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def team(name: str = "Gauss", weights: bytes = b"weights") -> dict[str, str | bytes]:
    return {"submission.toml": TOML.format(name), "best.pt": weights}


def test_a_folder_with_a_manifest(tmp_path: Path) -> None:
    (found,) = collect(tmp_path, write(tmp_path / "s12", team()))
    assert (found.id, found.name, found.failure, found.notes) == ("s12", "Gauss", None, ())
    assert found.entries == (Entry("conditional-generation", Kind.WEIGHTS, "cvae", "cvae", "best.pt"),)
    assert found.digests == {"best.pt": hashlib.sha256(b"weights").hexdigest()}
    assert intake.open_file(found, "best.pt") == b"weights"
    assert intake.digest(b"weights") == found.digests["best.pt"]


@pytest.mark.parametrize("wrapped", ["", "hw3/", "repo-main/hw3/"])
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz"])
def test_an_archive_is_named_after_its_student(tmp_path: Path, wrapped: str, suffix: str) -> None:
    files = {wrapped + name: content for name, content in team().items()} | {"__MACOSX/._x": b"", ".DS_Store": b""}
    path = tmp_path / f"ada.lovelace{suffix}"
    if suffix == ".zip":
        path.write_bytes(zipped(files))
    else:
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as archive:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    (found,) = collect(tmp_path, path)
    assert (found.id, found.name, found.failure) == ("ada.lovelace", "Gauss", None)
    assert intake.open_file(found, "best.pt") == b"weights"


def test_pax_and_gnu_long_names_in_a_tar(tmp_path: Path) -> None:
    long = "/".join(["d" * 90] * 3) + "/wéights.pt"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        name = long if form != tarfile.USTAR_FORMAT else "d" * 90 + "/" + "e" * 80 + "/weights.pt"
        path = tmp_path / f"t{form}.tar"
        with tarfile.open(path, "w", format=form) as archive:
            for member, content in (("submission.toml", TOML.format("x")), ("best.pt", "b" * 700), (name, "deep")):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content.encode()))
        (found,) = collect(tmp_path, path)
        assert found.failure is None
        assert intake.open_file(found, name) == b"deep"
        assert intake.open_file(found, "best.pt") == b"b" * 700


def test_a_class_in_a_folder(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    write(hall / "bob", team("Bob"))
    write(hall / "carol" / "work", team("Carol"))
    write(hall / "empty", {"report.pdf": b"%PDF"})
    write(hall, {"alice.zip": zipped(team("Alice")), "grades.csv": "a,b"})
    found = collect(tmp_path, hall)
    assert [(one.id, one.name) for one in found] == [
        ("alice", "Alice"),
        ("bob", "Bob"),
        ("carol", "Carol"),
        ("empty", "empty"),
    ]
    assert [one.failure is None for one in found] == [True, True, True, False]
    assert found[3].failure is not None and "report.pdf" in found[3].failure.message


def test_a_report_beside_the_folder_of_code(tmp_path: Path) -> None:
    inner = {"report.pdf": b"%PDF"} | {f"code/{name}": content for name, content in team().items()}
    (alone,) = collect(tmp_path, write(tmp_path, {"eve.zip": zipped(inner)}) / "eve.zip")
    assert (alone.id, alone.failure) == ("eve", None)
    found = collect(tmp_path, write(tmp_path / "class", {"eve.zip": zipped(inner), "bob.zip": zipped(team())}))
    assert [(one.id, one.failure) for one in found] == [("bob", None), ("eve", None)]


def test_a_class_in_a_zip_in_a_wrapper(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"class/zoe.zip": zipped(team("Zoe"))}
    files |= {f"class/yan/{name}": content for name, content in team("Yan").items()}
    found = collect(tmp_path, write(tmp_path, {"all.zip": zipped(files)}) / "all.zip")
    assert [(one.id, one.name, one.failure) for one in found] == [("yan", "Yan", None), ("zoe", "Zoe", None)]


def test_an_archive_in_an_archive_of_a_class_stays_a_file(tmp_path: Path) -> None:
    inner = zipped({"deeper.zip": zipped(team())})
    found = collect(
        tmp_path, write(tmp_path, {"all.zip": zipped({"a.zip": inner, "b.zip": zipped(team())})}) / "all.zip"
    )
    assert [one.id for one in found] == ["a", "b"]
    assert found[0].failure is not None and "deeper.zip" in found[0].failure.message
    assert found[1].failure is None


@pytest.mark.parametrize("as_zip", [False, True])
def test_moodles_export(tmp_path: Path, as_zip: bool) -> None:
    manifest_with_id = '[submission]\nid = "s9"\n' + TOML.partition("\n[")[2].join(["[", ""])
    files: dict[str, str | bytes] = {
        "Ada Lovelace_1001_assignsubmission_file_/hw3.zip": zipped(team("Team Ada")),
        "Ada Lovelace_1001_assignsubmission_onlinetext_/onlinetext.html": "<p>hello",
        "Participant_1003_assignsubmission_file/submission.toml": manifest_with_id,
        "Participant_1003_assignsubmission_file/best.pt": b"x",
        "Jo_van_Dyk_1002_assignsubmission_file/notes.txt": "sorry",
    }
    path = write(tmp_path / "export", files)
    if as_zip:
        path = write(tmp_path, {"Course-HW3.zip": zipped(files)}) / "Course-HW3.zip"
    found = collect(tmp_path, path)
    assert [(one.id, one.name) for one in found] == [
        ("1001", "Team Ada"),
        ("1002", "Jo_van_Dyk"),
        ("1003", "Participant 1003"),
    ]
    assert [one.failure is None for one in found] == [True, False, True]
    assert "gives way" in found[2].notes[0]


def test_canvas_flat_export(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "gausscarl_4321_90001_submission.toml": TOML.format("Gauss"),
        "gausscarl_4321_90002_best.pt": b"old",
        "gausscarl_4321_90013_best.pt": b"new",
        "noetheremmy_LATE_4400_90003_hw3.zip": zipped(team("Noether")),
    }
    found = collect(tmp_path, write(tmp_path, {"submissions.zip": zipped(files)}) / "submissions.zip")
    assert [(one.id, one.name, one.failure) for one in found] == [
        ("4321", "Gauss", None),
        ("4400", "Noether", None),
    ]
    assert intake.open_file(found[0], "best.pt") == b"new"
    assert intake.open_file(found[1], "best.pt") == b"weights"


def test_gradescopes_export(tmp_path: Path) -> None:
    metadata = """---
submission_77:
  :submitters:
  - :name: Ada Lovelace
    :sid: '1'
    :email: a@example.org
  - :name: "Emmy \\e[31mNoether"
    :sid: '2'
  :created_at: 2024-01-01
submission_78:
  :submitters:
  - :name: Carl Gauss
"""
    files: dict[str, str | bytes] = {"assignment_5/submission_metadata.yml": metadata}
    plain = TOML.partition("\n")[2].partition("\n")[2]
    for number in (77, 78):
        files |= {f"assignment_5/submission_{number}/submission.toml": plain}
        files |= {f"assignment_5/submission_{number}/best.pt": b"x"}
    found = collect(tmp_path, write(tmp_path, {"e.zip": zipped(files)}) / "e.zip")
    assert [(one.id, one.name) for one in found] == [
        ("77", "Ada Lovelace & Emmy \\e[31mNoether"),
        ("78", "Carl Gauss"),
    ]


def test_folders_of_a_like_name_are_no_export(tmp_path: Path) -> None:
    write(tmp_path / "class" / "submission_1", team())
    write(tmp_path / "class" / "run_2024_01_final", team())
    assert [one.id for one in collect(tmp_path, tmp_path / "class")] == ["run_2024_01_final", "submission_1"]


def test_the_starter_layout(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "team",
        {
            "vae/vae.py": "",
            "vae/runs/9.pt": b"nine",
            "vae/runs/50.pt": b"fifty",
            "vae/data/MNIST/processed/training.pt": b"data",
            "vae/vae_generated_samples.pt": b"s",
            "gan/models/best_D.pth": b"d",
            "gan/models/best_g.pth": b"g",
            "gan/models/latest.pt": b"l",
            "ebm/models/best.pt": b"e",
            "README.md": "",
        },
    )
    (found,) = collect(tmp_path, folder)
    task = "conditional-generation"
    assert found.entries == (
        Entry(task, Kind.WEIGHTS, "cvae", "cvae", "vae/runs/50.pt"),
        Entry(task, Kind.WEIGHTS, "cgan", "cgan", "gan/models/best_g.pth"),
    )
    assert found.digests["gan/models/best_g.pth"] == hashlib.sha256(b"g").hexdigest()
    notes = "\n".join(found.notes)
    assert "vae/runs/50.pt was taken" in notes and "Not taken: vae/runs/9.pt, vae/vae_generated_samples.pt" in notes
    assert "no task for it yet" in notes and "training.pt" not in notes


def test_starter_folders_gain_tasks_as_they_come(tmp_path: Path) -> None:
    folder = write(tmp_path / "team", {"ebm/models/model_best.pt": b"e", "flow/models/checkpoint_best.pt": b"f"})
    workdir = tmp_path / "w"
    workdir.mkdir()
    (found,) = intake.collect(
        [folder], workdir, tasks=("row-inpainting", "half-inpainting"), models={"ebm": {}, "realnvp": {}}
    )
    assert [(one.task, one.part, one.model) for one in found.entries] == [
        ("row-inpainting", "ebm", "ebm"),
        ("half-inpainting", "flow", "realnvp"),
    ]


def test_starter_folders_with_code_are_asked_through_it(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "team",
        {
            "ebm/ebm.py": "",
            "ebm/models/ebm_checkpoint_9.pth": b"9",
            "ebm/models/ebm_checkpoint_49.pth": b"49",
            "Flow/realnvp.py": "",
            "Flow/models/checkpoint_best.pt": b"f",
            "flow.py": "",
        },
    )
    workdir = tmp_path / "w"
    workdir.mkdir()
    (found,) = intake.collect([folder], workdir, tasks=("row-inpainting", "half-inpainting"), models={})
    assert found.entries == (
        Entry("row-inpainting", Kind.CODE, "ebm", None, "ebm/models/ebm_checkpoint_49.pth", "starter:ebm"),
        Entry("half-inpainting", Kind.CODE, "flow", None, "Flow/models/checkpoint_best.pt", "starter:flow"),
    )
    assert set(found.digests) == {"ebm/models/ebm_checkpoint_49.pth", "Flow/models/checkpoint_best.pt"}
    assert "Not taken: ebm/models/ebm_checkpoint_9.pth" in "\n".join(found.notes)
    assert "The code in flow/ is asked with it" in "\n".join(found.notes)


def test_starter_code_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path / "team", {"ebm/ebm.py": "", "vae_generated_samples.pt": b"v"})
    workdir = tmp_path / "w"
    workdir.mkdir()
    (found,) = intake.collect(
        [folder], workdir, tasks=("row-inpainting", "conditional-generation"), models={"cvae": {}}
    )
    assert [one.part for one in found.entries] == ["cvae"]
    assert "ebm: ebm/ holds no checkpoint" in "\n".join(found.notes)


def test_a_manifest_may_name_the_starters_methods(tmp_path: Path) -> None:
    toml = '[[entry]]\ntask = "row-inpainting"\npart = "ebm"\ncode = "starter:{}"\ncheckpoint = "ebm/runs/b.pth"\n'
    for name in ("ebm", "gan"):
        write(tmp_path / "class" / f"of-{name}", {"submission.toml": toml.format(name), "ebm/runs/b.pth": b"b"})
    workdir = tmp_path / "w"
    workdir.mkdir()
    ebm, gan = intake.collect([tmp_path / "class"], workdir, tasks=("row-inpainting",), models={})
    assert ebm.entries == (Entry("row-inpainting", Kind.CODE, "ebm", None, "ebm/runs/b.pth", "starter:ebm"),)
    assert gan.failure is not None and gan.failure.kind == "bad-code"


def test_answers_only_without_a_manifest(tmp_path: Path) -> None:
    (found,) = collect(
        tmp_path, write(tmp_path / "t", {"vae_generated_samples.pt": b"v", "gan/gan_generated_samples.pt": b"g"})
    )
    assert [(one.kind, one.part, one.model, one.file) for one in found.entries] == [
        (Kind.OUTPUTS, "cvae", None, "vae_generated_samples.pt"),
        (Kind.OUTPUTS, "cgan", None, "gan/gan_generated_samples.pt"),
    ]


def test_starter_folders_without_a_checkpoint_say_what_is_missing(tmp_path: Path) -> None:
    (found,) = collect(tmp_path, write(tmp_path / "t", {"vae/vae.py": "", "gan/gan.py": ""}))
    assert found.failure is not None and found.failure.kind == "not-a-submission"
    assert "vae_generated_samples.pt" in found.failure.detail and ".safetensors" in found.failure.detail


def test_a_manifest_error_is_the_submissions_failure(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    write(hall / "bad", {"submission.toml": "[[entry]\n", "best.pt": b""})
    write(hall / "good", team())
    bad, good = collect(tmp_path, hall)
    assert bad.id == "bad" and bad.failure is not None and bad.failure.stage == "manifest"
    assert good.failure is None


def test_equal_ids_get_numbers_in_the_order_of_paths(tmp_path: Path) -> None:
    toml = '[submission]\nid = "Same"\n[[entry]]\ntask = "conditional-generation"\noutputs = "a.pt"\n'
    for name in ("c", "a", "b"):
        write(tmp_path / "class" / name, {"submission.toml": toml.replace("Same", "same" if name == "b" else "Same")})
    found = collect(tmp_path, tmp_path / "class")
    assert [(one.root.name, one.id) for one in found] == [("a", "Same"), ("b", "same-2"), ("c", "Same-3")]
    assert "was taken" in found[1].notes[-1]


def test_a_path_given_twice_counts_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", team())
    (tmp_path / "link").symlink_to(folder)
    assert len(collect(tmp_path, folder, folder / ".", tmp_path / "link")) == 1


def test_what_is_no_submission_says_what_is_expected(tmp_path: Path) -> None:
    write(tmp_path, {"best.pt": b"PK\x03\x04"})
    with pytest.raises(GradingError, match=r"submission\.toml.*gradebench inspect"):
        collect(tmp_path, tmp_path / "best.pt")
    with pytest.raises(GradingError, match="doesn't exist"):
        collect(tmp_path, tmp_path / "nothing")
    (found,) = collect(tmp_path, write(tmp_path / "src", {"main.py": "", "lib/a.py": ""}))
    assert found.failure is not None and "main.py" in found.failure.message


def test_a_file_that_is_named_but_missing_fails_when_it_is_opened(tmp_path: Path) -> None:
    (found,) = collect(tmp_path, write(tmp_path / "s", {"submission.toml": TOML.format("x")}))
    assert found.failure is None and found.digests == {}
    with pytest.raises(GradingError, match=r"best\.pt is not in the submission") as caught:
        intake.open_file(found, "best.pt")
    assert caught.value.failure.kind == "missing-file"


def test_the_digest_of_a_tree_changes_with_any_of_its_code(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", team() | {"lib/net.py": "a = 1"})
    (found,) = collect(tmp_path, folder)
    first = intake.tree_digest(found)
    assert first == intake.tree_digest(found)
    write(folder, {"lib/net.py": "a = 2"})
    second = intake.tree_digest(found)
    (folder / "lib" / "net.py").rename(folder / "lib" / "mesh.py")
    assert len({first, second, intake.tree_digest(found)}) == 3


def test_an_id_belongs_to_the_folder_of_that_name(tmp_path: Path) -> None:
    hall = tmp_path / "class"
    for folder, claimed in (("aaa", "bb"), ("bb", None), ("cc", "dd")):
        place = hall / folder
        place.mkdir(parents=True)
        identity = f'id = "{claimed}"\n' if claimed else ""
        (place / "submission.toml").write_text(
            f'[submission]\nname = "{folder}"\n{identity}\n[[entry]]\ntask = "conditional-generation"\n'
            'part = "cvae"\noutputs = "o.npz"\n',
            encoding="utf-8",
        )
    work = tmp_path / "work"
    work.mkdir()
    found = intake.collect([hall], work, tasks=["conditional-generation"], models={})
    assert [(s.id, s.name) for s in found] == [("aaa", "aaa"), ("bb", "bb"), ("dd", "cc")]
    assert any("belongs to another" in note for note in found[0].notes)
