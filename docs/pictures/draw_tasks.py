"""Draws the pictures of docs/tasks.md: for each task a question, an answer, and the truth.

`python docs/pictures/draw_tasks.py` writes task-<name>.svg beside this file. Questions are the tasks' own, of the
digits that scikit-learn ships; answers are those of shipped reference models and of trivial baselines. A test fails
while a picture is another one than this draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from strips import Bars, Digits, Panel, Words, svg
from torch import Tensor, nn

from classifiers.judge import Judge
from harness import mnist
from harness.sequences import derived
from harness.tasks import TASKS, task
from harness.tasks.base import Context
from harness.tasks.symbols import streams
from harness.types import Entry, Kind, Question
from reference import berlin_functions, shipped, ucl_functions

SHOWN = 3  # digits in a panel
HEADINGS = ("asked", "answered", "truth")
CODES = ("asked", "codes", "each digit, and decoded")
OWN_HEADINGS = {
    "generation": ("noise", "answered", "real digits"),
    "symbol-prediction": ("asked", "answered, after each symbol", "the Bayes predictor"),
    "next-pixel": ("asked, pixel by pixel", "probabilities", "truth"),
    "reconstruction": CODES,
    "bernoulli-density": CODES,
    "conditional-density": CODES,
    "continuous-density": ("asked", "codes", "back from the codes"),
}
Three = tuple[Panel, Panel, Panel]


@cache
def context() -> Context:
    """The embedded digits, the shipped judge, and seed 0."""
    return Context(mnist.embedded(), Judge.shipped(), seed=0)


def questions(name: str, part: str = "", **options: str) -> Sequence[Question]:
    """The task's own questions."""
    return task(name).questions(context(), Entry(name, Kind.CODE, part or name, options=options))


def first(question: Question, count: int = SHOWN) -> dict[str, Tensor]:
    """The first rows of a question's inputs."""
    return {name: torch.from_numpy(np.asarray(value)[:count].copy()) for name, value in question.inputs.items()}


def method(model: str, name: str) -> Callable[..., Any]:
    """A method of a reference model, its own or derived."""
    found = derived.method(shipped.module(model), name)
    assert found is not None, f"{model} has no {name}"
    return found


def truth(count: int | None = SHOWN) -> NDArray[np.float32]:
    """The first test images, or all."""
    return context().data.test.images[:count]


def numbers(values: Any) -> str:
    """Numbers to two digits behind the point, in parentheses."""
    return "(" + ", ".join(f"{float(value):.2f}" for value in np.ravel(values)) + ")"


def conditional_generation() -> Three:
    """Labels, samples of the conditional VAE, and what the judge reads."""
    inputs = first(questions("conditional-generation")[0])
    with torch.no_grad():
        images = method("cvae", "sample")(*inputs.values()).numpy()
    asked = [str(int(label)) for label in inputs["labels_one_hot"].argmax(1)]
    read, _ = context().judge.decide(images)
    return Words(["  ".join(asked)], 26), Digits(images), Words(["read as", "  ".join(map(str, read))], 20)


def generation() -> Three:
    """Noise, samples of the DCGAN, and training digits."""
    noise = torch.randn(SHOWN, 100, generator=context().generator("pictures", "generation"))
    with torch.no_grad():
        images = method("dcgan", "sample")(noise).numpy()
    asked = np.pad(np.kron(noise[0].reshape(10, 10).numpy() / 4 + 0.5, np.ones((2, 2))), 4)[None].astype(np.float32)
    return Digits(asked), Digits(images), Digits(context().data.train.images[:SHOWN])


def inpainting(name: str, model: str = "", baseline: str = "") -> Three:
    """Images with missing pixels, filled in by a reference model or a baseline."""
    question = questions(name)[0]
    inputs = first(question)
    if baseline:
        images = task(name).baselines[baseline].answer(context(), questions(name))[0]["images"][:SHOWN]
    else:
        images = method(model, "inpaint")(*inputs.values()).detach().numpy()
    holes = inputs["mask"].numpy() if name == "patch-inpainting" else None
    return Digits(inputs["images"].numpy(), holes), Digits(images), Digits(truth())


def next_pixel() -> Three:
    """Binarised digits, and for each pixel the probability that it is lit, given those before it."""
    binary = first(questions("next-pixel")[0])["binary"]
    with torch.no_grad():
        later = method("pixelcnn", "next_pixel_probabilities")(binary)
    given = torch.cat([torch.zeros(len(binary), 1), later], 1).numpy()
    unknown = np.tile(np.arange(784) >= 400, (SHOWN, 1))
    return Digits(binary.numpy(), unknown), Digits(given), Digits(binary.numpy())


