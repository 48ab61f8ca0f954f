"""Hostile checkpoints, opened as a run opens them: in a worker, which refuses them with a reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.sandbox.outside import Isolation, WeightsWorkers, probe
from harness.sandbox.outside.isolation import check_level
from harness.types import GradingError
from tests.harness.sandbox.sandbox_asking import HERE, WEIGHTS, works
from tests.hostile.corpus import HOSTILE, MARKER, RECOVERED


@pytest.fixture(scope="module", params=["full", "reduced"])
def level(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeightsWorkers]:
    """A fork server at each level."""
    whole = probe() if request.param == "full" else Isolation("reduced", (), "")
    if whole.level != request.param or (request.param == "reduced" and not all(c.ok for c in check_level("reduced"))):
        pytest.skip(f"this machine has no isolation of the level {request.param}")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        with WeightsWorkers(whole, registries=("fake_architectures:MODELS",)) as workers:
            yield workers


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
@pytest.mark.parametrize("name", HOSTILE)
def test_a_worker_refuses_a_hostile_checkpoint_and_the_next_one_is_sound(level: WeightsWorkers, name: str) -> None:
    MARKER.unlink(missing_ok=True)
    with level.worker() as session, pytest.raises(GradingError) as caught:
        session.open_weights("hostile", {}, HOSTILE[name](), name)
    failure = caught.value.failure
    assert failure.fault == "submission"
    # Weights that are read beside an attack are two rows of three; this model wants one.
    kinds = (
        {"mismatch"}
        if name in RECOVERED
        else {"truncated", "malformed", "unsupported", "too-large", "mismatch", "runs-code"}
    )
    assert failure.kind in kinds, failure
    assert not MARKER.exists()
    with level.worker() as session:
        session.open_weights("hostile", {}, WEIGHTS, "model.npz")
        assert works(session)
