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


def another(strength: float, purpose: str) -> State:
    """Weights of the reference conditional VAE with noise of `strength` standard deviations of each matrix.

    They stand for weights of another training: what they draw, and their hidden units, differ by far more than those of
    copies do.
    """
    generator = generator_for("examples", purpose)
    state = weights("cvae")[0]
    noisy = {
        name: value + strength * value.std() * torch.randn(value.shape, generator=generator)
        if value.ndim == 2
        else value
        for name, value in state.items()
    }
    return with_other_units(noisy, generator)


def with_other_units(state: State, generator: torch.Generator, units: int = 70) -> State:
    """The weights of a conditional VAE with some of the last hidden units, which do most, divided into two each.

    The two add different pictures, whose sum is the picture before, and their incoming weights differ so much that they
    don't count as one (`reference.hidden_units`); the second takes the place of a unit that does little. So the model
    draws nearly what it drew, by hidden units of its own.
    """
    incoming, bias, outgoing = (state[f"decoder.{name}"].clone() for name in ("2.weight", "2.bias", "4.weight"))
    order = (incoming.norm(dim=1) * outgoing.norm(dim=0)).argsort(descending=True)
    for most, least in zip(order[:units].tolist(), order[-units:].tolist(), strict=True):
        smooth = torch.randn(1, 1, 7, 7, generator=generator)
        picture = torch.nn.functional.interpolate(smooth, (28, 28), mode="bicubic").flatten()
        picture *= 0.5 * outgoing[:, most].norm() / picture.norm()
        half = outgoing[:, most] / 2
        outgoing[:, most], outgoing[:, least] = half + picture, half - picture
        apart = torch.randn(incoming.shape[1], generator=generator)
        apart *= 0.37 * incoming[most].norm() / apart.norm()
        incoming[most], incoming[least] = incoming[most] + apart, incoming[most] - apart
        bias[least] = bias[most]
    return {**state, "decoder.2.weight": incoming, "decoder.2.bias": bias, "decoder.4.weight": outgoing}


def strong(place: Path) -> None:
    """Both reference models, in checkpoints of the same form as the coursework's starter code writes them."""
    _manifest(place, "Team Gauss", ["cvae", "cgan"], {"cvae": "vae/best.pt", "cgan": "gan/best.pt"})
    for model, folder in (("cvae", "vae"), ("cgan", "gan")):
        (place / folder).mkdir()
        torch.save({architecture(model).checkpoint_key: weights(model)[0]}, place / folder / "best.pt")


def mediocre(place: Path) -> None:
    """A conditional VAE whose weights were disturbed: its digits are recognisable, with too many mistakes."""
    _manifest(place, "Team Legendre", ["cvae"], {"cvae": "cvae.safetensors"})
    save_file(another(0.66, "mediocre"), place / "cvae.safetensors")


def copied_from(place: Path) -> None:
    """A conditional VAE of which another team hands in a copy: nothing in the files says who had it first."""
    _manifest(place, "Team Newton", ["cvae"], {"cvae": "cvae.pt"})
    torch.save({"model": another(0.4, "copied")}, place / "cvae.pt")


def copy(place: Path) -> None:
    """Its copy in disguise: latent space rotated, hidden units in another order, a little noise on all weights."""
    generator = generator_for("examples", "disguise")
    state = another(0.4, "copied")
    turned = torch.linalg.qr(torch.randn(100, 100, generator=generator)).Q
    order = torch.randperm(512, generator=generator)
    state["dec_latent_fc.weight"] = state["dec_latent_fc.weight"] @ turned
    state["decoder.0.weight"] = state["decoder.0.weight"][order]
    state["decoder.0.bias"] = state["decoder.0.bias"][order]
    state["decoder.2.weight"] = state["decoder.2.weight"][:, order]
    for name, value in state.items():
        state[name] = value + 0.01 * value.std() * torch.randn(value.shape, generator=generator)
    _manifest(place, "Team Leibniz", ["cvae"], {"cvae": "cvae.safetensors"})
    save_file({name: value.contiguous() for name, value in state.items()}, place / "cvae.safetensors")


def collapsed(place: Path) -> None:
    """A conditional VAE that ignores the noise and draws one image for each digit: correct, but collapsed."""
    state = with_other_units(weights("cvae")[0], generator_for("examples", "collapsed"))
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
    shutil.copy(Path(__file__).parents[1] / "template" / "adapter.py", place / "adapter.py")
    torch.save({"state": another(0.35, "own code")}, place / "model.pt")
    (place / "submission.toml").write_text(
        '[submission]\nname = "Team Noether"\n\n[[entry]]\ntask = "conditional-generation"\npart = "cvae"\n'
        'code = "adapter.py:load"\ncheckpoint = "model.pt"\n',
        encoding="utf-8",
    )


def answers(place: Path) -> None:
    """Samples alone, drawn by the student: imgs (10000, 1, 28, 28) and labels (10000,)."""
    noise = torch.randn(10_000, 100, generator=generator_for("examples", "answers"))
    labels = torch.arange(10_000) % 10
    state = another(0.3, "answers only")
    images = shipped.sampler("cvae", state)(noise, torch.nn.functional.one_hot(labels, 10).float())
    np.savez_compressed(place / "samples.npz", imgs=images.numpy(), labels=labels.numpy())
    (place / "submission.toml").write_text(
        '[submission]\nname = "Team Fisher"\n\n[[entry]]\ntask = "conditional-generation"\npart = "cvae"\n'
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
    "copied-from": copied_from,
    "copy": copy,
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
