"""No file of the hostile corpus executes, raises another exception, or takes much memory or time."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_safetensors
from torch import nn

from harness.checkpoint import read, select_state
from harness.types import GradingError
from tests.harness.checkpoint.attacks import ATTACKS
from tests.harness.checkpoint.bundles import bundle
from tests.hostile.corpus import (
    ARCHITECTURE,
    HOSTILE,
    MARKER,
    RECOVERED,
    WEIGHT,
    state,
    tensor,
    torch_legacy,
    torch_zip,
)

ROOT = Path(__file__).parents[3]

# Limits are set on a child process, so that a bomb that gets through ends it and not the test run.
CHILD = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from harness.checkpoint import read, select_state
from harness.types import GradingError
from tests.harness.checkpoint.attacks import ATTACKS
from tests.hostile.corpus import ARCHITECTURE, HOSTILE
for name, build in (HOSTILE | ATTACKS).items():
    data = build()
    start = time.process_time()
    notes, kind, detail = [], "", ""
    try:
        checkpoint = read(data, name)
        state, more = select_state(checkpoint, ARCHITECTURE)
        notes, kind = checkpoint.notes + more, "read " + str(state["weight"].tolist())
    except GradingError as error:
        kind, detail = error.failure.kind, error.failure.message + error.failure.detail
    took = time.process_time() - start
    # ru_maxrss would begin at the parent's value.
    peak = int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) >> 10
    print(json.dumps([name, kind, detail, notes, took, peak]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[str, str, list[str], float, int]]:
    MARKER.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: tuple(rest) for name, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.corpus(
    "Parsing",
    "GLOBAL and STACK_GLOBAL code execution",
    "code-global-zip",
    "code-stack-global-zip",
    "code-inst-zip",
    "code-obj-zip",
    "code-newobj-zip",
    "code-build-zip",
    "code-global-beside-weights-zip",
    "code-stack-global-beside-weights-zip",
    "code-inst-beside-weights-zip",
    "code-obj-beside-weights-zip",
    "code-newobj-beside-weights-zip",
    "code-build-beside-weights-zip",
    "code-plain-pickle",
)
@pytest.mark.corpus(
    "Parsing",
    "the same in tar and legacy files",
    "code-global-legacy",
    "code-stack-global-legacy",
    "code-inst-legacy",
    "code-obj-legacy",
    "code-newobj-legacy",
    "code-build-legacy",
    "code-tar",
)
@pytest.mark.corpus(
    "Parsing",
    "evil attribute in a whole module",
    "code-global-in-module",
    "code-stack-global-in-module",
    "code-inst-in-module",
    "code-obj-in-module",
    "code-newobj-in-module",
    "code-build-in-module",
)
@pytest.mark.corpus("Parsing", "hash laughs", "hash-laughs", "list-laughs", "colliding-keys")
@pytest.mark.corpus("Parsing", "a million nested lists", "nested-lists", "nested-tuples", "nested-calls", "nested-key")
@pytest.mark.corpus("Parsing", "LONG_BINPUT 2³¹", "long-binput")
@pytest.mark.corpus(
    "Parsing",
    "bytearray and storage bombs",
    "bytearray",
    "bytearray8",
    "storage",
    "storage-overflow",
    "storage-legacy",
    "deflate-bomb",
    "deflate-bomb-lying",
)
@pytest.mark.corpus("Parsing", "stride-0", "stride-zero")
@pytest.mark.corpus("Parsing", "alias bomb", "aliases")
@pytest.mark.corpus("Parsing", "sparse out of bounds", "sparse")
@pytest.mark.corpus("Parsing", "numel mismatch", "numel")
@pytest.mark.corpus("Parsing", "negative offset", "offset-negative")
@pytest.mark.corpus("Parsing", "truncated", "truncated-zip", "truncated-legacy", "safetensors-truncated")
@pytest.mark.corpus("Parsing", "meta and quantised tensors", "meta", "quantised")
@pytest.mark.corpus("Parsing", "overlapping or duplicate safetensors keys", "safetensors-twins", "safetensors-overlap")
@pytest.mark.corpus("Parsing", "two roots", "zip-two-roots")
@pytest.mark.corpus("Parsing", "TorchScript file access", "torchscript")
@pytest.mark.corpus("Parsing", ".pt2 code execution", "pt2")
@pytest.mark.corpus("Parsing", "ONNX external data, bomb, endless Loop", "onnx")
@pytest.mark.parametrize("name", HOSTILE | ATTACKS)
def test_hostile_files_are_refused_or_recovered_with_a_stated_reason(name: str, outcomes: dict[str, tuple]) -> None:  # type: ignore[type-arg]
    kind, detail, notes, took, peak = outcomes[name]
    if name in RECOVERED:
        assert kind == f"read {WEIGHT.tolist()}"
        assert any("was not called" in note or "Nothing of it was run" in note for note in notes)
    else:
        assert kind in {"truncated", "malformed", "unsupported", "too-large", "mismatch", "runs-code"}
        assert name in detail
        # The message of the catch-all for unforeseen exceptions.
        assert "it is damaged." not in detail
    assert took < 20
    assert peak < 600
    assert not MARKER.exists()


def test_the_attacks_are_real() -> None:
    """Python's pickle executes an attack of the corpus, so that the reader's refusal means something."""
    import pickle

    MARKER.unlink(missing_ok=True)
    pickle.loads(HOSTILE["code-plain-pickle"]())
    assert MARKER.exists()
    MARKER.unlink()


EXPECTED = {
    "zip-duplicate": "malformed",
    "zip-overlap": "malformed",
    "zip-two-roots": "malformed",
    "zip-check-sum": "malformed",
    "deflate-bomb": "too-large",
    "deflate-bomb-lying": "malformed",
    "npz-bomb": "too-large",
    "npz-objects": "unsupported",
    "stride-zero": "too-large",
    "aliases": "too-large",
    "nested-lists": "too-large",
    "nested-tuples": "malformed",
    "list-laughs": "too-large",
    "copies": "too-large",
    "offset-negative": "malformed",
    "numel": "malformed",
    "safetensors-twins": "malformed",
    "torchscript": "unsupported",
    "pt2": "unsupported",
    "onnx": "unsupported",
    "empty": "truncated",
    "truncated-zip": "truncated",
    "truncated-legacy": "truncated",
    "tf-aliases": "malformed",
    "tf-overlap": "malformed",
    "tf-cycle": "malformed",
    "tf-blocks-overlap": "malformed",
    "tf-varint": "malformed",
    "tf-names-long": "malformed",
    "tf-names-many": "too-large",
    "tf-fields": "too-large",
    "tf-offset": "truncated",
    "tf-sliced": "unsupported",
    "tf-compressed": "unsupported",
    "weight-norm-many": "too-large",
    "refused-tensors": "too-large",
    "name-megabyte": "malformed",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_kind_of_failure_is_the_expected_one(name: str, outcomes: dict[str, tuple]) -> None:  # type: ignore[type-arg]
    assert outcomes[name][0] == EXPECTED[name]


def _samples() -> dict[str, bytes]:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    result = {}
    for form, value in (("state", net.state_dict()), ("module", net)):
        for zipped in (True, False):
            out = io.BytesIO()
            torch.save(value, out, _use_new_zipfile_serialization=zipped)
            result[f"{form}-{'zip' if zipped else 'legacy'}"] = out.getvalue()
    del result["module-legacy"]
    result["safetensors"] = save_safetensors(dict(net.state_dict()))
    out = io.BytesIO()
    np.savez_compressed(out, a=WEIGHT, b=WEIGHT[0])
    result["npz"] = out.getvalue()
    out = io.BytesIO()
    np.save(out, WEIGHT)
    result["npy"] = out.getvalue()
    result["tensorflow"] = bundle({f"layer_{place}/weight": WEIGHT + place for place in range(20)}, shards=2)
    return result


SAMPLES = _samples()


@pytest.mark.corpus("Parsing", "truncated")
@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation_is_recognised(name: str) -> None:
    data = SAMPLES[name]
    step = max(1, len(data) // 300)
    for length in sorted({*range(0, len(data), step), *range(0, 24), *range(len(data) - 24, len(data))}):
        with pytest.raises(GradingError) as caught:
            read(data[:length], "cut")
        assert caught.value.failure.kind in ("truncated", "malformed"), length
        if length > 24 and name != "tensorflow":
            assert caught.value.failure.kind == "truncated", length


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_mutated_files_are_read_or_refused(name: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(SAMPLES[name])
    for where, value in changes:
        data[int(where * len(data))] = value
    _reads_or_refuses(bytes(data))


@settings(max_examples=400, deadline=None)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    legacy=st.booleans(),
    cut=st.floats(0, 1),
    inserted=st.binary(max_size=12),
)
def test_mutated_pickles_are_read_or_refused(
    changes: list[tuple[float, int]], legacy: bool, cut: float, inserted: bytes
) -> None:
    """As above, but with correct checksums in the archive, so that the mutated pickle is reached."""
    pickled = bytearray(state(("weight", tensor(legacy=legacy)), ("other", b"](K\x01K\x02e")))
    for where, value in changes:
        pickled[int(where * len(pickled))] = value
    at = int(cut * len(pickled))
    whole = bytes(pickled[:at]) + inserted + bytes(pickled[at:])
    _reads_or_refuses(torch_legacy(whole) if legacy else torch_zip(whole))


def _reads_or_refuses(data: bytes) -> None:
    failure = None
    try:
        select_state(read(data, "mutated", budget=1 << 24), ARCHITECTURE)
    except GradingError as error:
        failure = error.failure
    if failure is not None:
        assert failure.fault == "submission"
        assert failure.kind in {"truncated", "malformed", "unsupported", "too-large", "mismatch"}


def test_names_from_a_file_are_shown_without_control_characters() -> None:
    raw = torch_zip(state(("\x1b[2J\u202eevil", tensor(offset=5))))
    with pytest.raises(GradingError) as caught:
        read(raw, "a\x1b]0;b.pt")
    assert caught.value.failure.message.isprintable()
    assert "\\x1b[2J\\u202eevil" in caught.value.failure.message


def test_reading_imports_no_torch() -> None:
    code = (
        "import sys; from harness.checkpoint import read; from tests.hostile.corpus import *; "
        "read(torch_zip(state(('weight', tensor()))), 'x'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
