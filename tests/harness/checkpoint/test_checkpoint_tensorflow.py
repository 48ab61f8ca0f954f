"""TensorFlow's checkpoints are read bit for bit, those of the real library too, and their models answer as there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.checkpoint import Checkpoint, companions, pack, read, state_arrays
from harness.types import GradingError
from reference import architecture
from tests.harness.checkpoint.bundles import bundle, entry, header, index, packed, table

FILES = Path(__file__).parent / "tensorflow"
LISTING = [path.name for path in FILES.iterdir()]


def opened(name: str) -> Checkpoint:
    return read(pack({file: (FILES / file).read_bytes() for file in companions(name, LISTING)}), name)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_file_of_the_real_library_is_read_bit_for_bit(name: str) -> None:
    expected = np.load(FILES / f"{name}.expected.npz")
    checkpoint = opened(f"{name}.ckpt")
    assert checkpoint.format == "tensorflow"
    assert set(checkpoint.tensors) == set(expected.files) - {"pixels", "logits"}
    for key, array in checkpoint.tensors.items():
        assert array.dtype == expected[key].dtype
        assert array.shape == expected[key].shape
        assert array.tobytes() == expected[key].tobytes()


@pytest.mark.numeric
@pytest.mark.parametrize(("name", "cell"), [("lstm.ckpt", "lstm"), ("gru.ckpt", "gru"), ("keras2", "lstm")])
def test_a_model_of_the_real_library_gives_its_logits(name: str, cell: str) -> None:
    expected = np.load(FILES / f"{name.removesuffix('.ckpt')}.expected.npz")
    model = architecture(f"pixel-{cell}")
    assert model.adapt is not None
    arrays, sizes, _ = model.adapt(state_arrays(opened(name)))
    module = model.build({}, **sizes)
    module.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()})
    with torch.no_grad():
        found = module.logits(torch.from_numpy(expected["pixels"])).numpy()  # type: ignore[operator]
    assert np.abs(found - expected["logits"]).max() < 1e-6
    assert np.ptp(expected["logits"]) > 1e-3


@pytest.mark.parametrize("name", ["lstm.ckpt", "lstm.ckpt.index", "lstm.ckpt.data-00000-of-00001", "lstm.ckpt.meta"])
def test_a_checkpoint_may_be_named_by_any_of_its_files(name: str) -> None:
    assert companions(name, LISTING) == ("lstm.ckpt.index", "lstm.ckpt.data-00000-of-00001")


@pytest.mark.parametrize(
    ("name", "listing", "wanted"),
    [
        ("m.pt", ["m.pt", "m.pt.index"], ()),
        ("a/m", ["b/m.index", "a/m2.index", "m.index"], ()),
        ("a/m.index", ["a/m.index"], ()),
        ("a/m", ["a/m.index"], ("a/m.index",)),
        ("a(b/m", ["a(b/m.data-00000-of-00001"], ("a(b/m.data-00000-of-00001",)),
        ("x.safetensors", ["x.safetensors", "x-00001-of-00002.safetensors"], ()),
        (
            "a/x.safetensors.index.json",
            ["a/x-00002-of-00002.safetensors", "a/x-00001-of-00002.safetensors", "a/y-00001-of-00002.safetensors"],
            ("a/x-00001-of-00002.safetensors", "a/x-00002-of-00002.safetensors"),
        ),
        (
            "x-00002-of-00002.safetensors",
            ["x-00002-of-00002.safetensors", "x-00001-of-00002.safetensors", "x-00001-of-00003.safetensors"],
            ("x-00001-of-00002.safetensors", "x-00002-of-00002.safetensors"),
        ),
    ],
)
def test_companions_are_the_files_of_the_same_checkpoint(
    name: str, listing: list[str], wanted: tuple[str, ...]
) -> None:
    assert companions(name, listing) == wanted


@pytest.mark.parametrize("shards", [1, 3])
def test_every_type_and_any_number_of_files_and_blocks(shards: int) -> None:
    generator = np.random.default_rng(2)
    arrays = {
        f"layer_{place}/{dtype}": generator.integers(0, 2, (place % 4, 3)).astype(dtype)
        for place, dtype in enumerate(["f4", "f8", "f2", "i4", "i8", "i2", "i1", "u1", "?"] * 6)
    }
    arrays |= {"scalar": np.array(2.5, np.float32), "scalar/Adam": np.arange(24, dtype="f4").reshape(2, 3, 4)}
    found = read(bundle(arrays, shards), "model.ckpt").tensors
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].tolist() == array.tolist(), name
        assert found[name].shape == array.shape


def test_bfloat16_gives_the_same_numbers() -> None:
    values = torch.tensor([1.0, -2.5, 3.140625]).to(torch.bfloat16)
    raw = values.view(torch.int16).numpy().tobytes()
    found = read(packed(index({"w": entry(14, (3,), 0, 6)}), raw), "model.ckpt")
    assert found.tensors["w"].tolist() == [1.0, -2.5, 3.140625]
    assert found.dtypes == {"w": "bfloat16"}


def test_text_is_named_and_left() -> None:
    data = packed(index({"words": entry(7, (1,), 4, 3), "w": entry(1, (), 0, 4)}), np.float32(3).tobytes() + b"\1ab")
    found = read(data, "model.ckpt")
    assert list(found.tensors) == ["w"]
    assert "words" in found.unread
    assert any("words is of type string" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("part.ckpt", "unsupported", r"part\.ckpt: tensor model/.* is partitioned.*load_checkpoint\('part\.ckpt'\)"),
        ("old.ckpt", "unsupported", r"old\.ckpt: .*first format.*load_checkpoint\('old\.ckpt'\).*np\.savez"),
        ("lstm.ckpt.index", "mismatch", r"without its data; submit lstm\.ckpt\.data-00000-of-00001"),
        ("lstm.ckpt.data-00000-of-00001", "mismatch", r"without its index; submit lstm\.ckpt\.index"),
    ],
)
def test_what_is_missing_or_not_accepted_is_named(name: str, kind: str, reason: str) -> None:
    data = (FILES / name).read_bytes() if (FILES / name).exists() else None
    with pytest.raises(GradingError, match=reason) as caught:
        opened(name) if data is None else read(data, name)
    assert caught.value.failure.kind == kind


def test_every_truncation_of_either_file_is_recognised() -> None:
    whole = {file: (FILES / file).read_bytes() for file in companions("gru.ckpt", LISTING)}
    for file, content in whole.items():
        for length in range(0, len(content), 7):
            with pytest.raises(GradingError) as caught:
                read(pack({**whole, file: content[:length]}), "gru.ckpt")
            assert caught.value.failure.kind == "truncated", (file, length)


def test_names_beyond_ascii_are_kept() -> None:
    entries = [(b"", header()), ("模型/w".encode(), entry(1, (), 0, 4))]
    assert list(read(packed(table(entries), bytes(4)), "m").tensors) == ["模型/w"]


def test_variables_without_names_of_layers_that_are_alike_belong_together_as_they_were_made() -> None:
    generator = np.random.default_rng(6)
    cell = {"rnn/basic_lstm_cell/kernel": (4, 12), "rnn/basic_lstm_cell/bias": (12,)}
    head = {"a_0/kernel": (3, 3), "a_0/bias": (3,), "a_1/kernel": (3, 3), "a_1/bias": (3,)}
    head |= {"a_2/kernel": (3, 1), "a_2/bias": (1,)}
    named = {name: generator.normal(size=shape).astype(np.float32) for name, shape in (cell | head).items()}
    plain = {name: named[name] for name in cell}
    plain |= {f"Variable_{place}" if place else "Variable": named[name] for place, name in enumerate(head)}
    plain |= {f"{name}/Adagrad": np.zeros_like(plain[name]) for name in plain}
    adapt = architecture("pixel-lstm").adapt
    assert adapt is not None
    wanted, _, _ = adapt(named)
    found, _, _ = adapt(state_arrays(read(bundle(plain), "model.ckpt")))
    assert {name: array.tolist() for name, array in found.items()} == {n: a.tolist() for n, a in wanted.items()}
