"""The run as a whole: real sandbox, real judge, real weights."""

import dataclasses
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from classifiers.judge import Judge
from harness import intake, records, summary
from harness.assignments import coursework
from harness.secret import Secret
from harness.tasks.base import Context
from harness.types import Role, Status
from reference import architecture
from submissions import examples
from tests.data import embedded_digits
from tests.harness.run.grading import collect, grade, run_of

KILLED = """
import os, signal

from harness import records
from harness.cli import main

save, saved = records.save, []


def save_and_die(*arguments):
    record = save(*arguments)
    saved.append(arguments)
    if len(saved) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return record


records.save = save_and_die
main()
"""
"""The command line, killed as soon as it has kept three records."""
SHEET = coursework.find("tsinghua-hw3").assignment
OPTIONS = 'options = { concat_activation = "relu", z_log = "std" }'


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), Judge.shipped(), seed=0)


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "class"
    examples.build(folder)
    return folder


def hand_in(place, entry):
    place.mkdir(parents=True, exist_ok=True)
    (place / "submission.toml").write_text(
        f'[submission]\nname = "T"\n\n[[entry]]\ntask = "conditional-generation"\n{entry}\n', encoding="utf-8"
    )


@pytest.fixture(scope="module")
def graded(context, classroom, tmp_path_factory):
    base = tmp_path_factory.mktemp("graded")
    run = run_of(context, base / "results", jobs=1)
    return {(r.submission, r.part): r for r in grade(collect(classroom, base / "work"), run)}


def test_every_example_gets_the_verdict_that_it_was_made_for(graded):
    accuracy = {key: r.metrics["accuracy"].value for key, r in graded.items() if r.status is Status.SCORED}
    assert accuracy["strong", "cvae"] >= 0.995
    assert accuracy["strong", "cgan"] >= 0.995
    assert graded["strong", "cgan"].gates["diversity"].holds
    assert graded["strong", "cvae"].score.passed
    assert 0.5 < accuracy["mediocre", "cvae"] < 0.98
    assert not graded["mediocre", "cvae"].score.passed
    assert accuracy["collapsed", "cvae"] > 0.995
    flags = {key: {e.name for e in r.evidence if e.flag} for key, r in graded.items()}
    assert flags["collapsed", "cvae"] == {"mode-collapse"}
    assert flags["strong", "cvae"] == flags["strong", "cgan"] == set()


@pytest.mark.parametrize(
    ("identity", "kinds", "said"),
    [
        ("corrupt", {"truncated", "malformed"}, "cvae.pt"),
        ("incomplete", {"mismatch"}, "decoder.4"),
        ("hostile", {"runs-code"}, "cvae.pt: names posix.system, which would run programs"),
    ],
)
def test_what_is_broken_fails_with_a_reason_to_act_on(graded, identity, kinds, said):
    record = graded[identity, "cvae"]
    assert record.status is Status.FAILED
    assert record.failure.kind in kinds
    assert said in record.failure.message + record.failure.detail
    assert record.score is None
    assert record.metrics == {}


def test_code_and_answers_score_as_the_weights_do(context, graded, tmp_path):
    # The same weights, handed in as such.
    for name, strength, purpose in (("code", 0.35, "own code"), ("answers", 0.3, "answers only")):
        place = tmp_path / "class" / name
        _, options = examples.weights("cvae")
        hand_in(place, f'model = "cvae"\ncheckpoint = "c.pt"\noptions = {{ {_written(options)} }}')
        torch.save(examples.another(strength, purpose), place / "c.pt")
    found = grade(collect(tmp_path / "class", tmp_path / "work"), run_of(context, tmp_path / "results"))
    accuracy = {record.submission: record.metrics["accuracy"] for record in found}
    assert graded["own-code", "cvae"].metrics["accuracy"].value == accuracy["code"].value
    drawn = graded["answers-only", "cvae"].metrics["accuracy"]
    assert drawn.low < accuracy["answers"].value < drawn.high


def _written(options):
    return ", ".join(f'{key} = "{value}"' for key, value in options.items())


def test_no_honest_example_is_flagged_and_a_copy_is_held_with_its_original(graded):
    flags = {key: {e.name for e in (*r.evidence, *r.compared) if e.flag} for key, r in graded.items()}
    assert {key[0]: flagged for key, flagged in flags.items() if flagged} == {
        "collapsed": {"mode-collapse"},
        "copy": {"copied-weights"},
        "copied-from": {"copied-weights"},
    }
    (evidence,) = graded["copy", "cvae"].compared
    assert evidence.others == (("student", "copied-from", "cvae"),)
    for name in ("copy", "copied-from"):
        assert graded[name, "cvae"].metrics["accuracy"].value >= 0.99
        assert graded[name, "cvae"].score.held


