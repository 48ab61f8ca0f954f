"""The compare stage on a small class: who copied whom, what changes with the class, and what is no copy."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from classifiers.judge import Judge
from harness import records
from harness.assignments import coursework
from harness.run import run as grading
from harness.run.remark import remark
from harness.run.settings import Run
from harness.tasks.base import Context
from harness.tasks.codes.components import components
from harness.types import Record, Role
from reference.weights_files import WEIGHTS
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of

SHEET = coursework.find("ucl-hw4").assignment
STREAMS = SHEET.model_copy(update={"part": [p for p in SHEET.part if p.id == "symbols-m1"]})
MODEL = "dirichlet-lstm-m1"


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def weights(noise: float, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = {name: value.float() for name, value in load_file(WEIGHTS / f"{MODEL}.safetensors").items()}
    return {n: v + noise * v.std() * torch.randn(v.shape, generator=generator) for n, v in state.items() if v.ndim} | {
        n: v for n, v in state.items() if not v.ndim
    }


def hand_in(folder: Path, identity: str, content: bytes) -> None:
    place = folder / identity
    place.mkdir(parents=True)
    (place / "m1.safetensors").write_bytes(content)
    (place / "submission.toml").write_text(
        f'[submission]\nname = "Team {identity}"\n\n[[entry]]\ntask = "symbol-prediction"\npart = "symbols-m1"\n'
        f'model = "{MODEL}"\ncheckpoint = "m1.safetensors"\n',
        encoding="utf-8",
    )


def noisy(folder: Path, noise: float, seed: int) -> bytes:
    file = folder / f"{seed}.safetensors"
    save_file(weights(noise, seed), file)
    return file.read_bytes()


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    folder = tmp_path / "class"
    # Two independent ones: the reference far from itself, in two directions.
    hand_in(folder, "ada", noisy(tmp_path, 0.5, 1))
    hand_in(folder, "bob", noisy(tmp_path, 0.5, 2))
    return folder


def grade(run: Run, handed_in: Path) -> dict[str, Record]:
    work = run.results.parent / "work"
    shutil.rmtree(work, ignore_errors=True)
    return {r.submission: r for r in grading.grade(collect(handed_in, work, run.coursework), run)}


def others(record: Record) -> list[tuple[str, str, str]]:
    return [other for evidence in record.compared for other in evidence.others]


def test_an_equal_file_is_found_when_it_comes_and_forgotten_when_it_goes(
    context: Context, handed_in: Path, tmp_path: Path
) -> None:
    run = run_of(context, tmp_path / "results", STREAMS)
    assert {r.compared for r in grade(run, handed_in).values()} == {()}
    hand_in(handed_in, "eve", (handed_in / "bob" / "m1.safetensors").read_bytes())
    found = grade(run, handed_in)
    assert others(found["eve"]) == [("student", "bob", "symbols-m1")]
    assert others(found["bob"]) == [("student", "eve", "symbols-m1")]
    assert found["ada"].compared == ()
    evidence = found["bob"].compared[0]
    assert (evidence.name, evidence.flag, evidence.value) == ("copied-weights", True, 0.0)
    assert "The same file was handed in by Team eve (eve)." in evidence.message
    # What is on disk says the same, and a second run changes nothing.
    kept = {r.submission: r for r in records.load_all(run.results).records}
    assert kept == found == grade(run, handed_in)
    # Eve hands in another one: Bob's record is written anew, though only Eve is graded.
    shutil.rmtree(handed_in / "eve")
    hand_in(handed_in, "eve", noisy(tmp_path, 0.5, 3))
    only = dataclasses.replace(run, only=frozenset({"eve"}))
    assert list(grade(only, handed_in)) == ["eve"]
    assert {r.compared for r in records.load_all(run.results).records} == {()}


def test_a_pair_in_a_run_of_another_seed_or_on_other_data_changes_no_marks(handed_in: Path, tmp_path: Path) -> None:
    digits, judge = embedded_digits(), Judge.shipped()
    run = run_of(Context(digits, judge, seed=0), tmp_path / "results", STREAMS)
    before = grade(run, handed_in)["bob"]
    assert before.answers
    for seed, data in ((1, digits), (0, dataclasses.replace(digits, name="mnist", digest="f" * 64))):
        copied = tmp_path / f"class-{seed}"
        hand_in(copied, f"eve{seed}", (handed_in / "bob" / "m1.safetensors").read_bytes())
        now = dataclasses.replace(run, context=Context(data, judge, seed=seed))
        assert ("student", "bob", "symbols-m1") in others(grade(now, copied)[f"eve{seed}"])
        after = next(one for one in records.load_all(run.results).records if one.submission == "bob")
        # It is told of the pair where the run could grade it, and marked by its own seed's truth.
        assert others(after) == [("student", "eve1", "symbols-m1")]
        assert (after.seed, after.data, after.metrics) == (before.seed, before.data, before.metrics)


def test_marking_again_compares_again(context: Context, handed_in: Path, tmp_path: Path) -> None:
    run = run_of(context, tmp_path / "results", STREAMS)
    hand_in(handed_in, "eve", (handed_in / "bob" / "m1.safetensors").read_bytes())
    found = grade(run, handed_in)
    # As an older gradebench, which compared in no way or in another, would have left them.
    for record in found.values():
        records.save(run.results, dataclasses.replace(record, compared=(), keys={**record.keys, "mark": "older"}))
    done = remark(records.load_all(run.results).records, run)
    assert {r.submission: others(r) for r in done.records} == {r.submission: others(r) for r in found.values()}
    assert done.changed == 3
    assert {r.submission: r.compared for r in records.load_all(run.results).records} == {
        r.submission: r.compared for r in found.values()
    }
    assert remark(done.records, run).changed == 0


def test_a_copy_under_noise_is_found_by_its_answers_and_named_as_the_reference(
    context: Context, handed_in: Path, tmp_path: Path
) -> None:
    run = run_of(context, tmp_path / "results", STREAMS, beside="all")
    hand_in(handed_in, "eve", noisy(tmp_path, 0.0002, 4))
    grade(run, handed_in)
    found = {r.submission: r for r in records.load_all(run.results).records if r.role is Role.STUDENT}
    assert others(found["eve"]) == [("reference", MODEL, "symbols-m1")]
    evidence = found["eve"].compared[0]
    assert f"those of the shipped reference {MODEL}" in evidence.message
    assert 0 < evidence.value < evidence.low
    assert found["ada"].compared == found["bob"].compared == ()
    # Reference models and baselines themselves are accused of nothing.
    assert {r.compared for r in records.load_all(run.results).records if r.role is not Role.STUDENT} == {()}


def test_the_same_principal_components_are_no_copy(context: Context, tmp_path: Path) -> None:
    sheet = coursework.find("tu-berlin-sheet10").assignment
    part = [p for p in sheet.part if p.id == "pca"]
    run = run_of(context, tmp_path / "results", sheet.model_copy(update={"part": part}))
    for identity in ("ada", "bob"):
        place = tmp_path / "class" / identity
        place.mkdir(parents=True)
        shutil.copy(WEIGHTS / "pca.safetensors", place / "pca.safetensors")
        (place / "submission.toml").write_text(
            '[[entry]]\ntask = "patch-inpainting"\nmodel = "pca"\npart = "pca"\ncheckpoint = "pca.safetensors"\n',
            encoding="utf-8",
        )
    found = grade(run, tmp_path / "class")
    assert [r.primary for r in found.values()] == ["masked_mse"] * 2
    assert {r.compared for r in found.values()} == {()}


def test_linear_autoencoders_are_copies_by_their_files_and_not_by_their_answers(
    context: Context, tmp_path: Path
) -> None:
    sheet = coursework.find("ist-hw5").assignment
    part = [p for p in sheet.part if p.id == "linear-2"]
    run = run_of(context, tmp_path / "results", sheet.model_copy(update={"part": part}))
    # As trainings leave it that have nearly come to the optimum; of another seed, in another basis.
    mean, rows = (torch.from_numpy(each).float() for each in components(context, 2))
    rows = rows + 0.01 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    for identity, factor in (("ada", 2.0), ("bob", 2.0), ("eve", 4.0)):
        turned = {"encoder.weight": factor * rows, "encoder.bias": -factor * rows @ mean}
        turned |= {"decoder.weight": (rows / factor).T.contiguous(), "decoder.bias": mean.clone()}
        place = tmp_path / "class" / identity
        place.mkdir(parents=True)
        save_file(turned, place / "linear.safetensors")
        (place / "submission.toml").write_text(
            '[[entry]]\ntask = "reconstruction"\nmodel = "linear-autoencoder"\npart = "linear-2"\n'
            'checkpoint = "linear.safetensors"\noptions = { code = "2" }\n',
            encoding="utf-8",
        )
    found = grade(run, tmp_path / "class")
    assert [r.primary for r in found.values()] == ["mse_k2"] * 3
    assert others(found["ada"]) == [("student", "bob", "linear-2")]
    assert found["eve"].compared == ()


def test_team_mates_may_hand_in_the_same_file(context: Context, handed_in: Path, tmp_path: Path) -> None:
    hand_in(handed_in, "eve", (handed_in / "bob" / "m1.safetensors").read_bytes())
    run = run_of(context, tmp_path / "results", STREAMS)
    (run.results / "teams.csv").write_text("id,team\nbob,T\neve,T\n", encoding="utf-8")
    assert all(not others(record) for record in grade(run, handed_in).values())
    # In other teams, they may not.
    (run.results / "teams.csv").write_text("id,team\nbob,T\neve,U\n", encoding="utf-8")
    found = grade(run, handed_in)
    assert others(found["bob"]) == [("student", "eve", "symbols-m1")]
