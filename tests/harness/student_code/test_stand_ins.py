"""Tests the environment that student code finds: stand-ins for absent packages, and the CPU in place of CUDA."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harness.student_code import stand_ins, tolerated, vision

ROOT = Path(__file__).parents[3]
ABSENT = ("torchvision", "tqdm", "tensorboardX", "tensorboard", "wandb")


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes these packages not installed, and installs the stand-ins."""
    before = dict(sys.modules)
    for name in before:
        if name.partition(".")[0] in ABSENT or name.startswith("torch.utils.tensorboard"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    find = PathFinder.find_spec

    def find_present(name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in ABSENT else find(name, path, target)

    monkeypatch.setattr(PathFinder, "find_spec", find_present)
    monkeypatch.setattr(tolerated, "reported", set())
    tolerated.taken()
    stand_ins.install()
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    tolerated.taken()


@pytest.mark.usefixtures("absent")
def test_absent_packages_can_be_imported_and_are_noted_once_each() -> None:
    namespace: dict[str, object] = {}
    source = """
    import torchvision, tensorboardX, wandb
    import torchvision.transforms as T
    from torchvision import datasets, models, transforms
    from torchvision.datasets import MNIST
    from torchvision.transforms.functional import to_tensor
    from torchvision.utils import make_grid, save_image
    from torch.utils.tensorboard import SummaryWriter
    from tqdm import tqdm, trange
    from tqdm.auto import tqdm as auto
    from tqdm.notebook import tqdm_notebook

    class Digits(MNIST):
        pass

    class Quiet(tensorboardX.SummaryWriter):
        pass

    pipeline = transforms.Compose([T.RandomRotation(5), T.ToTensor()])
    writer = SummaryWriter("runs")
    writer.add_scalar("loss", 1.0, 1)
    with tensorboardX.SummaryWriter() as other:
        other.add_image("x", None)
    wandb.init(project="x").log({"a": 1})
    save_image(None, "/nowhere/x.png")
    """
    exec(textwrap.dedent(source), namespace)
    notes = tolerated.taken()
    for name in ("torchvision", "tqdm", "tensorboardX", "torch.utils.tensorboard", "wandb"):
        assert sum(note.startswith(f"{name} is not installed") for note in notes) == 1
    assert len(notes) == 5
    with pytest.raises(RuntimeError, match=r"MNIST.*no data set is"):
        namespace["Digits"]("../data", train=True)  # type: ignore[operator]
    with pytest.raises(RuntimeError, match="RandomRotation"):
        namespace["pipeline"](np.zeros((2, 2), np.uint8))  # type: ignore[operator]


@pytest.mark.usefixtures("absent")
def test_progress_bars_iterate_and_count() -> None:
    tqdm = importlib.import_module("tqdm")
    bar = tqdm.tqdm([3, 1, 2], desc="x")
    assert list(bar) == [3, 1, 2]
    assert (bar.n, bar.total, len(bar)) == (3, 3, 3)
    assert list(tqdm.trange(2, 5)) == [2, 3, 4]
    with tqdm.tqdm(total=10) as counter:
        counter.update(4)
        counter.set_postfix(lr=1)
        counter.set_description("y")
    assert counter.n == 4
    assert [*tqdm.tqdm(enumerate("ab"))] == [(0, "a"), (1, "b")]


@pytest.mark.usefixtures("absent")
def test_installed_packages_are_not_replaced() -> None:
    import matplotlib

    importlib.reload(matplotlib)
    assert matplotlib.__version__[0].isdigit()
    assert type(sys.modules["matplotlib"]) is ModuleType
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nothing_like_this")


def test_transforms_behave_as_documented() -> None:
    array = np.array([[0, 51], [102, 255]], np.uint8)
    prepare = vision.Compose([vision.ToTensor(), vision.Normalize((0.5,), (0.5,)), vision.Lambda(lambda x: x.view(-1))])
    expected = torch.tensor([-1, -0.6, -0.2, 1.0])
    torch.testing.assert_close(prepare(array), expected)
    torch.testing.assert_close(prepare(Image.fromarray(array)), expected)
    colours = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert vision.to_tensor(colours).shape == (3, 2, 4)
    assert float(vision.to_tensor(colours)[2, 1, 0]) == pytest.approx(colours[1, 0, 2] / 255)
    assert vision.to_tensor(np.ones((2, 2), np.float64)).dtype is torch.float64
    with pytest.raises(ValueError, match="has 1"):
        vision.to_tensor(np.zeros(3))


def test_make_grid_puts_each_image_in_its_place() -> None:
    images = torch.arange(1.0, 6.0).reshape(5, 1, 1, 1).expand(5, 1, 2, 3)
    grid = vision.make_grid(images, nrow=3, padding=1, pad_value=9.0)
    assert grid.shape == (3, 2 * 3 + 1, 3 * 4 + 1)
    assert grid[0, 1:3, 1:4].unique().tolist() == [1.0]
    assert grid[2, 4:6, 5:8].unique().tolist() == [5.0]
    assert grid[1, 4:6, 9:12].unique().tolist() == [9.0]
    torch.testing.assert_close(vision.make_grid([images[0], images[1]], nrow=8), vision.make_grid(images[:2]))


CUDA = """
import io, sys, torch
from torch import nn
from harness.student_code import cpu_only, tolerated
cpu_only.keep_on_cpu()
cpu_only.allow_whole_modules()
if torch.cuda.is_available():
    sys.exit(0)
x = torch.ones(2)
for made in (
    x.cuda(), x.to("cuda:1"), x.to(device=torch.device("cuda", 0)), torch.zeros(2, device="cuda"), x.cuda(0),
    torch.rand_like(x, device="cuda"), x.new_zeros(2, device="cuda"), torch.tensor([1.0], device=torch.device("cuda")),
    nn.Linear(2, 2).cuda().weight, nn.Linear(2, 2).to("cuda").weight, nn.Linear(2, 2, device="cuda").weight,
    x.type("torch.cuda.DoubleTensor"), torch.cuda.LongTensor([1]), x.pin_memory(), next(nn.DataParallel(
        nn.Linear(1, 1), device_ids=[0]).cuda().parameters()),
):
    assert made.device.type == "cpu", made
torch.cuda.set_device(0); torch.cuda.synchronize(); torch.cuda.manual_seed_all(1)
torch.set_default_tensor_type("torch.cuda.FloatTensor")
assert torch.device("cuda:0").type == "cpu" and torch.device("meta").type == "meta"
assert (x + x).tolist() == [2, 2] and x.to("cpu", torch.float64).dtype is torch.float64
leaf = torch.ones(2, requires_grad=True)
assert torch.autograd.grad((leaf.cuda() ** 2).sum(), leaf)[0].tolist() == [2, 2]
notes = tolerated.taken()
assert len(notes) == 1 and "kept on the CPU" in notes[0], notes
torch.serialization.register_package(1, lambda storage: "cuda:3", lambda storage, place: None)
file = io.BytesIO()
torch.save({"model": nn.Linear(2, 3)}, file)
assert b"cuda:3" in file.getvalue()
for place in (None, "cuda", torch.device("cuda:0"), lambda storage, where: storage):
    file.seek(0)
    assert torch.load(file, map_location=place)["model"].weight.device.type == "cpu"
file.seek(0)
try:
    torch.load(file, weights_only=True)
except Exception as error:
    assert "Linear" in str(error)
else:
    raise AssertionError("weights_only was not passed on")
"""


def test_cuda_means_the_cpu_and_whole_modules_load() -> None:
    # In a process of its own, because the changes to PyTorch are permanent.
    subprocess.run([sys.executable, "-W", "ignore", "-c", CUDA], check=True, cwd=ROOT)