def test_jobs_do_not_change_a_record(context, classroom, graded, tmp_path):
    run = run_of(context, tmp_path / "results", jobs=2)
    again = grade(collect(classroom, tmp_path / "work"), run)
    assert len(again) == len(graded)
    for record in again:
        assert records.repeatable(record) == records.repeatable(graded[record.submission, record.part])


def test_the_same_weights_in_any_container_score_the_same(context, tmp_path):
    state, options = examples.weights("cvae")
    module = architecture("cvae").build(options)
    module.load_state_dict(state)
    files = {
        "bare.pt": lambda path: torch.save(state, path),
        "nested.pt": lambda path: torch.save({"model": state, "epoch": 3}, path),
        "module.npy": lambda path: torch.save(module, path),
        "legacy.pth": lambda path: torch.save(state, path, _use_new_zipfile_serialization=False),
        "parallel.pt": lambda path: torch.save({"module." + name: value for name, value in state.items()}, path),
        "tensors.safetensors": lambda path: save_file(state, path),
        "arrays.npz": lambda path: np.savez(path, **{name: value.numpy() for name, value in state.items()}),
    }
    for name, write in files.items():
        place = tmp_path / "class" / name.replace(".", "-")
        hand_in(place, f'model = "cvae"\ncheckpoint = "{name}"\n{OPTIONS}')
        write(place / name)
    found = grade(collect(tmp_path / "class", tmp_path / "work"), run_of(context, tmp_path / "results"))
    assert {r.status for r in found} == {Status.SCORED}, [r.failure for r in found]
    assert len(found) == len(files)
    assert len({r.metrics["accuracy"].value for r in found}) == 1
    assert all(_drawn(r) == _drawn(found[0]) for r in found)


def _drawn(record):
    return [figure.data for figure in record.figures]


def test_the_option_that_no_state_dict_tells_changes_the_score(context, tmp_path):
    for option in ("relu", "none"):
        place = tmp_path / "class" / option
        hand_in(place, f'model = "cvae"\ncheckpoint = "c.pt"\noptions = {{ concat_activation = "{option}" }}')
        torch.save(examples.weights("cvae")[0], place / "c.pt")
    found = grade(collect(tmp_path / "class", tmp_path / "work"), run_of(context, tmp_path / "results"))
    accuracy = {r.submission: r.metrics["accuracy"].value for r in found}
    assert accuracy["relu"] > accuracy["none"] + 0.01


def test_what_is_graded_already_is_taken_over_until_its_inputs_change(context, tmp_path):
    place = tmp_path / "class" / "one"
    hand_in(place, f'model = "cvae"\ncheckpoint = "c.pt"\n{OPTIONS}')
    torch.save(examples.weights("cvae")[0], place / "c.pt")
    seen = []

    def go(**changes):
        seen.clear()
        run = dataclasses.replace(run_of(context, tmp_path / "results"), **changes)
        grade(collect(tmp_path / "class", tmp_path / "work"), run, lambda record, known: seen.append(known))
        return seen[0]

    assert go() is False
    assert go() is True
    assert go(fresh=True) is False
    assert go(context=dataclasses.replace(context, seed=9)) is False
    state = examples.weights("cvae")[0]
    state["decoder.4.bias"] += 0.01
    torch.save(state, place / "c.pt")
    assert go() is False


def test_a_killed_run_goes_on_and_gives_the_same_records(context, classroom, tmp_path):
    results = tmp_path / "results"
    command = [sys.executable, "-c", KILLED, "grade", str(classroom), "--results", str(results), "--jobs", "1"]
    environment = {key: value for key, value in os.environ.items() if key != "GRADEBENCH_DATA"}
    environment["XDG_CACHE_HOME"] = str(tmp_path)  # so that both runs take the embedded digits
    assert subprocess.run(command, stderr=subprocess.DEVNULL, env=environment).returncode == -signal.SIGKILL
    before = {(path.parent.name, path.stem) for path in results.glob("*/*.json")}
    assert len(before) == 3
    known = []
    secret = Secret.kept(results)  # of the run that was killed
    context = dataclasses.replace(context, secret=secret)
    run = run_of(context, results)

    def note(record, old):
        if old:
            known.append((record.submission, record.part))

    again = grade(collect(classroom, tmp_path / "work"), run, note)
    assert set(known) == before
    uninterrupted = grade(collect(classroom, tmp_path / "other work"), run_of(context, tmp_path / "other results"))
    assert len(again) == len(uninterrupted) > 3
    assert [records.repeatable(one) for one in again] == [records.repeatable(one) for one in uninterrupted]


