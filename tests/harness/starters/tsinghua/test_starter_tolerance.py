"""Tests of repositories in the starter's layout that deviate, fail or attack, in the real sandbox."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.sandbox.outside import CODE_LIMITS, Isolation, Worker
from harness.types import ArraySpec, GradingError, Question
from tests.harness.starters.tsinghua import starter_repository
from tests.harness.starters.tsinghua.starter_repository import EBM, FLOW, asked, digest, inpainted


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return starter_repository.write(tmp_path_factory.mktemp("class") / "small", hidden=40)


def test_the_flow_gives_the_answers_that_its_author_gets(full: Isolation, small: Path, tmp_path: Path) -> None:
    images, mask = asked()
    images[mask] = np.where(images[mask] > 0.5, 0.9999, 0.0001)
    found, _ = inpainted(full, small, FLOW, images, mask)
    noise = torch.rand(784, generator=torch.Generator().manual_seed(0)).numpy().reshape(28, 28) / 256
    known = (images + noise) / (1 + 1 / 256) * (0.9999 - 0.0001) + 0.0001
    np.save(tmp_path / "asked.npy", np.where(mask, images, known).reshape(3, 784).astype(np.float32))
    np.save(tmp_path / "mask.npy", mask.reshape(3, 784))
    starter_repository.as_student(
        small / "flow",
        f"""
        model = torch.load("models/checkpoint_best.pt", map_location="cpu", weights_only=False).eval()
        model.device, model.cuda = "cpu", lambda: None
        asked, mask = (torch.from_numpy(np.load({str(tmp_path)!r} + name)) for name in ("/asked.npy", "/mask.npy"))
        np.save({str(tmp_path / "found.npy")!r}, model.inpainting(3, asked, mask, {str(tmp_path)!r}).detach().numpy())
        """,
    )
    np.testing.assert_allclose(found[mask], np.load(tmp_path / "found.npy")[mask], atol=3e-5)
    np.testing.assert_array_equal(found[~mask], images[~mask])
    assert np.abs(found - images)[mask].mean() > 0.001


@pytest.mark.parametrize("entry", [EBM, FLOW])
def test_the_answers_are_the_same_if_nothing_can_be_written(
    full: Isolation, reduced: Isolation, small: Path, entry: tuple[str, str]
) -> None:
    images, mask = asked()
    before = digest(small)
    found, notes = inpainted(reduced, small, entry, images, mask)
    np.testing.assert_array_equal(found, inpainted(full, small, entry, images, mask)[0])
    assert "no place to write" in notes
    assert digest(small) == before


SCRIPT = """
    import argparse
    import os
    from pathlib import Path

    import numpy as np
    import torch
    from torch import nn

    HERE = Path(__file__).parent


    class Net(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(size))


    class Trainer:
        def __init__(self, net, args):
            self.net, self.device = net, args.device

        def inpainting(self, corrupted, mask, n=60):
            assert n == 60
            x = corrupted.to(device)
            for folder in (HERE / "new" / "two", Path("out") / "two"):
                folder.mkdir(parents=True, exist_ok=True)
                os.makedirs(folder / "more" / "yet", exist_ok=True)
                for name in ("recovered.npy", "large.npy", "two/new.npy"):
                    np.save(folder.parent.parent / ("new/" + name if "two" in name else name), x)
                torch.save(x, folder / "more" / "x.pt")
                torch.save(x, folder.parent.parent / "models" / "x.pt")
            replaced = np.load("recovered.npy").shape == x.shape
            return x + mask * (scale * args.k + self.net.weight.sum() + replaced)

        def load(self, path):
            self.net.load_state_dict(torch.load(path, map_location=self.device)["model"])


    def sketch(net):
        return Trainer(net, None)


    def small(args):
        return Trainer(Net(2), args)


    def main(net, args):
        trainer = Trainer(net, args)
        print(trainer.inpainting(torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28)))


    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--k", type=int, default=3)
        parser.add_argument("--play", action="store_true")
        args = parser.parse_args()
        device = args.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        scale = float("10")
        main(Net(3), args)
    """
TEXT = "python ebm/main.py --play --k 7\npython vae/main.py --play --k 9\n"


@pytest.mark.parametrize("level", ["full", "reduced"])
def test_a_single_script_that_saves_over_its_own_files(
    request: pytest.FixtureRequest, tmp_path: Path, level: str
) -> None:
    changed = {"ebm/main.py": SCRIPT, "ebm/ebm.py": "", "ebm/notes.txt": "", "README.md": TEXT}
    root = starter_repository.write(tmp_path / "team", parts="", changed=changed)
    (root / EBM[1]).parent.mkdir()
    torch.save({"model": {"weight": torch.tensor([1.0, 2.0, 4.0])}}, root / EBM[1])
    np.save(root / "ebm" / "recovered.npy", np.zeros(5))
    with (root / "ebm" / "large.npy").open("wb") as file:
        file.truncate(65 << 20)
    before = digest(root)
    images, mask = asked()
    found, notes = inpainted(request.getfixturevalue(level), root, EBM, images, mask)
    replaced = level == "full"
    np.testing.assert_allclose(found, images + mask * (10 * 7 + 1 + 2 + 4 + replaced), rtol=1e-6)
    assert digest(root) == before
    assert "the command in README.md" in notes
    assert ("beside its own files was thrown away" if replaced else "no place to write") in notes


FROM_MAIN = """
import runpy, sys
names = runpy.run_path("realnvp.py", run_name="__main__")
globals().update({n: v for n, v in names.items() if getattr(v, "__module__", "") == "__main__"})
half = (torch.arange(784) % 2).float()
torch.save(FlowSequential(torch.device("cpu"), CouplingLayer(784, 8, half)).eval(), "models/checkpoint_best.pt")
"""


def test_a_model_pickled_by_the_script_that_defines_and_trains_it(full: Isolation, tmp_path: Path) -> None:
    root = starter_repository.write(tmp_path / "team", parts="")
    (root / "flow" / "models").mkdir()
    starter_repository.as_student(root / "flow", FROM_MAIN)
    (root / "flow" / "train.py").unlink()
    script = root / "flow" / "realnvp.py"
    script.write_text("from sys import argv\nrun = argv[1]\n" + script.read_text() + "\nwhile True:\n    print(run)\n")
    images, mask = asked()
    found, notes = inpainted(full, root, FLOW, images, mask)
    assert "FlowSequential was pickled from a script that was run; it was taken from realnvp.py" in notes
    assert np.abs(found - images)[mask].mean() > 0.001


NO_ANSWER = "class Trainer:\n    def inpainting(self, corrupted, mask):\n        print('done')\n"


@pytest.mark.parametrize(
    ("changed", "parts", "entry", "kind", "said"),
    [
        ({"ebm/ebm.py": "class Trainer: ...\n"}, "", EBM, "missing-method", "No class in ebm/ has a method inpainting"),
        ({"ebm/ebm.py": NO_ANSWER, "ebm/main.py": ""}, "", EBM, "no-settings", "hand in a code entry"),
        ({"ebm/ebm.py": NO_ANSWER, "ebm/main.py": "t = Trainer()"}, "", EBM, "exception", "'load'"),
    ],
)
def test_a_part_that_cannot_be_used_is_refused_with_the_reason(
    full: Isolation,
    tmp_path: Path,
    changed: Mapping[str, str],
    parts: str,
    entry: tuple[str, str],
    kind: str,
    said: str,
) -> None:
    root = starter_repository.write(tmp_path / "team", parts=parts, changed=changed)
    (root / entry[1]).parent.mkdir(exist_ok=True)
    torch.save({"model": {"weight": torch.ones(2)}}, root / entry[1])
    with Worker(full, limits=CODE_LIMITS) as worker, pytest.raises(GradingError) as caught:
        worker.open_code(root, *entry)
    failure = caught.value.failure
    assert (failure.kind, failure.fault) == (kind, "submission"), failure
    assert said in failure.message


def test_a_state_dict_of_a_flow_is_refused_with_the_call_to_write(full: Isolation, tmp_path: Path) -> None:
    root = starter_repository.write(tmp_path / "team", parts="")
    (root / "flow" / "models").mkdir()
    torch.save({"0.scale_net.0.weight": torch.ones(2, 2)}, root / FLOW[1])
    with Worker(full, limits=CODE_LIMITS) as worker, pytest.raises(GradingError, match=r"torch\.save\(model, path\)"):
        worker.open_code(root, *FLOW)


HOSTILE = """
    import os, pathlib, sys, torch

    HERE = pathlib.Path(__file__).parent

    def writes(path):
        path.write_bytes(b"mine")
        assert path.read_bytes() == b"mine"

    def tries():
        yield lambda: writes(HERE / "realnvp.py")
        yield lambda: writes(HERE / "models" / "checkpoint_best.pt")
        yield lambda: writes(HERE / "new.txt")
        yield lambda: writes(HERE.parent / "submission.toml")
        # It changes nothing, and does not say so, for the sake of shutil.copy.
        yield lambda: (os.chmod(HERE, 0o777), 1 / (os.stat(HERE).st_mode & 0o777 == 0o777))
        yield lambda: os.unlink(HERE / "realnvp.py")
        yield lambda: os.symlink("/etc", HERE / "etc")
        yield lambda: open(__TRUTH__, "rb").read(1)
        yield lambda: os.listdir(os.path.dirname(__TRUTH__))
        yield lambda: os.system("true") and 1 / 0
        yield lambda: os.fork()
        yield lambda: __import__("reference")
        yield lambda: __import__("classifiers")

    class Evil:
        def __reduce__(self):
            return os.system, ("touch __MARKER__",)

    class FlowSequential(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.evil = 1

        def inpainting(self, num_samples, inputs, mask, savedir):
            from harness.student_code import tolerated
            for number in range(100_000):
                tolerated.tolerate(f"<script>\\x1b[31m {number}")
            found = torch.zeros(num_samples, 784)
            for number, act in enumerate(tries()):
                try:
                    act()
                except BaseException:
                    continue
                found[:, number] = 1
            return found
"""


def test_code_that_attacks_gains_nothing(full: Isolation, tmp_path: Path) -> None:
    truth = tmp_path / "truth" / "labels.npz"
    truth.parent.mkdir()
    truth.write_bytes(b"labels")
    marker = tmp_path / "marker"
    source = textwrap.dedent(HOSTILE).replace("__TRUTH__", repr(str(truth))).replace("__MARKER__", str(marker))
    root = starter_repository.write(tmp_path / "team", parts="", changed={"flow/realnvp.py": source})
    (root / "flow" / "models").mkdir()
    starter_repository.as_student(
        root / "flow",
        """
        import realnvp
        model = realnvp.FlowSequential()
        model.other = realnvp.Evil()
        torch.save(model, "models/checkpoint_best.pt")
        """,
    )
    before = digest(root)
    images, mask = asked()
    images[:] = 0.5
    with Worker(full, limits=CODE_LIMITS) as worker:
        worker.open_code(root, *FLOW)
        answer = worker.ask(
            Question("inpaint", {"images": images, "mask": np.ones_like(mask)}, {"images": ArraySpec(images.shape)}),
            300.0,
        )
        assert answer["images"].sum() == 0.0, np.flatnonzero(answer["images"][0]).tolist()
        assert len(worker.notes) <= 50
        assert not any("\x1b" in note for note in worker.notes)
    assert digest(root) == before
    assert not marker.exists()


def test_the_parent_never_imports_the_workers_side() -> None:
    program = (
        "import sys, torch; load = torch.load\n"
        "import harness.intake, harness.run.run, harness.sandbox.inside.serve\n"
        "from harness.sandbox.outside import WeightsWorkers, Worker\n"
        "from harness.starters import starters\n"
        "allowed = {'harness.student_code.tolerated', 'harness.starters.tsinghua.recognition'}\n"
        "sides = ('harness.student_code.', 'harness.starters.tsinghua.')\n"
        "found = {name for name in sys.modules if name.startswith(sides)} - allowed\n"
        "assert starters() and not found, found\n"
        "assert torch.load is load\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=starter_repository.ROOT)