def image_completion() -> Three:
    """Digits of which the last 300 pixels are missing, and one completion of each by the LSTM."""
    question = next(one for one in questions("image-completion") if one.method == "complete")
    inputs, lstm = first(question), shipped.module("pixel-lstm")
    completed, uniforms = inputs["images"].clone(), inputs["uniforms"][:, 0]
    with torch.no_grad():
        state = lstm.start(SHOWN)
        for pixel in range(783):
            given, state = lstm.step(state, completed[:, pixel])
            if pixel + 1 >= 484:
                completed[:, pixel + 1] = (uniforms[:, pixel + 1 - 484] < given).float()
    missing = np.tile(np.arange(784) >= 484, (SHOWN, 1))
    whole = first(questions("image-completion")[0])["binary"]
    return Digits(inputs["images"].numpy(), missing), Digits(completed.numpy()), Digits(whole.numpy())


def missing_pixels(name: str) -> Three:
    """Digits with a hole, and the probability of its most probable completion."""
    images = first(questions(name)[0])["images"]
    with torch.no_grad():
        given = method("pixelcnn", "missing_posterior")(images).exp().numpy()
    holes = (images < 0).numpy()
    answered, lit = images.numpy().copy(), (truth(None).reshape(-1, 784) > 0.3).astype(np.float32)
    # The question does not say which test image it is: the one that agrees in all pixels that are not missing.
    whole = np.stack([lit[((lit == row) | (row < 0)).all(1)][0] for row in images.numpy()])
    pixels = int(np.log2(given.shape[1]))
    for row, best in enumerate(given.argmax(1)):
        answered[row, holes[row]] = [int(best) >> (pixels - 1 - bit) & 1 for bit in range(pixels)]
    return Digits(np.clip(images.numpy(), 0, 1), holes), Digits(answered), Digits(whole)


def symbol_prediction() -> Three:
    """A stream of symbols, and the probabilities of the next one by the LSTM and by the Bayes predictor."""
    one_hot = first(questions("symbol-prediction", "symbols-m1")[0], 1)["one_hot"]
    with torch.no_grad():
        given = method("dirichlet-lstm-m1", "next_symbol_probabilities")(one_hot)[0].double().numpy()
    best = streams.best_predictions(streams.process_of("M1"), one_hot.argmax(2).numpy())[0]
    letters = "".join("123R"[int(symbol)] for symbol in one_hot[0].argmax(1)[:5])
    return Words([" ".join(letters) + " …"], 20), Bars(given[:5]), Bars(best[:5])


def codes(name: str, model: str, *labels: str) -> Three:
    """Digits, their codes, and what the decoder makes of them beside the digit."""
    inputs = first(questions(name, code="10")[0])
    network = shipped.module(model)
    with torch.no_grad():
        code = network.encode(*inputs.values())
        code = code[0] if isinstance(code, tuple) else code
        decoded = network.decode(code, *[inputs[label] for label in labels]).reshape(-1, 784).numpy()
    shown = np.concatenate(
        [truth().reshape(SHOWN, 784)[:1], decoded[:1], truth().reshape(SHOWN, 784)[1:2], decoded[1:2]]
    )
    spread = code.double().numpy()[:, :10]
    scaled = (spread - spread.min()) / (spread.max() - spread.min())
    return Digits(truth()), Bars(scaled), Digits(shown)


def continuous_density() -> Three:
    """Digits as logits, their codes by the flow, and the round trip."""
    values = first(questions("continuous-density")[0])["values"]
    flow = shipped.module("realnvp")
    with torch.no_grad():
        z, _ = flow(values)
        back = flow.inverse(z)
    pixels = [torch.sigmoid(one).numpy() for one in (values, back)]
    return Digits(pixels[0]), Digits((z / 6 + 0.5).clamp(0, 1).numpy()), Digits(pixels[1])


def mixture_density() -> Three:
    """A derivative of the sheet, by the formula and by automatic differentiation."""
    alpha, mu, sigma, t = np.array([0.3, 0.7]), np.array([[-1.0], [1.0]]), np.array([0.5, 1.0]), np.array([0.4])
    free = torch.tensor(alpha, requires_grad=True)
    squares = torch.tensor((t - mu) ** 2).sum(1)
    phi = torch.exp(-squares / (2 * torch.tensor(sigma) ** 2)) / (2 * torch.pi * torch.tensor(sigma) ** 2) ** 0.5
    (gradient,) = torch.autograd.grad(-(free * phi).sum().log(), free)
    asked = [f"α {numbers(alpha)}  μ {numbers(mu)}", f"σ {numbers(sigma)}  t {t[0]:.2f}", "∂E/∂α ?"]
    return Words(asked), Words([numbers(berlin_functions.dE_dalpha(alpha, mu, sigma, t))]), Words([numbers(gradient)])


def conditional_rbm() -> Three:
    """Hidden probabilities of a small machine, by the formula and by summing over all states."""
    x, y = np.array([1.0, 0.0]), np.array([1.0])
    weights, more = np.array([[0.5, -1.0], [0.3, 0.2]]), np.array([[1.0, 0.4]])
    states = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    mass = np.exp(states @ (x @ weights + y @ more))
    summed = (mass[:, None] * states).sum(0) / mass.sum()
    asked = [f"x {numbers(x)}  y {numbers(y)}", "W, U as given", "p(h = 1 | x, y) ?"]
    return (
        Words(asked),
        Words([numbers(berlin_functions.hidden_probability(x, y, weights, more))]),
        Words([numbers(summed)]),
    )