def test_a_fault_of_the_harness_is_not_the_submissions(context, classroom, tmp_path):
    class Breaks:
        digest = "1" * 64

        def decide(self, images):
            raise RuntimeError("the judge fell ill")

        first = decide

    run = run_of(dataclasses.replace(context, judge=Breaks()), tmp_path / "results", only=frozenset({"strong"}))
    found = grade(collect(classroom, tmp_path / "work"), run)
    assert {r.status for r in found} == {Status.NOT_GRADABLE}
    assert "fell ill" in found[0].failure.message
    assert summary.exit_code(found) == 3
    assert summary.points(found) is None


def test_a_submission_that_brings_nothing_fails_every_part(context, tmp_path):
    (tmp_path / "class" / "empty").mkdir(parents=True)
    (tmp_path / "class" / "empty" / "readme.txt").write_text("see attachment", encoding="utf-8")
    hand_in(tmp_path / "class" / "other", f'model = "cvae"\ncheckpoint = "absent.pt"\n{OPTIONS}')
    found = grade(collect(tmp_path / "class", tmp_path / "work"), run_of(context, tmp_path / "results"))
    missing = [("empty", part) for part in ("cgan", "cvae", "ebm", "flow")]
    assert [(r.submission, r.part) for r in found] == [*missing, ("other", "cvae")]
    assert {r.status for r in found} == {Status.FAILED}
    assert "absent.pt" in found[-1].failure.message
    assert summary.exit_code(found) == 1


def grade_one(context, tmp_path, entries, files, **changes):
    """Grade one submission of these manifest entries and files; its records by part."""
    place = tmp_path / "class" / "one"
    place.mkdir(parents=True, exist_ok=True)
    head = '[submission]\nname = "T"\n\n'
    body = "\n".join(f'[[entry]]\ntask = "conditional-generation"\n{entry}\n' for entry in entries)
    (place / "submission.toml").write_text(head + body, encoding="utf-8")
    for name, write in files.items():
        write(place / name)
    run = run_of(context, tmp_path / "results", **changes)
    return {r.part: r for r in grade(collect(tmp_path / "class", tmp_path / "work"), run)}


def cvae_file(path):
    torch.save(examples.weights("cvae")[0], path)


CVAE = f'model = "cvae"\ncheckpoint = "c.pt"\n{OPTIONS}'


def test_one_model_answers_no_part_that_asks_for_another(context, tmp_path):
    found = grade_one(context, tmp_path, [f'part = "cgan"\n{CVAE}'], {"c.pt": cvae_file})
    assert found["cgan"].failure.kind == "model"
    assert "cgan" in found["cgan"].failure.message


def test_two_entries_for_one_part_earn_nothing_twice(context, tmp_path):
    only_cvae = SHEET.model_copy(update={"part": [SHEET.part[0]]})
    entries = [f'part = "a"\n{CVAE}', f'part = "b"\n{CVAE}']
    found = grade_one(context, tmp_path, entries, {"c.pt": cvae_file}, assignment=only_cvae)
    assert [r.failure.kind for r in found.values()] == ["equal-parts"]


def test_an_entry_that_answers_no_part_does_not_go_unsaid(context, tmp_path):
    found = grade_one(context, tmp_path, [f'part = "cave"\n{CVAE}'], {"c.pt": cvae_file})
    assert {r.failure.kind for r in found.values()} == {"unknown-part"}
    assert "'cave'" in found["cvae"].failure.message
    assert "cvae, cgan" in found["cvae"].failure.message
    both = grade_one(context, tmp_path, [CVAE, f'part = "cave"\n{CVAE}'], {})
    assert set(both) == {"cvae"}
    assert any("'cave'" in note for note in both["cvae"].notes)


def test_what_is_no_longer_handed_in_is_forgotten(context, tmp_path):
    def cgan_file(path):
        torch.save({"g": examples.weights("cgan")[0]}, path)

    both = [CVAE, 'model = "cgan"\ncheckpoint = "g.pt"']
    found = grade_one(context, tmp_path, both, {"c.pt": cvae_file, "g.pt": cgan_file})
    assert set(found) == {"cvae", "cgan"}
    assert (tmp_path / "results" / "one" / "cgan.samples.png").exists()
    grade_one(context, tmp_path, [CVAE], {})
    left = sorted(path.name for path in (tmp_path / "results" / "one").iterdir())
    assert left == ["cgan.json", "cvae.arrays.npz", "cvae.json", "cvae.samples.png", "ebm.json", "flow.json"]


