"""Tests of recognising Tsinghua's starter layout by the names of its files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness import intake
from harness.types import Entry, Kind
from tests.harness.intake.handed_in import collect, write


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
        Entry(task, Kind.WEIGHTS, "cvae", "cvae", "vae/runs/50.pt", "starter:vae"),
        Entry(task, Kind.WEIGHTS, "cgan", "cgan", "gan/models/best_g.pth"),
    )
    assert found.digests["gan/models/best_g.pth"] == hashlib.sha256(b"g").hexdigest()
    notes = "\n".join(found.notes)
    assert "vae/runs/50.pt was taken" in notes and "Not taken: vae/runs/9.pt, vae/vae_generated_samples.pt" in notes
    assert "no task for it yet" in notes and "training.pt" not in notes


def test_parts_of_the_starter_are_graded_if_their_task_exists(tmp_path: Path) -> None:
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
    lines = 'part = "ebm", code = "starter:ebm" and checkpoint = "ebm/models/ebm_checkpoint_9.pth"'
    assert f'task = "row-inpainting", {lines}' in "\n".join(found.notes)
    assert "The code in flow/ is asked with it" in "\n".join(found.notes)


def test_starter_code_without_a_checkpoint_is_noted(tmp_path: Path) -> None:
    folder = write(tmp_path / "team", {"ebm/ebm.py": "", "vae_generated_samples.pt": b"v"})
    workdir = tmp_path / "w"
    workdir.mkdir()
    (found,) = intake.collect(
        [folder], workdir, tasks=("row-inpainting", "conditional-generation"), models={"cvae": {}}
    )
    assert [one.part for one in found.entries] == ["cvae"]
    assert "ebm: ebm/ holds no checkpoint" in "\n".join(found.notes)


def test_a_manifest_may_name_a_code_of_a_starter(tmp_path: Path) -> None:
    toml = '[[entry]]\ntask = "row-inpainting"\npart = "ebm"\ncode = "starter:{}"\ncheckpoint = "ebm/runs/b.pth"\n'
    for name in ("ebm", "dit"):
        write(tmp_path / "class" / f"of-{name}", {"submission.toml": toml.format(name), "ebm/runs/b.pth": b"b"})
    workdir = tmp_path / "w"
    workdir.mkdir()
    dit, ebm = intake.collect([tmp_path / "class"], workdir, tasks=("row-inpainting",), models={})
    assert ebm.entries == (Entry("row-inpainting", Kind.CODE, "ebm", None, "ebm/runs/b.pth", "starter:ebm"),)
    assert dit.failure is not None and dit.failure.kind == "bad-code"


def test_answers_only_without_a_manifest(tmp_path: Path) -> None:
    (found,) = collect(
        tmp_path, write(tmp_path / "t", {"vae_generated_samples.pt": b"v", "gan/gan_generated_samples.pt": b"g"})
    )
    assert [(one.kind, one.part, one.model, one.file) for one in found.entries] == [
        (Kind.OUTPUTS, "cvae", None, "vae_generated_samples.pt"),
        (Kind.OUTPUTS, "cgan", None, "gan/gan_generated_samples.pt"),
    ]


def test_a_submission_without_any_checkpoint_fails_with_the_missing_files(tmp_path: Path) -> None:
    (found,) = collect(tmp_path, write(tmp_path / "t", {"vae/vae.py": "", "gan/gan.py": ""}))
    assert found.failure is not None and found.failure.kind == "not-a-submission"
    assert "vae_generated_samples.pt" in found.failure.detail and ".safetensors" in found.failure.detail
