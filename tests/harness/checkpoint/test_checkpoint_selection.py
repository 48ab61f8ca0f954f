"""The state dict of an architecture is found in every layout that students hand in, and every misfit is reported."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.checkpoint import Checkpoint, describe, read, select_state
from harness.types import GradingError


class Net(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.fc = nn.Linear(3, width)
        self.bn = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, 2)


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def checkpoint(value: Any) -> Checkpoint:
    out = io.BytesIO()
    torch.save(value, out)
    return read(out.getvalue(), "vae/best.pt")


def equal(state: dict[str, Any], module: nn.Module) -> bool:
    expected = module.state_dict()
    return list(state) == list(expected) and all(np.array_equal(state[name], expected[name]) for name in expected)


NET, OTHER = Net(), Net()


@pytest.mark.parametrize("key", ["model", "g", "d", "generator", "state_dict", "model_state_dict", "ema", "net", "odd"])
def test_nested_states_are_found(key: str) -> None:
    optimizer = torch.optim.SGD(NET.parameters(), lr=1.0)
    state, notes = select_state(checkpoint({key: NET.state_dict(), "o": optimizer.state_dict()}), shapes(NET))
    assert equal(state, NET)
    assert any(key in note for note in notes)


@pytest.mark.parametrize(
    "value",
    [
        NET,
        NET.state_dict(),
        nn.DataParallel(NET),
        {"module." + name: tensor for name, tensor in NET.state_dict().items()},
        {"state": {"_orig_mod.module." + name: tensor for name, tensor in NET.state_dict().items()}},
        {"a": {"b": {"c": [NET]}}},
        {"lightning": {"model." + name: tensor for name, tensor in NET.state_dict().items()}},
        {name.replace("fc.", "fc._orig_mod."): tensor for name, tensor in NET.state_dict().items()},
        {**NET.state_dict(), "optimizer": {"state": torch.ones(3)}, "epoch": 3},
    ],
    ids=["module", "bare", "parallel", "prefix", "both", "deep", "lightning", "inner", "mixed"],
)
def test_wrapped_states_are_found(value: Any) -> None:
    state, _ = select_state(checkpoint(value), shapes(NET))
    assert equal(state, NET)


def test_an_explicit_key_is_tried_first() -> None:
    both = checkpoint({"model": NET.state_dict(), "ema": OTHER.state_dict()})
    assert equal(select_state(both, shapes(NET), "ema")[0], OTHER)
    state, notes = select_state(both, shapes(NET), "absent")
    assert equal(state, NET)
    assert any("absent" in note for note in notes)


@pytest.mark.parametrize("first", ["model", "ema"])
def test_of_equal_candidates_the_preferred_one_is_chosen_with_a_note(first: str) -> None:
    second = {"model": "ema", "ema": "model"}[first]
    states = {"model": NET.state_dict(), "ema": OTHER.state_dict()}
    state, notes = select_state(checkpoint({first: states[first], second: states[second]}), shapes(NET))
    assert equal(state, NET)
    assert any("model were taken" in note and "ema" in note for note in notes)


def test_the_better_fit_wins_over_the_preferred_key() -> None:
    value = {"model": Net(5).state_dict(), "mine": NET.state_dict()}
    assert equal(select_state(checkpoint(value), shapes(NET))[0], NET)


def test_a_generator_beside_a_discriminator_is_found() -> None:
    class Gan(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.discriminator = Net(7)
            self.generator = NET

    assert equal(select_state(checkpoint(Gan().state_dict()), shapes(NET))[0], NET)


def test_a_plain_attribute_is_used_where_the_architecture_has_a_buffer() -> None:
    module = nn.Linear(2, 2)
    module.permutation = torch.tensor([1, 0])  # type: ignore[assignment]
    held = checkpoint(module)
    state, _ = select_state(held, {**shapes(module), "permutation": (2,)})
    assert state["permutation"].tolist() == [1, 0]
    assert set(select_state(held, shapes(module))[0]) == {"weight", "bias"}


def test_batch_counters_may_be_missing_or_superfluous() -> None:
    bare = {name: tensor for name, tensor in NET.state_dict().items() if "num_batches" not in name}
    state, notes = select_state(checkpoint(bare), shapes(NET))
    assert state["bn.num_batches_tracked"].shape == ()
    assert list(state) == list(NET.state_dict())
    assert any("bn.num_batches_tracked" in note for note in notes)
    expected = {name: shape for name, shape in shapes(NET).items() if "num_batches" not in name}
    state, notes = select_state(checkpoint(NET.state_dict()), expected)
    assert list(state) == list(expected)
    assert any("bn.num_batches_tracked" in note for note in notes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_become_float32_with_a_note(dtype: torch.dtype) -> None:
    state, notes = select_state(checkpoint({"w": torch.tensor([1.5, -2.0]).to(dtype)}), {"w": (2,)})
    assert state["w"].dtype == np.float32
    assert state["w"].tolist() == [1.5, -2.0]
    assert any(str(dtype).removeprefix("torch.") in note for note in notes)


def test_every_misfit_is_listed() -> None:
    broken = NET.state_dict()
    del broken["fc.bias"]
    broken["extra.weight"] = torch.zeros(1)
    broken["out.weight"] = broken["out.weight"].T
    broken["bn.running_var"] = torch.tensor([1.0, float("nan"), float("inf"), 2.0])
    with pytest.raises(GradingError) as caught:
        select_state(checkpoint({"model": broken}), shapes(NET))
    failure = caught.value.failure
    assert (failure.stage, failure.kind, failure.fault) == ("checkpoint", "mismatch", "submission")
    assert "vae/best.pt" in failure.message
    assert failure.detail.splitlines() == [
        "missing: fc.bias (4,)",
        "unexpected: extra.weight (1,)",
        "of the wrong shape: out.weight is (4, 2), must be (2, 4)",
        "not finite: bn.running_var has 2 NaN or infinite of 4 values",
    ]


def test_values_beyond_float32_are_not_finite() -> None:
    with pytest.raises(GradingError, match="1 not finite"):
        select_state(checkpoint({"w": torch.tensor([1e300, 1.0], dtype=torch.float64)}), {"w": (2,)})


def test_a_file_of_another_architecture_says_what_it_holds() -> None:
    with pytest.raises(GradingError, match=r"has none of the architecture's 9 tensors.*conv\.kernel"):
        select_state(checkpoint({"conv.kernel": torch.ones(1)}), shapes(NET))
    with pytest.raises(GradingError, match="holds no tensors"):
        select_state(checkpoint({"epoch": 3}), shapes(NET))


def test_many_equal_candidates_are_chosen_from() -> None:
    value = checkpoint({f"x{index}.w": torch.zeros(1) for index in range(5_000)})
    _, notes = select_state(value, {"w": (1,)})
    assert any("would fit as well" in note for note in notes)


def test_a_summary_is_json_and_exact() -> None:
    value = {
        "w": torch.tensor([[1.0, float("nan"), -3.5]]),
        "i": torch.tensor([4, -2]),
        "void": torch.full((2,), float("inf")),
        "none": torch.empty(0),
        "epoch": 3,
        "\x1b[31mred\ud800": "x" * 1000,
        "big": 1 << 20_00,
        "loss": float("nan"),
    }
    summary = describe(checkpoint(value))
    json.dumps(summary, allow_nan=False)
    assert "\\x1b[31mred\\ud800" in summary["keys"]  # type: ignore[operator]
    rows = {row["name"]: row for row in summary["tensors"]}  # type: ignore[attr-defined]
    assert rows["w"] == {
        "name": "w",
        "shape": [1, 3],
        "dtype": "float32",
        "bytes": 12,
        "min": -3.5,
        "max": 1.0,
        "finite": False,
        "not_finite": 1,
    }
    assert (rows["i"]["min"], rows["i"]["max"], rows["i"]["bytes"]) == (-2, 4, 16)
    assert rows["void"]["min"] is None
    assert rows["void"]["not_finite"] == 2
    assert (summary["format"], summary["count"], summary["parameters"], summary["bytes"]) == ("torch-zip", 4, 5, 36)
    assert summary["keys"]["epoch"] == "3"  # type: ignore[index]