@pytest.mark.parametrize("label", [-1, 10, 1 << 20, 1 << 60])
def test_a_label_that_is_no_digit_is_refused(context, tmp_path, label):
    def write(path):
        labels = np.arange(10_000, dtype=np.int64) % 10
        labels[77] = label
        np.savez(path, imgs=np.zeros((10_000, 1, 28, 28), np.float32), labels=labels)

    found = grade_one(context, tmp_path, ['part = "cgan"\noutputs = "s.npz"'], {"s.npz": write})
    failure = found["cgan"].failure
    assert (failure.kind, failure.fault) == ("out-of-range", "submission")
    assert str(label) in failure.message
    assert len(failure.message) < 300


def test_a_name_that_no_encoding_holds_breaks_no_record(context, tmp_path):
    place = tmp_path / "class" / "one" / os.fsdecode(b"gan")
    place.mkdir(parents=True)
    (place / os.fsdecode(b"\xff_best.pt")).write_bytes(b"PK nothing")
    run = run_of(context, tmp_path / "results")
    found = grade(collect(tmp_path / "class", tmp_path / "work"), run)
    assert [(r.part, r.status) for r in found] == [("cgan", Status.FAILED)]
    kept = records.load(records.path_of(tmp_path / "results", Role.STUDENT, "one", "cgan"))
    assert kept.failure.kind == found[0].failure.kind


def test_an_entry_whose_file_cannot_be_read_stops_no_other(context, classroom, tmp_path, monkeypatch):
    real = intake.open_file

    def failing(submission, relative, limit):
        if submission.id == "strong":
            raise OSError(5, "Input/output error")
        return real(submission, relative, limit)

    monkeypatch.setattr(intake, "open_file", failing)
    run = run_of(context, tmp_path / "results", only=frozenset({"strong", "corrupt"}))
    found = grade(collect(classroom, tmp_path / "work"), run)
    statuses = {(r.submission, r.part): r.status for r in found}
    assert statuses["strong", "cvae"] is Status.NOT_GRADABLE
    assert statuses["corrupt", "cvae"] is Status.FAILED


def test_a_flag_can_be_a_gate(context, classroom, tmp_path):
    plain = SHEET
    gated = plain.part[0].model_copy(update={"gates": ["mode-collapse"]})
    assignment = plain.model_copy(update={"part": [gated, plain.part[1]]})
    run = run_of(context, tmp_path / "results", only=frozenset({"collapsed", "strong"}), assignment=assignment)
    found = {(r.submission, r.part): r for r in grade(collect(classroom, tmp_path / "work"), run)}
    assert found["collapsed", "cvae"].score.points == 0
    assert found["strong", "cvae"].score.points == 25


def test_an_earlier_state_of_a_model_is_recorded_and_never_demanded(context, tmp_path):
    cvae = SHEET.part[0].model_copy(update={"epochs": 5})
    earlier = cvae.model_copy(update={"id": "cvae-1", "earlier_of": "cvae", "epochs": 1, "points": 0.0, "gates": []})
    small = SHEET.model_copy(update={"part": [cvae, earlier]})
    found = grade_one(context, tmp_path, [CVAE], {"c.pt": cvae_file}, assignment=small)
    assert set(found) == {"cvae"}
    assert (found["cvae"].epochs, found["cvae"].earlier_of) == (5, "")
    both = [CVAE, f'part = "cvae-1"\n{CVAE}']
    found = grade_one(context, tmp_path, both, {}, assignment=small, beside="all", fresh=True)
    assert (found["cvae-1"].epochs, found["cvae-1"].earlier_of) == (1, "cvae")
    assert found["cvae-1"].metrics == found["cvae"].metrics
    assert summary.points(list(found.values())) == cvae.points
    # No baseline or reference model stands beside it.
    beside = [r for r in records.load_all(tmp_path / "results").records if r.role is not Role.STUDENT]
    assert {r.part for r in beside} == {"cvae"}
    assert {r.epochs for r in beside} == {None}
    (tmp_path / "empty" / "nothing").mkdir(parents=True)
    failed = grade(collect(tmp_path / "empty", tmp_path / "work2"), run_of(context, tmp_path / "r2", assignment=small))
    assert [r.part for r in failed] == ["cvae"]
