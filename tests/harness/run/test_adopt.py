"""Tests of adopting repositories as students leave them, and of grading from the manifest that comes out, unedited."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.judge import Judge
from harness import intake
from harness.run.adopt import adopt
from harness.tasks.base import Context
from harness.types import Record, Status
from reference import architecture, shipped
from tests.data import embedded_digits
from tests.harness.run.grading import grade, run_of

CLUTTER = {
    "README.md": "# Homework\npython train.py --epochs 5\n",
    "notebooks/Untitled.ipynb": "{}",
    "data/MNIST/raw/train-images-idx3-ubyte": "\0",
    "requirements.txt": "torch\n",
    ".git/HEAD": "ref: refs/heads/main\n",
    "src/train.py": "import torch\n",
    "report.pdf": "%PDF-1.4\n",
}


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def repository(root: Path, checkpoints: dict[str, tuple[str, str]]) -> Path:
    """A repository of clutter and checkpoints: (shipped weights, model) by path."""
    for name, text in CLUTTER.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for name, (weights, model) in checkpoints.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        torch.save({architecture(model).checkpoint_key: shipped.state(weights), "epoch": 5}, root / name)
    np.save(root / "data" / "labels.npy", np.arange(10))
    return root


def graded(context: Context, root: Path, assignment: str, tmp_path: Path) -> tuple[dict[str, Record], str]:
    """Grade from the adopted manifest: the records by part, and the manifest."""
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    run = run_of(context, tmp_path / "results", assignment)
    text = "\n".join(adopt(root, run).lines)
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    (tmp_path / "work").mkdir()
    found = intake.with_manifest(
        root, tmp_path / "m.toml", tmp_path / "work", tasks=run.coursework.tasks, models=run.coursework.models
    )
    records = {record.part: record for record in grade([found], run)}
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    return records, text


def test_a_repository_of_recurrent_models_is_graded_without_an_edit(context: Context, tmp_path: Path) -> None:
    root = repository(
        tmp_path / "ucl hw 4 (final)",
        {
            "models/lstm32/epoch_0.pt": ("pixel-lstm-0", "pixel-lstm"),
            "models/lstm32/epoch_1.pt": ("pixel-lstm-1", "pixel-lstm"),
            "models/lstm32/epoch_5.pt": ("pixel-lstm-5", "pixel-lstm"),
            "models/part2/m1.pt": ("dirichlet-lstm-m1", "dirichlet-lstm-m1"),
            "models/part2/m3.pt": ("dirichlet-lstm-m3", "dirichlet-lstm-m3"),
        },
    )
    records, text = graded(context, root, "ucl-hw4", tmp_path)
    files = {entry["part"]: entry["checkpoint"] for entry in tomllib.loads(text)["entry"]}
    assert files["pixel-prediction"] == "models/lstm32/epoch_5.pt"
    assert files["pixel-prediction-0"] == "models/lstm32/epoch_0.pt"
    assert files["completion-1"] == "models/lstm32/epoch_1.pt"
    assert files["symbols-m1"] == "models/part2/m1.pt"
    assert files["symbols-m3"] == "models/part2/m3.pt"
    assert records["symbols-m1"].score.passed
    assert records["symbols-m3"].score.passed
    assert records["pixel-prediction"].status is Status.SCORED, records["pixel-prediction"].failure


def test_a_repository_in_the_starters_layout_two_folders_down(context: Context, tmp_path: Path) -> None:
    root = repository(
        tmp_path / "deep-learning",
        {"hw3/code/vae/checkpoints/vae_best.pth": ("cvae", "cvae"), "hw3/code/gan/ckpt.pt": ("cgan", "cgan")},
    )
    records, text = graded(context, root, "tsinghua-hw3", tmp_path)
    assert 'checkpoint = "hw3/code/vae/checkpoints/vae_best.pth"' in text
    # On scikit-learn's digits the sheet's diversity gate is met, too.
    assert {part: record.status for part, record in records.items()} == {"cvae": Status.SCORED, "cgan": Status.SCORED}
    assert records["cvae"].score.points == 25
    assert "no file fits" in text
    assert '# part = "ebm"' in text


def test_a_repository_of_inpainting_models(context: Context, tmp_path: Path) -> None:
    root = repository(tmp_path / "ml2", {"out/pca10.pt": ("pca", "pca"), "out/ebl_gen_last.pt": ("ebl", "ebl")})
    records, text = graded(context, root, "tu-berlin-sheet10", tmp_path)
    assert 'checkpoint = "out/ebl_gen_last.pt"' in text
    assert {record.status for record in records.values()} == {Status.SCORED}, text


def test_a_repository_without_a_model_gets_lines_to_fill_in(context: Context, tmp_path: Path) -> None:
    root = repository(tmp_path / "empty", {})
    found = adopt(root, run_of(context, tmp_path / "results", "tu-berlin-sheet10"))
    assert found.found == 0
    assert tomllib.loads("\n".join(found.lines)) == {"submission": {"name": "empty"}}
    assert '# code = "notebooks/Untitled.ipynb:load"' in found.lines


def test_names_cannot_break_out_of_their_quotes(context: Context, tmp_path: Path) -> None:
    root = repository(tmp_path / 'a"b c', {'out/x"y pca.pt': ("pca", "pca")})
    found = adopt(root, run_of(context, tmp_path / "results", "tu-berlin-sheet10"))
    read = tomllib.loads("\n".join(found.lines))
    assert read["submission"]["name"] == 'a"b c'
    assert read["entry"][0]["checkpoint"] == 'out/x"y pca.pt'


def test_a_part_that_was_not_handed_in_shows_lines_with_the_likeliest_file(context: Context, tmp_path: Path) -> None:
    from harness.run import run as grading
    from tests.harness.run.grading import collect

    place = repository(
        tmp_path / "class" / "ada", {"a/vae_best.pt": ("cvae", "cvae"), "a/gan_best.pt": ("cgan", "cgan")}
    )
    (place / "submission.toml").write_text(
        '[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "a/vae_best.pt"\n', encoding="utf-8"
    )
    broken = repository(tmp_path / "class" / "bob", {"out/cgan_final.pt": ("cgan", "cgan")})
    (broken / "submission.toml").write_text("[[entry]\n", encoding="utf-8")
    run = run_of(context, tmp_path / "results")
    found = grading.grade(collect(tmp_path / "class", tmp_path / "work"), run)
    records = {(record.submission, record.part): record for record in found}
    gan = records["ada", "cgan"]
    assert gan.status is Status.NOT_HANDED_IN
    assert tomllib.loads(gan.failure.detail)["entry"][0] == {
        "task": "conditional-generation",
        "part": "cgan",
        "model": "cgan",
        "checkpoint": "a/gan_best.pt",
    }
    lines = records["bob", "cgan"].failure.detail.partition("To hand in this part:")[2]
    assert tomllib.loads(lines)["entry"][0]["checkpoint"] == "out/cgan_final.pt"
