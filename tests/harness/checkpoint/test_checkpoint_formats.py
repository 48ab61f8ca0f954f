"""Files written by torch, safetensors and numpy are read back bit for bit; torch itself is the reference."""

from __future__ import annotations

import io
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import nn

from harness.checkpoint import Opaque, read
from harness.types import GradingError

FORMATS = {"torch-zip": True, "torch-legacy": False}


class Small(nn.Module):
    """A module with one of everything that starter code pickles: shared weights, buffers, an LSTM, plain attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.tied = nn.Linear(3, 4, bias=False)
        self.tied.weight = self.fc.weight
        self.bn = nn.BatchNorm1d(4)
        self.rnn = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
        self.attention = nn.MultiheadAttention(4, 2)
        self.register_buffer("mask", torch.tensor([True, False, True]))
        self.register_buffer("scratch", torch.ones(2), persistent=False)
        self.permutation = torch.tensor([2, 0, 1])
        self.order = np.arange(10, dtype=np.int16)[::-2]
        self.blocks = [nn.Linear(2, 1)]


def saved(value: Any, zipped: bool = True) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=zipped)
    return out.getvalue()


def same(array: np.ndarray[Any, Any], tensor: torch.Tensor) -> bool:
    """Tells whether all bits are equal, so that NaN payloads and negative zeros count."""
    other = tensor.detach().contiguous().numpy()
    return array.dtype == other.dtype and array.shape == other.shape and array.tobytes() == other.tobytes()


@pytest.fixture(scope="module")
def net() -> Small:
    generator = torch.Generator().manual_seed(3)
    module = Small()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        module.bn.running_mean.copy_(torch.tensor([0.5, -1.0, 2.0, 7.0]))
    return module


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("form", ["state dict", "module", "DataParallel"])
def test_weights_are_read_bit_for_bit(net: Small, format: str, form: str) -> None:
    value = {"state dict": net.state_dict(), "module": net, "DataParallel": nn.DataParallel(net)}[form]
    checkpoint = read(saved(value, FORMATS[format]), "model.pt")
    prefix = "module." if form == "DataParallel" else ""
    assert checkpoint.format == format
    for name, tensor in net.state_dict().items():
        assert same(checkpoint.tensors[prefix + name], tensor), name
    if form == "state dict":
        assert list(checkpoint.tensors) == list(net.state_dict())
        assert checkpoint.notes == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_whole_module_gives_its_plain_attributes_too(net: Small, format: str) -> None:
    checkpoint = read(saved(net, FORMATS[format]), "model.pt")
    assert isinstance(checkpoint.tree, Opaque)
    assert checkpoint.tree.qualified_name.endswith(".Small")
    assert same(checkpoint.tensors["permutation"], net.permutation)
    assert checkpoint.tensors["order"].tolist() == [9, 7, 5, 3, 1]
    assert same(checkpoint.tensors["scratch"], net.scratch)
    assert same(checkpoint.tensors["blocks.0.weight"], net.blocks[0].weight)
    assert checkpoint.tensors["tied.weight"] is checkpoint.tensors["fc.weight"]
    assert any("Small" in note for note in checkpoint.notes)


def test_a_module_whose_class_is_gone_is_read() -> None:
    raw = saved(nn.Linear(2, 3)).replace(b"torch.nn.modules.linear", b"coursework.lost.modelss")
    checkpoint = read(saved_without_checksums(raw), "model.pt")
    assert checkpoint.tree.qualified_name == "coursework.lost.modelss.Linear"
    assert checkpoint.tensors["weight"].shape == (3, 2)


def saved_without_checksums(raw: bytes) -> bytes:
    """The same archive with all checksums set to 0, as torch writes it when told not to compute them."""
    result, at = bytearray(raw), 0
    while (at := raw.find(b"PK\x01\x02", at)) >= 0:
        result[at + 16 : at + 20] = bytes(4)
        at += 4
    return bytes(result)


@pytest.mark.parametrize("format", FORMATS)
def test_a_training_checkpoint_keeps_its_structure(net: Small, format: str) -> None:
    optimizer = torch.optim.Adam(net.parameters(), lr=0.25)
    net.fc(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    value = {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 7,
        "best": float("nan"),
        "history": defaultdict(list, loss=[0.5, 0.25]),
        "seen": {3, 1},
        "config": OrderedDict(name="flow", sizes=(28, 28), raw=b"\x00\xff", none=None),
        "accuracy": np.float64(0.75),
        "confusion": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "size": torch.Size([4, 5]),
        ("a", 1): "tuple key",
    }
    checkpoint = read(saved(value, FORMATS[format]), "model.pt")
    tree = checkpoint.tree
    assert tree["epoch"] == 7
    assert np.isnan(tree["best"])
    assert tree["history"] == {"loss": [0.5, 0.25]}
    assert sorted(tree["seen"]) == [1, 3]
    assert tree["config"] == {"name": "flow", "sizes": (28, 28), "raw": b"\x00\xff", "none": None}
    assert tree["accuracy"] == 0.75
    assert tree["confusion"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tree["size"] == (4, 5)
    assert tree["dtype"].qualified_name == "torch.float16"
    assert tree["device"].args == ("cpu",)
    assert tree["('a', 1)"] == "tuple key"
    assert tree["optimizer"]["param_groups"][0]["lr"] == 0.25
    moment = optimizer.state_dict()["state"][0]["exp_avg"]
    assert same(checkpoint.tensors["optimizer.state.0.exp_avg"], moment)
    assert checkpoint.notes == []


DTYPES = [torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


@pytest.mark.parametrize("dtype", [*DTYPES, torch.bool])
@pytest.mark.parametrize("format", [*FORMATS, "safetensors"])
def test_every_type_is_read_as_stored(dtype: torch.dtype, format: str) -> None:
    tensor = torch.tensor([[0, 1, 2], [3, 100, 7]]).to(dtype)
    raw = save_safetensors({"a": tensor}) if format == "safetensors" else saved({"a": tensor}, FORMATS[format])
    checkpoint = read(raw, "x")
    assert checkpoint.format == format
    assert same(checkpoint.tensors["a"], tensor)
    assert checkpoint.dtypes == {"a": str(dtype).removeprefix("torch.")}
    assert checkpoint.sizes == {"a": 6 * tensor.element_size()}


@pytest.mark.parametrize("format", [*FORMATS, "safetensors"])
def test_bfloat16_gives_the_same_numbers(format: str) -> None:
    tensor = torch.tensor([1.0, -2.5, 3.140625, 1e38, float("inf"), -0.0]).to(torch.bfloat16)
    raw = save_safetensors({"a": tensor}) if format == "safetensors" else saved({"a": tensor}, FORMATS[format])
    checkpoint = read(raw, "x")
    assert same(checkpoint.tensors["a"], tensor.float())
    assert checkpoint.dtypes == {"a": "bfloat16"}
    assert checkpoint.sizes == {"a": 12}


@pytest.mark.parametrize("format", FORMATS)
def test_views_are_read_as_torch_sees_them(format: str) -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    value = {
        "transposed": base.permute(2, 0, 1),
        "window": base[1, 1:, ::2],
        "expanded": torch.tensor([[5.0], [6.0]]).expand(2, 3),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "base": base,
        "parameter": nn.Parameter(base[0]),
    }
    checkpoint = read(saved(value, FORMATS[format]), "x")
    for name, tensor in value.items():
        assert same(checkpoint.tensors[name], tensor), name


def test_tensors_with_attributes_and_subclasses_are_read() -> None:
    tensor = torch.arange(3.0)
    tensor.origin = "here"  # type: ignore[attr-defined]
    assert same(read(saved({"a": tensor}), "x").tensors["a"], torch.arange(3.0))


def test_a_file_name_beyond_ascii_is_read(tmp_path: Path) -> None:
    path = tmp_path / "模型 ü.weird"
    torch.save({"a": torch.ones(2)}, path)
    assert read(path.read_bytes(), path.name).tensors["a"].tolist() == [1.0, 1.0]


def test_numpy_files_are_read() -> None:
    arrays = {
        "fc.weight": np.arange(6, dtype=">f4").reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(3, 2)),
        "flag": np.array([True, False]),
        "scalar": np.array(3, np.int8),
        "empty": np.zeros((0, 4), np.float16),
    }
    for save in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        save(out, **arrays)  # type: ignore[operator]
        checkpoint = read(out.getvalue(), "x.npz")
        assert checkpoint.format == "npz"
        assert list(checkpoint.tensors) == list(arrays)
        for name, array in arrays.items():
            found = checkpoint.tensors[name]
            assert found.shape == array.shape
            assert found.dtype == array.dtype.newbyteorder("=")
            assert np.array_equal(found, array)
    out = io.BytesIO()
    np.save(out, arrays["fortran"])
    checkpoint = read(out.getvalue(), "x.npy")
    assert (checkpoint.format, checkpoint.tree.tolist()) == ("npy", arrays["fortran"].tolist())


@pytest.mark.parametrize("low", [0x80, 0x08, 0x1F])
@pytest.mark.parametrize("high", range(1, 6))
def test_a_safetensors_header_may_begin_like_another_format(low: int, high: int) -> None:
    """A header of 640 bytes begins with 80 02, as a pickle does; such a file was once refused as a pickle."""
    tensor = torch.arange(6.0)
    bare = save_safetensors({"weight": tensor}, metadata={"x": ""})
    length = int.from_bytes(bare[:8], "little")
    wanted = low + 256 * high
    padded = bare[8 : 8 + length] + b" " * (wanted - length)
    data = wanted.to_bytes(8, "little") + padded + bare[8 + length :]
    found = read(data, "mine.safetensors")
    assert found.format == "safetensors"
    assert np.array_equal(found.tensors["weight"], tensor.numpy())


def test_safetensors_metadata_is_not_a_tensor() -> None:
    raw = save_safetensors({"b": torch.ones(2), "a": torch.zeros(3, 1)}, metadata={"format": "pt"})
    assert {name: array.shape for name, array in read(raw, "x").tensors.items()} == {"a": (3, 1), "b": (2,)}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: torch.ones(2, 2).to_sparse(), "sparse"),
        (lambda: torch.ones(2, 2).to_sparse_csr(), "sparse"),
        (lambda: torch.ones(2, device="meta"), "meta device"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "quantised"),
        (lambda: torch.ones(2, dtype=torch.complex64), "ComplexFloatStorage"),
        (lambda: torch.ones(2, dtype=torch.uint16), "torch.uint16"),
        (lambda: torch.ones(2, dtype=torch.float8_e4m3fn), "torch.float8_e4m3fn"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_other_kinds_of_tensor_are_refused_by_name(value: Callable[[], torch.Tensor], reason: str) -> None:
    with pytest.raises(GradingError) as caught:
        read(saved({"net": {"first": value()}}), "model.pt")
    assert caught.value.failure.kind == "unsupported"
    assert "net.first" in caught.value.failure.message
    assert reason in caught.value.failure.message


@pytest.mark.filterwarnings("ignore")
def test_the_refusal_of_torchscript_says_what_to_submit_instead() -> None:
    out = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 3)), out)
    with pytest.raises(GradingError, match=r"TorchScript.*state_dict") as caught:
        read(out.getvalue(), "model.pt")
    assert caught.value.failure.kind == "unsupported"


def test_a_file_over_the_budget_is_refused() -> None:
    raw = saved({"a": torch.ones(1000)})
    with pytest.raises(GradingError, match=f"it has {len(raw):,} bytes; at most 4,096 are allowed") as caught:
        read(raw, "big.pt", budget=4096)
    assert caught.value.failure.kind == "too-large"