def pca_projection() -> Three:
    """Digits, projected on ten principal components, by the function and from the products of images."""
    x, z = (part.images.reshape(-1, 784).astype(np.float64) for part in (context().data.train, context().data.test))
    x, z = x[:100], z[:SHOWN]
    values, vectors = np.linalg.eigh((x - x.mean(0)) @ (x - x.mean(0)).T)
    basis = (x - x.mean(0)).T @ vectors[:, -10:] / np.sqrt(values[-10:])
    exact = x.mean(0) + (z - x.mean(0)) @ basis @ basis.T
    given = berlin_functions.pca(z, x, 10)
    return Digits(z.astype(np.float32)), Digits(given.astype(np.float32)), Digits(exact.astype(np.float32))


def energy_error() -> Three:
    """The loss of energy-based learning, by the function and from its two energies."""
    x = torch.from_numpy(truth(1).reshape(1, 784).astype(np.float64))
    hole = torch.zeros(1, 784, dtype=torch.float64)
    hole.view(28, 28)[11:17, 11:17] = 1
    z = torch.where(hole > 0, torch.full_like(x, 0.5), x)
    energy, generator = nn.Linear(784, 1).double(), nn.Identity()
    nn.init.constant_(energy.weight, 0.02)
    nn.init.zeros_(energy.bias)
    with torch.no_grad():
        given = berlin_functions.err(x, hole, z, generator, energy)
        by_hand = torch.log1p(torch.exp(energy(x) - energy(z)))
    missing = (hole > 0).numpy()
    return (
        Digits(x.numpy().astype(np.float32), missing),
        Words([f"err = {float(given):.3f}"]),
        Words([f"{float(by_hand):.3f}"]),
    )


def pixel_posterior() -> Three:
    """The posterior of a missing pixel from the predictions of both completions, and from the joint probabilities."""
    predictions = np.array([[0.8, 0.3], [0.8, 0.6]])
    completions = np.array([[1, 0, 1], [1, 1, 1]])
    joint = np.array([0.2 * 0.3, 0.8 * 0.6])
    asked = ["1 ? 1", f"if 0: {numbers(predictions[0])}", f"if 1: {numbers(predictions[1])}"]
    given = ucl_functions.one_pixel_posterior(predictions, completions)
    return Words(asked), Words([numbers(given)]), Words([numbers(joint / joint.sum())])


def dirichlet_update() -> Three:
    """The prediction after three letters, by the function and from the counts."""
    letters = [0, 0, 2]
    one_hot = np.eye(4)[[*letters, 0]]
    given = ucl_functions.dirichlet_predictions(one_hot, np.array([10.0, 1.0, 1.0]), 20)[len(letters) - 1]
    exact = np.array([12, 1, 2, 0]) / 15
    return Words(["α (10, 1, 1), T 20", "1 1 3 ?"]), Words([numbers(given)]), Words([numbers(exact)])


PICTURES: Mapping[str, Callable[[], Three]] = {
    "conditional-generation": conditional_generation,
    "generation": generation,
    "patch-inpainting": lambda: inpainting("patch-inpainting", "mdn"),
    "row-inpainting": lambda: inpainting("row-inpainting", baseline="ridge"),
    "half-inpainting": lambda: inpainting("half-inpainting", baseline="ridge"),
    "half-inpainting-extended": lambda: inpainting("half-inpainting-extended", baseline="nearest-image"),
    "next-pixel": next_pixel,
    "image-completion": image_completion,
    "one-pixel-inpainting": lambda: missing_pixels("one-pixel-inpainting"),
    "two-by-two-inpainting": lambda: missing_pixels("two-by-two-inpainting"),
    "symbol-prediction": symbol_prediction,
    "reconstruction": lambda: codes("reconstruction", "stacked-autoencoder-10"),
    "bernoulli-density": lambda: codes("bernoulli-density", "vae-10"),
    "conditional-density": lambda: codes("conditional-density", "cvae", "labels_one_hot"),
    "continuous-density": continuous_density,
    "mixture-density": mixture_density,
    "conditional-rbm": conditional_rbm,
    "pca-projection": pca_projection,
    "energy-error": energy_error,
    "pixel-posterior": pixel_posterior,
    "dirichlet-update": dirichlet_update,
}


def drawn(name: str) -> str:
    """The picture of a task, as SVG."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these models are so small that threads would wait for each other
    panels = PICTURES[name]()
    torch.set_num_threads(threads)
    named = zip(OWN_HEADINGS.get(name, HEADINGS), panels, strict=True)
    return svg(f"{name}: a question, an answer, the truth", list(named))


if __name__ == "__main__":
    for each in TASKS:
        Path(__file__).with_name(f"task-{each}.svg").write_text(drawn(each), encoding="utf-8")
