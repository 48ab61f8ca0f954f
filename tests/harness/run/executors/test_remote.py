"""What travels to a host and back, with the host's side in this process."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from classifiers.judge import Judge
from classifiers.weights_file import SHIPPED
from harness import records
from harness.assignments import coursework
from harness.mnist import Split
from harness.run import executors
from harness.run.executors import kit
from harness.run.executors.gate import Company
from harness.run.executors.host import Host
from harness.run.executors.interface import ExecutorError
from harness.run.executors.parcels import unpack
from harness.run.executors.remote import Carrier, Elsewhere, HostLostError
from harness.run.executors.threads import in_threads
from harness.run.questions import Questions
from harness.run.settings import Run
from harness.sandbox.outside import Isolation, probe
from harness.tasks.base import Context
from harness.types import Status
from tests.data import embedded_digits
from tests.harness.run.executors.small_class import OWN, graded, hand_in_code, repeatable, write_class
from tests.harness.run.grading import collect, grade
from tests.harness.run.grading import run_of as run_of_sheet
from tests.harness.starters.tsinghua import generator_repository


class Direct(Carrier):
    """Carries parcels to a host of this process, or loses them."""

    def __init__(self, host: Host, lost: int = 0) -> None:
        self.host, self.lost = host, lost
        self.parcels: list[bytes] = []

    def carried(self, parcel: bytes) -> bytes:
        self.parcels.append(parcel)
        if self.lost:
            self.lost -= 1
            raise HostLostError("It is gone.")
        return self.host.reply(parcel)

    def close(self) -> None:
        self.host.close()


class Beside(executors.interface.Executor):
    """An executor of one host, in this process."""

    lost = 0

    def __init__(self, run, questions, warm=()):
        self.isolation = run.isolation
        self.carrier = Direct(Host(kit.packed(run)), self.lost)
        self.examiner = Elsewhere(run, questions, self.carrier, Company())
        Beside.last = self

    @staticmethod
    def problem(run):
        return ""

    def each(self, work, plans):
        return in_threads(work, plans, 1, lambda: self.examiner)

    def close(self):
        self.carrier.close()


@pytest.fixture
def beside(monkeypatch):
    """The name of the executor above, registered by one line."""
    monkeypatch.setitem(executors.EXECUTORS, "beside", (f"{__name__}:Beside", "a host beside"))
    monkeypatch.setattr(executors, "imported", lambda reference: Beside)
    monkeypatch.setattr(Beside, "lost", 0)
    return "beside"


def test_only_listed_files_of_a_submission_travel(tmp_path, beside):
    place = tmp_path / "class" / "code"
    hand_in_code(place)
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "beside.pyc").write_bytes(b"compiled")
    (place / ".git").mkdir()
    (place / ".git" / "config").write_bytes(b"[core]")
    secret = tmp_path / "secret.txt"
    secret.write_text("not theirs", encoding="utf-8")
    (place / "link.txt").symlink_to(secret)
    found = graded(tmp_path / "class", tmp_path / "there", executor=beside)
    assert found["code"].status is Status.SCORED
    (sent,) = Beside.last.carrier.parcels
    assert sorted(unpack(sent)["files"]) == ["beside.py", "model.py", "submission.toml"]
    assert b"not theirs" not in sent


def test_a_host_that_makes_other_questions_gets_the_parents(tmp_path, beside, monkeypatch):
    write_class(tmp_path / "class", 1)
    expected = graded(tmp_path / "class", tmp_path / "here")
    from harness.run.executors import host as host_module

    class Rounded(Questions):
        """Questions of a processor that rounds otherwise."""

        def digest(self, task, entry):
            return "0" * 64

    monkeypatch.setattr(host_module, "Questions", Rounded)
    found = graded(tmp_path / "class", tmp_path / "there", executor=beside)
    assert repeatable(found) == repeatable(expected)
    first, second = (unpack(parcel) for parcel in Beside.last.carrier.parcels)
    assert first["questions"] is None
    assert second["questions"][0].inputs["images"].shape == (500, 1, 28, 28)


def test_a_record_states_the_isolation_of_the_host_and_is_keyed_by_it(tmp_path, beside, monkeypatch, full, reduced):
    write_class(tmp_path / "class", 1)
    expected = graded(tmp_path / "class", tmp_path / "here")["s000"]
    monkeypatch.setattr(kit, "probe", lambda: Isolation("reduced", (), ""))
    found = graded(tmp_path / "class", tmp_path / "there", executor=beside)["s000"]
    assert (expected.isolation, found.isolation) == ("full", "reduced")
    assert found.keys["ask"] != expected.keys["ask"]
    assert found.metrics == expected.metrics
    monkeypatch.undo()
    known = []
    shutil.rmtree(tmp_path / "there" / "work")
    graded(tmp_path / "class", tmp_path / "there", on_record=lambda record, old: known.append((record.part, old)))
    assert ("clean", False) in known  # asked again where isolation is another one


@pytest.mark.parametrize(("lost", "status"), [(2, Status.SCORED), (3, Status.NOT_GRADABLE)])
def test_an_entry_is_sent_again_a_bounded_number_of_times(tmp_path, beside, monkeypatch, lost, status):
    monkeypatch.setattr(Beside, "lost", lost)
    write_class(tmp_path / "class", 1)
    found = graded(tmp_path / "class", tmp_path / "there", executor=beside)["s000"]
    assert found.status is status
    assert len(Beside.last.carrier.parcels) == 3
    if status is Status.NOT_GRADABLE:
        assert (found.failure.kind, found.failure.detail) == ("host-lost", "It is gone.")


def run_of(context: Context, folder) -> Run:
    return Run(context, coursework.find(str(OWN)), folder, probe())


def test_a_kit_holds_the_digits_judge_and_coursework_to_the_last_bit(tmp_path):
    private = tmp_path / "private.safetensors"
    shutil.copy(SHIPPED, private)
    digits = embedded_digits()
    shifted = Split(digits.test.images + np.float32(1e-4), digits.test.labels)
    context = Context(replace(digits, read=lambda: (digits.train, shifted)), Judge.read(private), 7, Judge.shipped())
    packed = kit.packed(run_of(context, tmp_path))
    private.unlink()
    (tmp_path / "host").mkdir()
    back = kit.unpacked(packed, tmp_path / "host")
    for split in ("train", "test"):
        for name in ("images", "labels"):
            sent = getattr(getattr(context.data, split), name)
            got = getattr(getattr(back.context.data, split), name)
            assert got.dtype == sent.dtype
            np.testing.assert_array_equal(got, sent)
    assert (back.context.seed, back.context.judge.digest) == (7, context.judge.digest)
    assert back.context.second.digest == context.second.digest
    torch.testing.assert_close(
        back.context.judge.decide(digits.test.images)[1], context.judge.decide(digits.test.images)[1], rtol=0, atol=0
    )
    assert back.assignment == run_of(context, tmp_path).assignment
    assert sorted(back.coursework.own_tasks) == ["salt-and-pepper"]
    assert sorted(back.coursework.own_architectures) == ["mean-filter", "small-generator"]


def test_a_courseworks_own_cases_travel_as_their_file(tmp_path):
    from harness import tasks

    task = tasks.task("one-pixel-inpainting")
    truth = np.zeros((1000, 784), np.float32)
    cropped = truth.copy()
    cropped[:, 5] = -1
    np.save(tmp_path / task.file, np.stack([cropped, truth]))
    cases = task.own_cases(tmp_path)
    context = Context(embedded_digits(), Judge.shipped(), 0, official={task.name: cases})
    (tmp_path / "host").mkdir()
    back = kit.unpacked(kit.packed(run_of(context, tmp_path)), tmp_path / "host").context.official[task.name]
    assert back.digest == cases.digest
    np.testing.assert_array_equal(back.cropped, cases.cropped)


def test_a_judge_that_has_changed_since_it_was_read_does_not_travel(tmp_path):
    private = tmp_path / "private.safetensors"
    shutil.copy(SHIPPED, private)
    context = Context(embedded_digits(), Judge.read(private), 0)
    with private.open("ab") as file:
        file.write(b" ")
    with pytest.raises(ExecutorError, match="has changed since it was read"):
        kit.packed(run_of(context, tmp_path))


def test_a_host_decides_how_weights_with_code_beside_them_are_opened(tmp_path, beside, full):
    generator_repository.write(tmp_path / "class" / "one")
    context = Context(embedded_digits(), Judge.shipped(), seed=0)
    here = grade(collect(tmp_path / "class", tmp_path / "w1"), run_of_sheet(context, tmp_path / "here"))
    there = grade(
        collect(tmp_path / "class", tmp_path / "w2"), run_of_sheet(context, tmp_path / "there", executor=beside)
    )
    assert [record.kind for record in there] == ["code"]
    assert [records.repeatable(record) for record in there] == [records.repeatable(record) for record in here]
    stages = [unpack(parcel)["stage"] for parcel in Beside.last.carrier.parcels]
    assert stages == ["open", "ask"]
