"""Tests of how a pickle that would run something is told: to its author, and to the instructor."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from harness import checkpoint
from harness.checkpoint.dangers import dangerous
from harness.types import GradingError
from submissions import examples
from tests.hostile.corpus import COMMAND, text, torch_zip

EXPECTED = {"weight": (2, 3)}


@pytest.mark.parametrize(
    "pickled",
    [
        b"cposix\nsystem\n(" + COMMAND + b"tR",
        text("posix") + text("system") + b"\x93" + COMMAND + b"\x85R",
        b"cposix\nsystem\n",
    ],
)
def test_a_pickle_that_names_a_program_is_told_as_what_it_is(pickled: bytes) -> None:
    read = checkpoint.read(torch_zip(b"}(" + text("model") + pickled + b"u."), "best.pt")
    assert read.dangers == ("posix.system",)
    assert read.notes[0].startswith("For the instructor: the pickle names posix.system, which would run programs")
    with pytest.raises(GradingError) as caught:
        checkpoint.select_state(read, EXPECTED, None)
    failure = caught.value.failure
    assert failure.kind == "runs-code"
    assert "best.pt: names posix.system" in failure.message and "nothing of it was run" in failure.message
    assert "state dict" not in failure.message + failure.detail


def test_weights_beside_such_a_name_are_graded_and_the_instructor_is_told(tmp_path: Path) -> None:
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "more": examples._Payload()}
    torch.save(tensors, tmp_path / "best.pt")
    read = checkpoint.read((tmp_path / "best.pt").read_bytes(), "best.pt")
    arrays, notes = checkpoint.select_state(read, EXPECTED, None)
    assert arrays["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert any(note.startswith("For the instructor: the pickle names posix.system") for note in [*read.notes, *notes])


def test_ordinary_checkpoints_name_nothing_dangerous(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LSTM(2, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(network.parameters())
    files = {"state.pt": network.state_dict(), "module.pt": network, "optimizer.pt": optimizer.state_dict()}
    for name, value in files.items():
        torch.save({"model": value, "path": tmp_path, "order": OrderedDict(a=1)}, tmp_path / name)
        assert checkpoint.read((tmp_path / name).read_bytes(), name).dangers == (), name


def test_names_that_do_something_are_told_from_those_that_do_not() -> None:
    harmful = ["os.system", "builtins.eval", "builtins.getattr", "__builtin__.exec", "operator.attrgetter", "nt.system"]
    harmful += ["subprocess.Popen", "importlib.import_module", "pickle.loads", "builtins.__import__", "io.open"]
    harmless = ["collections.OrderedDict", "builtins.set", "torch.nn.modules.linear.Linear", "operator.itemgetter"]
    harmless += ["operator.mul", "__main__.Net", "osnet.Model", "numpy.dtype", "threading.Lock", "functools.partial"]
    assert dangerous([*harmful, *harmless, *harmful]) == harmful


def test_the_example_of_a_hostile_submission_is_told_so(tmp_path: Path) -> None:
    examples.hostile(tmp_path)
    assert zipfile.is_zipfile(tmp_path / "cvae.pt")
    read = checkpoint.read((tmp_path / "cvae.pt").read_bytes(), "cvae.pt")
    assert read.dangers == ("posix.system",)
