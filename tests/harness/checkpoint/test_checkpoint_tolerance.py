"""Tests that additions of libraries and students to a state dict hide no model; torch gives the values."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from sklearn.decomposition import PCA
from torch import nn
from torch.nn.utils import parametrizations, prune

from harness.checkpoint import Checkpoint, companions, pack, read, select_state, state_arrays
from harness.types import GradingError
from reference import architecture
from tests.hostile.corpus import archive

SHAPES = {"fc.weight": (4, 3), "fc.bias": (4,), "out.weight": (2, 4), "out.bias": (2,)}


def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def saved(value: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def checkpoint(value: Any) -> Checkpoint:
    return read(saved(value), "net.pt")


def chosen(value: Any, key: str | None = None) -> list[str]:
    """Asserts that the weights of `state` are found in a saved value; the notes."""
    found, notes = select_state(checkpoint(value), SHAPES, key)
    assert {name: array.tolist() for name, array in found.items()} == {n: t.tolist() for n, t in state().items()}
    return notes


@pytest.mark.parametrize(
    "more",
    [
        {"n_averaged": torch.tensor(3)},
        {"fc.total_ops": torch.zeros(1, dtype=torch.float64), "total_params": torch.ones(1, dtype=torch.float64)},
        {"fc.num_batches_tracked": torch.tensor(4), "step": torch.tensor(3)},
    ],
    ids=["swa", "thop", "counters"],
)
def test_bookkeeping_is_ignored_with_a_note(more: dict[str, torch.Tensor]) -> None:
    notes = chosen({**state(), **more})
    assert any("bookkeeping" in note and next(iter(more)) in note for note in notes)
    assert set(state_arrays(checkpoint({**state(), **more}))) == set(SHAPES)


def test_other_tensors_beside_all_of_the_architectures_are_passed_over_with_a_note() -> None:
    notes = chosen({**state(), "perceptual.conv.weight": torch.zeros(2, 2), "val.correct": torch.tensor(9)})
    assert any("perceptual.conv.weight (2, 2), val.correct ()" in note and "passed over" in note for note in notes)


@pytest.mark.parametrize("name", ["fc2.weight", "fc.scale", "out3.bias"])
def test_a_further_layer_of_the_same_network_is_another_architecture(name: str) -> None:
    with pytest.raises(GradingError, match=f"1 unexpected .{name}"):
        select_state(checkpoint({**state(), name: torch.zeros(4)}), SHAPES)


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"net.module.model.{name}",
        lambda name: name.replace(".", ".net."),
        lambda name: name.replace(".", ".model.module."),
        lambda name: f"generator.{name.replace('.', '._orig_mod.')}",
        lambda name: f"ema_model.{name.replace('fc.', 'fc.layers.')}",
        lambda name: f"model.net.{name}" if name.startswith("fc") else f"model.{name}",
        lambda name: f"_forward_module.{name}",
    ],
    ids=["before", "inside", "both", "generator", "one", "split", "lightning"],
)
def test_wrapper_words_anywhere_in_a_name_are_left_out(rename: Callable[[str], str]) -> None:
    chosen({rename(name): tensor for name, tensor in state().items()})


def test_a_wrapper_word_that_the_architecture_uses_stays() -> None:
    shapes = {f"net.{name}": shape for name, shape in SHAPES.items()}
    found, _ = select_state(checkpoint({f"net.{name}": tensor for name, tensor in state().items()}), shapes)
    assert list(found) == list(shapes)


def test_wrapper_words_don_t_mix_two_models() -> None:
    other = {name: tensor + 1 for name, tensor in state().items()}
    both = {f"model.{name}": tensor for name, tensor in state().items()}
    both |= {f"ema_model.{name}": tensor for name, tensor in other.items()}
    assert any("ema_model would fit as well" in note for note in chosen(both))
    inside = {name.replace(".", ".ema."): tensor for name, tensor in other.items()}
    chosen({**inside, **state()})


class Folded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.square = nn.Linear(4, 4)
        self.up = nn.ConvTranspose2d(4, 4, 3)
        self.conv = nn.Conv2d(2, 5, 3)


def _with(change: Callable[[nn.Module], Any]) -> Folded:
    torch.manual_seed(3)
    net = Folded()
    for layer in net.children():
        change(layer)
    for _ in range(3):
        net.square(net.fc(torch.ones(2, 3))), net.up(torch.ones(1, 4, 2, 2)), net.conv(torch.ones(1, 2, 4, 4))
    with torch.no_grad():  # as an optimizer would: the stored vectors are those of the weight before
        for parameter in net.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return net.eval()


def _pruned(layer: nn.Module) -> None:
    prune.random_unstructured(layer, "weight", 0.5)


FOLDS: dict[str, Callable[[nn.Module], Any]] = {
    "weight_norm, older": nn.utils.weight_norm,
    "weight_norm, older, of the whole": lambda layer: nn.utils.weight_norm(layer, dim=None),
    "weight_norm, older, of axis 1": lambda layer: nn.utils.weight_norm(layer, dim=1),
    "weight_norm": parametrizations.weight_norm,
    "weight_norm, of the whole": lambda layer: parametrizations.weight_norm(layer, dim=None),
    "spectral_norm, older": nn.utils.spectral_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "pruning": _pruned,
}


@pytest.mark.numeric
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOLDS)
def test_reparametrised_weights_are_those_that_torch_computes(name: str) -> None:
    net = _with(FOLDS[name])
    layers = dict(net.named_children())
    # The older forms compute the weight before each call.
    layers["square"](layers["fc"](torch.ones(2, 3))), layers["up"](torch.ones(1, 4, 2, 2))
    layers["conv"](torch.ones(1, 2, 4, 4))
    expected = {f"{key}.weight": layer.weight.detach() for key, layer in layers.items()}
    expected |= {f"{key}.bias": layer.bias.detach() for key, layer in layers.items()}
    shapes = {key: tuple(tensor.shape) for key, tensor in expected.items()}
    held = checkpoint({"model": {f"module.{key}": tensor for key, tensor in net.state_dict().items()}})
    found, notes = select_state(held, shapes)
    for key, tensor in expected.items():
        assert found[key].dtype == np.float32
        assert np.allclose(found[key], tensor.numpy(), rtol=2e-6, atol=1e-7), key
    assert any("4 weights" in note for note in notes)
    arrays = state_arrays(checkpoint(net.state_dict()))
    assert set(arrays) == set(expected)
    assert all(np.array_equal(arrays[key], found[key]) for key in arrays)


@pytest.mark.numeric
@pytest.mark.filterwarnings("ignore")
def test_a_recurrent_layer_s_weights_are_folded_too() -> None:
    torch.manual_seed(1)
    layer = nn.utils.weight_norm(nn.LSTM(3, 4), "weight_hh_l0")
    layer(torch.ones(2, 1, 3))
    arrays = state_arrays(checkpoint(layer.state_dict()))
    assert np.allclose(arrays["weight_hh_l0"], layer.weight_hh_l0.detach().numpy(), rtol=2e-6)


def test_a_weight_stored_beside_its_parts_is_kept() -> None:
    held = {**state(), "fc.weight_orig": 2 * state()["fc.weight"], "fc.weight_u": torch.ones(4)}
    chosen(held)


@pytest.mark.filterwarnings("ignore")
def test_an_unknown_parametrization_says_how_to_remove_it() -> None:
    net = nn.ModuleDict({"fc": parametrizations.orthogonal(nn.Linear(3, 4)), "out": nn.Linear(4, 2)})
    with pytest.raises(GradingError, match=r"remove_parametrizations\(layer, 'weight'\)"):
        select_state(checkpoint(net.state_dict()), SHAPES)


UNREADABLE: dict[str, Callable[[], torch.Tensor]] = {
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "sparse": lambda: torch.ones(2, 2).to_sparse(),
    "meta device": lambda: torch.ones(2, device="meta"),
    "ComplexFloatStorage": lambda: torch.ones(2, dtype=torch.complex64),
    "float8": lambda: torch.ones(2, dtype=torch.float8_e4m3fn),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reason", UNREADABLE)
def test_tensors_that_can_t_be_read_are_named_and_left(reason: str) -> None:
    value = {"model": state(), "freqs": UNREADABLE[reason](), "more": [UNREADABLE[reason]()]}
    chosen(value)
    found = checkpoint(value)
    assert list(found.unread) == ["freqs", "more.0"]
    assert any("freqs" in note and reason in note and "more.0" in note for note in found.notes)
    with pytest.raises(GradingError, match=rf"net\.pt: tensor model\.fc\.weight .*{reason}") as caught:
        select_state(checkpoint({"model": {**state(), "fc.weight": UNREADABLE[reason]()}}), SHAPES)
    assert caught.value.failure.kind == "unsupported"


def test_arrays_of_an_npz_that_can_t_be_read_are_named_and_left() -> None:
    out = io.BytesIO()
    np.savez(out, **{name: tensor.numpy() for name, tensor in state().items()}, names=np.array(["a"]))
    found = read(out.getvalue(), "net.npz")
    assert list(found.unread) == ["names"]
    assert list(select_state(found, SHAPES)[0]) == list(SHAPES)


class _Device:
    """Pickles a tensor as torch does for XLA, HPU, and MPS before 2.0."""

    def __init__(self, tensor: torch.Tensor, function: Callable[..., Any], from_numpy: bool) -> None:
        self.parts = function, (tensor.numpy() if from_numpy else tensor, tensor.dtype, "cpu", False)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.parts


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("function", ["device_tensor_from_numpy", "xla_tensor", "device_tensor_from_cpu_tensor"])
def test_tensors_of_other_devices_are_read(function: str, protocol: int) -> None:
    rebuild = getattr(torch._utils, f"_rebuild_{function}")
    held = {name: _Device(tensor, rebuild, "cpu" not in function) for name, tensor in state().items()}
    found = read(saved(held, pickle_protocol=protocol), "net.pt")
    assert found.notes == []
    assert {name: array.tolist() for name, array in found.tensors.items()} == {
        name: tensor.tolist() for name, tensor in state().items()
    }


def test_shards_of_safetensors_are_joined() -> None:
    names = list(SHAPES)
    files = {
        f"m-{place:05d}-of-00002.safetensors": save_safetensors({name: state()[name] for name in part})
        for place, part in ((1, names[:3]), (2, names[3:]))
    }
    both = pack({name: files[name] for name in companions("m.safetensors.index.json", list(files))})
    found, _ = select_state(read(both, "m.safetensors.index.json"), SHAPES)
    assert {name: array.tolist() for name, array in found.items()} == {n: t.tolist() for n, t in state().items()}
    first = next(iter(files))
    with pytest.raises(GradingError, match=r"It is file 1 of 2 of a model; submit all of them"):
        select_state(read(files[first], first), SHAPES)
    with pytest.raises(GradingError, match=r"m-00002-of-00002\.safetensors was not handed in"):
        read(pack({first: files[first]}), "m.safetensors.index.json")


def _distributed() -> bytes:
    from torch.distributed.checkpoint.metadata import Metadata

    return pickle.dumps(Metadata({}))


def _joblib(**options: Any) -> bytes:
    import joblib

    out = io.BytesIO()
    joblib.dump({name: tensor.numpy() for name, tensor in state().items()}, out, **options)
    return out.getvalue()


def _pca(dump: Callable[[Any], bytes]) -> bytes:
    return dump(PCA(2).fit(np.random.default_rng(0).random((9, 4))))


FOREIGN: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "link": ("a.pt", lambda: b"https://drive.google.com/file/d/X/view?usp=sharing\n", "is a link"),
    "shortcut": ("a.pt", lambda: b"[InternetShortcut]\r\nURL=https://x\r\n", "is a link"),
    "drive": (
        "a.pt",
        lambda: b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>",
        "Download anyway",
    ),
    "page": ("a.pt", lambda: b"\n<html><body>404", "is a web page"),
    "lfs": ("a.pt", lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "index": ("a.json", lambda: json.dumps({"weight_map": {"w": "m-1.safetensors"}}).encode(), "too: m-1.safetensors"),
    "json": ("a.json", lambda: b'{"lr": 0.1}', "is a JSON file"),
    "metadata": ("dcp/.metadata", _distributed, "dcp_to_torch FOLDER model.pt"),
    "renamed metadata": ("dcp.pt", _distributed, "dcp_to_torch FOLDER model.pt"),
    "distcp": ("dcp/__0_0.distcp", lambda: saved({}) + saved({}), "dcp_to_torch FOLDER model.pt"),
    "joblib": ("a.pkl", _joblib, r"joblib.*np\.savez\('model\.npz'"),
    "joblib, zlib": ("a.pkl", lambda: _joblib(compress=3), r"joblib.*np\.savez\('model\.npz'"),
    "joblib, gzip": ("a.pkl", lambda: _joblib(compress=("gzip", 3)), r"joblib.*np\.savez\('model\.npz'"),
    "joblib, xz": ("a.pkl", lambda: _joblib(compress=("xz", 3)), r"joblib.*np\.savez\('model\.npz'"),
    "scikit-learn": ("a.pkl", lambda: _pca(pickle.dumps), r"np\.savez\('pca\.npz', components_=pca\.components_"),
    "scikit-learn, zlib": (
        "a.pkl",
        lambda: zlib.compress(_pca(pickle.dumps)),
        r"np\.savez\('pca\.npz', components_=pca\.components_, mean_=pca\.mean_\)",
    ),
    "pickle": ("a.pkl", lambda: pickle.dumps({"a": 1}), r"plain pickle.*torch\.save\(model\.state_dict\(\)"),
    "h5": ("a.h5", lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), r"HDF5.*np\.savez\('model\.npz'"),
    "keras": (
        "a.keras",
        lambda: archive({"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}),
        r"model of Keras.*np\.savez\('model\.npz'",
    ),
    "tensorflow list": (
        "checkpoint",
        lambda: b'model_checkpoint_path: "/home/x/m.ckpt-9"\n',
        r"submit m\.ckpt-9\.index",
    ),
    "tensorflow graph": ("m.ckpt.meta", lambda: b"\n\x9f\x0a\x12" * 50, r"submit m\.ckpt\.index"),
    "rar": ("a.pt", lambda: b"Rar!\x1a\x07\x01\x00", "unpack it"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_kinds_are_answered_with_the_next_step(name: str) -> None:
    file, build, reason = FOREIGN[name]
    with pytest.raises(GradingError, match=reason) as caught:
        read(build(), file)
    assert caught.value.failure.kind == "unsupported"
    assert caught.value.failure.message.startswith(f"{file}: it ")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: list(state().values()), r"It is a list of 4 tensors without names; .*torch\.save\(model\.state_dict"),
        (lambda: {"params": list(state().values())}, r"Its params is a list of 4 tensors without names"),
        (
            lambda: {"decay": 0.9, "num_updates": 3, "shadow_params": list(state().values()), "collected_params": None},
            r"torch_ema.*ema\.copy_to\(model\.parameters\(\)\); torch\.save",
        ),
    ],
    ids=["list", "key", "torch_ema"],
)
def test_parameters_without_names_are_answered_with_the_next_step(value: Callable[[], Any], reason: str) -> None:
    with pytest.raises(GradingError, match=reason):
        select_state(checkpoint(value()), SHAPES)


def test_the_npz_that_scikit_learns_message_asks_for_is_accepted() -> None:
    pca = PCA(5).fit(np.random.default_rng(0).random((20, 784)))
    out = io.BytesIO()
    np.savez(out, components_=pca.components_, mean_=pca.mean_)
    model = architecture("pca")
    assert model.adapt is not None
    arrays, sizes, notes = model.adapt(state_arrays(read(out.getvalue(), "pca.npz")))
    assert sizes == {"dimensions": 5}
    assert notes == []
    assert np.allclose(arrays["components"], pca.components_, atol=1e-6)
    assert np.allclose(arrays["mean"], pca.mean_, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_distributed_checkpoint_of_torch_is_recognised(tmp_path: Any) -> None:
    import torch.distributed.checkpoint as dcp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save({"model": state()}, checkpoint_id=str(tmp_path))
    for path in tmp_path.iterdir():
        with pytest.raises(GradingError, match="is a part of a distributed checkpoint"):
            read(path.read_bytes(), path.name)
