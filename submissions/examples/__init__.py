"""Builds a small class of example submissions, good and bad, from the shipped reference weights.

They are built rather than stored, so that the repository holds no weights twice and no hostile file.
"""

from __future__ import annotations

import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from reference import architecture, shipped
from reference.seeding import generator_for

State = dict[str, torch.Tensor]


def build(folder: Path) -> list[str]:
    """Writes the example class below `folder`, which must not exist; returns the ids of its submissions."""
    folder.mkdir(parents=True)
    for identity, make in EXAMPLES.items():
        place = folder / identity
        place.mkdir()
        make(place)
    return list(EXAMPLES)


def weights(model: str) -> tuple[State, dict[str, str]]:
    """The state dict of a reference model in float32, and its options."""
    return shipped.state(model), shipped.options(model)


def strong(place: Path) -> None:
    """Both reference models, in checkpoints of the same form as the coursework's starter code writes them."""
    _manifest(place, "Team Gauss", ["cvae", "cgan"], {"cvae": "vae/best.pt", "cgan": "gan/best.pt"})
    for model, folder in (("cvae", "vae"), ("cgan", "gan")):
        (place / folder).mkdir()
        torch.save({architecture(model).checkpoint_key: weights(model)[0]}, place / folder / "best.pt")


def mediocre(place: Path) -> None:
    """A conditional VAE whose weights were disturbed: its digits are recognisable, with too many mistakes."""
    state, _ = weights("cvae")
    generator = generator_for("examples", "mediocre")
    disturbed = {
        name: value + 0.72 * value.std() * torch.randn(value.shape, generator=generator) if value.ndim == 2 else value
        for name, value in state.items()
    }
    _manifest(place, "Team Legendre", ["cvae"], {"cvae": "cvae.safetensors"})
    save_file(disturbed, place / "cvae.safetensors")


def collapsed(place: Path) -> None:
    """A conditional VAE that ignores the noise and draws one image for each digit: correct, but collapsed."""
    state, _ = weights("cvae")
    state["dec_latent_fc.weight"] = torch.zeros_like(state["dec_latent_fc.weight"])
    _manifest(place, "Team Dirac", ["cvae"], {"cvae": "cvae.pt"})
    torch.save(state, place / "cvae.pt")


def corrupt(place: Path) -> None:
    """A checkpoint whose upload broke off half-way."""
    _manifest(place, "Team Cantor", ["cvae"], {"cvae": "cvae.pt"})
    torch.save(weights("cvae")[0], place / "cvae.pt")
    content = (place / "cvae.pt").read_bytes()
    (place / "cvae.pt").write_bytes(content[: len(content) // 2])


class _Payload:
    """An object that, pickled, runs a shell command when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        import os

        return os.system, ("touch /tmp/gradebench-was-here",)


def hostile(place: Path) -> None:
    """A checkpoint that would run a command on the instructor's machine if it were unpickled."""
    _manifest(place, "<script>alert('Team Mallory')</script>", ["cvae"], {"cvae": "cvae.pt"})
    with zipfile.ZipFile(place / "cvae.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"model": _Payload()}, protocol=2))
        archive.writestr("archive/version", "3\n")


def own_code(place: Path) -> None:
    """Code of the student's own, which runs in the sandbox: the template's adapter with a trained decoder."""
    state, _ = weights("cvae")
    shutil.copy(Path(__file__).parents[1] / "template" / "adapter.py", place / "adapter.py")
    torch.save({"state": state}, place / "model.pt")
    (place / "submission.toml").write_text(
        '[submission]\nname = "Team Noether"\n\n[[entry]]\ntask = "conditional-generation"\npart = "cvae"\n'
        'code = "adapter.py:load"\ncheckpoint = "model.pt"\n',
        encoding="utf-8",
    )


def answers(place: Path) -> None:
    """Samples alone, drawn by the student: imgs (10000, 1, 28, 28) and labels (10000,)."""
    noise = torch.randn(10_000, 100, generator=generator_for("examples", "answers"))
    labels = torch.arange(10_000) % 10
    images = shipped.sampler("cgan")(noise, torch.nn.functional.one_hot(labels, 10).float())
    np.savez_compressed(place / "samples.npz", imgs=images.numpy(), labels=labels.numpy())
    (place / "submission.toml").write_text(
        '[submission]\nname = "Team Fisher"\n\n[[entry]]\ntask = "conditional-generation"\npart = "cgan"\n'
        'outputs = "samples.npz"\n',
        encoding="utf-8",
    )


def incomplete(place: Path) -> None:
    """A checkpoint that lacks two tensors and holds a NaN."""
    state, _ = weights("cvae")
    for name in ("decoder.4.weight", "decoder.4.bias"):
        del state[name]
    state["dec_label_fc.bias"][3] = float("nan")
    _manifest(place, "Team Zeno", ["cvae"], {"cvae": "last.pt"})
    torch.save({"model": state}, place / "last.pt")


EXAMPLES: dict[str, Callable[[Path], None]] = {
    "strong": strong,
    "answers-only": answers,
    "own-code": own_code,
    "mediocre": mediocre,
    "collapsed": collapsed,
    "corrupt": corrupt,
    "incomplete": incomplete,
    "hostile": hostile,
}


def _manifest(place: Path, name: str, models: list[str], checkpoints: dict[str, str]) -> None:
    lines = ["[submission]", f'name = "{name}"', ""]
    for model in models:
        options = ", ".join(f'{key} = "{value}"' for key, value in weights(model)[1].items())
        lines += [
            "[[entry]]",
            'task = "conditional-generation"',
            f'model = "{model}"',
            f'checkpoint = "{checkpoints[model]}"',
            f"options = {{ {options} }}",
            "",
        ]
    (place / "submission.toml").write_text("\n".join(lines), encoding="utf-8")
