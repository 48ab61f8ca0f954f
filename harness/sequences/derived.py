"""What follows from predicting one pixel at a time: whole sequences, completions, posteriors of missing pixels.

A model of pixel sequences offers `next_pixel_probabilities`, or `start` and `step`, or both (see
`harness.tasks.interfaces`); the rest is derived here, in the worker. In-painting is exact: p(missing | rest) ∝
p(whole sequence), over all 2ᵏ values of k missing pixels. A pixel that comes later is no less evidence than one that
came before, so every term from the first missing pixel to the last one of the image counts; a recurrent state may
remember for ever, so nowhere can a completion be left off. Saved is what several completions have in common: an image
is read once up to its first missing pixel, and the number of its rows doubles at each missing one. Images are taken
together in order of their first missing pixel.

Rows never mix, so nothing depends on which are computed together, or on how many threads do it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.sequences.states import Layout, NoLayoutError
from harness.types import refuse

ROWS = 1024
"""Sequences that are computed together."""
MOST_MISSING = 8
TOLERATED = 1e-6
"""How far outside [0, 1] a probability may lie; it is clipped."""
_SINGLE = torch.finfo(torch.float32).eps

Method = Callable[..., Tensor]


def method(model: Any, name: str) -> Method | None:
    """The model's own method of this name, else the derived one; None where neither is to be had.

    Completions are always derived: their pixels are decided by given random numbers.
    """
    own: Method | None = getattr(model, name, None)
    if callable(own) and name != "complete":
        return own
    stepwise = all(callable(getattr(model, each, None)) for each in ("start", "step"))
    whole = callable(getattr(model, "next_pixel_probabilities", None))
    if name == "next_pixel_probabilities" and stepwise:
        steps = Stepwise(model)
        return lambda binary: next_pixel_probabilities(steps, binary)
    if name in ("missing_posterior", "complete") and (stepwise or whole):
        source: Source = Stepwise(model) if stepwise else Whole(model)
        return source.missing_posterior if name == "missing_posterior" else source.complete
    return own if callable(own) and name != "complete" else None


def wanted(name: str) -> str:
    """What else would do in place of a method that a model lacks, as the end of a sentence."""
    return {
        "next_pixel_probabilities": ", nor start and step, from which it follows",
        "missing_posterior": ", nor start and step or next_pixel_probabilities, from which it follows",
        "complete": ", nor start and step or next_pixel_probabilities, from which completions are drawn",
    }.get(name, "")


class Source(Protocol):
    """Where completions and posteriors come from."""

    def missing_posterior(self, images: Tensor) -> Tensor:
        """Log p(missing pixels | the others), (N, 2ᵏ), for images (N, T) with −1 at k pixels each.

        Completions are counted with the first missing pixel, in raster order, as the most significant bit.
        """

    def complete(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """P(lit) of each pixel of S completions, given those before it: (N, S, L) for images (N, T) and uniforms.

        The last L pixels of each image are unknown. A pixel is lit where its uniform (N, S, L), in [0, 1), is below
        its probability.
        """


class Stepwise:
    """A model with `start` and `step`; with `scan` and `select` where it has them."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._scan = getattr(model, "scan", None)
        self._select = getattr(model, "select", None)
        self._layout = self._probed()

    @torch.no_grad()
    def start(self, n: int) -> Any:
        """The state of n sequences of which no pixel is known."""
        return self._model.start(n)

    @torch.no_grad()
    def scan(self, state: Any, pixels: Tensor) -> tuple[Tensor, Any]:
        """P(next pixel is lit) after each of `pixels` (N, T), double (N, T), and the state after the last."""
        if callable(self._scan):
            found, state = self._scan(state, pixels)
            return _probabilities(found, tuple(pixels.shape), "scan"), state
        probabilities = torch.empty(pixels.shape, dtype=torch.float64)
        for at, pixel in enumerate(pixels.t().contiguous().unbind()):
            found, state = self._step(state, pixel)
            probabilities[:, at] = found
        return probabilities, state

    def select(self, state: Any, rows: Tensor, n: int) -> Any:
        """The state of some rows, in this order and perhaps several times, of a state of n."""
        if callable(self._select):
            return self._select(state, rows)
        try:
            return self._layout.select(state, rows, n)
        except NoLayoutError as error:
            raise refuse("answers", "state", f"step: {error}") from None

    def missing_posterior(self, images: Tensor) -> Tensor:
        """Exact, by branching at each missing pixel; see `Source`."""
        positions = _missing(images)  # (N, k)
        k = positions.shape[1]
        posterior = images.new_empty(len(images), 1 << k)

        def answer(job: tuple[_Branches, Tensor]) -> None:
            branches, rows = job
            with torch.no_grad():  # a thread does not inherit it
                for pixel in positions[rows].unbind(1):
                    branches.read_to(int(pixel.min()))
                    branches.branch(pixel)
                posterior[rows] = branches.to_the_end().view(len(rows), -1).log_softmax(1).float()

        # Only a model that offers `scan` promises that several threads may ask it at once.
        threads = _processors() if callable(self._scan) else 1
        for together in torch.split(positions[:, 0].argsort(stable=True), ROWS):
            parts = torch.split(together, max(1, ROWS >> k))
            with ThreadPoolExecutor(threads) as pool:
                # Each part is on its way as soon as it is read.
                _drain(pool.map(answer, self._until_missing(images, positions, parts)))
        return posterior

    def _until_missing(
        self, images: Tensor, positions: Tensor, parts: Sequence[Tensor]
    ) -> Iterator[tuple[_Branches, Tensor]]:
        """Each of `parts`, rows in the order of their first missing pixel, read up to there along with the rest."""
        rest = _Branches.start(self, images[torch.cat(list(parts))])
        for part in parts:
            rest.read_to(int(positions[part[0], 0]))
            first, rest = rest.cut(len(part))
            yield first, part

    @torch.no_grad()
    def complete(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """One pixel after the other, all completions side by side; see `Source`."""
        n, samples, length = uniforms.shape
        known = images.shape[1] - length
        found, state = self.scan(self.start(n), images[:, :known])
        following = found[:, -1].repeat_interleave(samples)  # (N S,)
        state = self.select(state, torch.arange(n).repeat_interleave(samples), n)
        drawn = uniforms.reshape(n * samples, length)
        probabilities = torch.empty(n * samples, length)
        for at in range(length):
            probabilities[:, at] = following
            if at + 1 < length:
                lit = (drawn[:, at] < probabilities[:, at]).to(images.dtype)
                found, state = self.scan(state, lit[:, None])
                following = found[:, 0]
        return probabilities.view(n, samples, length)

    def _step(self, state: Any, pixel: Tensor) -> tuple[Tensor, Any]:
        answer = self._model.step(state, pixel)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise refuse("answers", "step", "step must return two things: the probabilities (N,) and the new state.")
        return _probabilities(answer[0], tuple(pixel.shape), "step"), answer[1]

    @torch.no_grad()
    def _probed(self) -> Layout:
        """Where a state keeps its rows, found by asking about 3 and about 5; refuses a memory that is not in it."""
        states = []
        for n in (3, 5):
            first, state = self._step(self.start(n), torch.arange(n).float() % 2)
            states.append(state)
            one, other = self.start(n), self.start(n)
            self._step(one, torch.ones(n))
            again, _ = self._step(other, torch.arange(n).float() % 2)
            if float((first - again).abs().max()) > 1e-5:
                raise refuse(
                    "answers",
                    "state",
                    "step gave different probabilities for the same state and pixel. What it remembers must lie in "
                    "the state that it returns, not in the model; and it must draw no noise (call model.eval()).",
                )
        return Layout.of(states[0], 3, states[1], 5)


class Whole:
    """A model that only answers for whole sequences."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @torch.no_grad()
    def probabilities(self, binary: Tensor) -> Tensor:
        """P(x_{t+1} = 1 | x_1 … x_t), double (N, T − 1), for sequences (N, T)."""
        found = self._model.next_pixel_probabilities(binary)
        return _probabilities(found, (len(binary), binary.shape[1] - 1), "next_pixel_probabilities")

    def missing_posterior(self, images: Tensor) -> Tensor:
        """Exact, from the whole of every completion; see `Source`."""
        positions = _missing(images)
        k = positions.shape[1]
        posterior = images.new_empty(len(images), 1 << k)
        for part in torch.split(positions[:, 0].argsort(stable=True), max(1, ROWS >> k)):
            rows = images[part]
            for pixel in positions[part].unbind(1):
                rows = _filled(rows, pixel)
            first = max(int(positions[part].min()), 1)  # nothing is predicted of the first pixel of all
            terms = log_likelihood(self.probabilities(rows)[:, first - 1 :], rows[:, first:])
            posterior[part] = terms.sum(1).view(len(part), -1).log_softmax(1).float()
        return posterior

    def complete(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """All pixels anew for every one that is drawn; see `Source`."""
        n, samples, length = uniforms.shape
        known = images.shape[1] - length
        rows = images.repeat_interleave(samples, 0)
        rows[:, known:] = 0
        drawn = uniforms.reshape(n * samples, length)
        probabilities = torch.empty(n * samples, length)
        for at in range(length):
            parts = [self.probabilities(part)[:, known + at - 1] for part in torch.split(rows, ROWS)]
            probabilities[:, at] = torch.cat(parts)
            rows[:, known + at] = (drawn[:, at] < probabilities[:, at]).to(rows.dtype)
        return probabilities.view(n, samples, length)


@dataclass
class _Branches:
    """Sequences that are read together, pixel by pixel, and that double where a pixel is missing."""

    _source: Stepwise
    _pixels: Tensor
    _state: Any
    _total: Tensor
    """Log p of what is read, (rows,), double."""
    _read: int = 0
    _following: Tensor | None = None
    """P(the next pixel is lit), (rows,), once a pixel is known."""

    @classmethod
    def start(cls, source: Stepwise, images: Tensor) -> _Branches:
        """Images (N, T) of which nothing is read yet."""
        return cls(source, images, source.start(len(images)), torch.zeros(len(images), dtype=torch.float64))

    def cut(self, n: int) -> tuple[_Branches, _Branches]:
        """The first n rows, and the others."""
        return self._rows(torch.arange(n)), self._rows(torch.arange(n, len(self._pixels)))

    def _rows(self, rows: Tensor) -> _Branches:
        following = None if self._following is None else self._following[rows]
        state = self._source.select(self._state, rows, len(self._pixels))
        return _Branches(self._source, self._pixels[rows], state, self._total[rows], self._read, following)

    def read_to(self, position: int) -> None:
        """Read the pixels before `position`."""
        if position <= self._read:
            return
        pixels = self._pixels[:, self._read : position]
        found, self._state = self._source.scan(self._state, pixels.contiguous())
        self._count(pixels[:, :1])
        self._total += log_likelihood(found[:, :-1], pixels[:, 1:]).sum(1)
        self._following, self._read = found[:, -1], position

    def branch(self, positions: Tensor) -> None:
        """Go on with 0 and with 1 at `positions` (images,), which no row has read yet."""
        n = len(self._pixels)
        self._pixels = _filled(self._pixels, positions)
        rows = torch.arange(n).repeat_interleave(2)
        self._state = self._source.select(self._state, rows, n)
        self._total = self._total[rows]
        if self._following is not None:
            self._following = self._following[rows]

    def to_the_end(self) -> Tensor:
        """Log p of the sequences (rows,), up to what all rows of an image have in common."""
        last = self._pixels.shape[1] - 1
        self.read_to(last)
        self._count(self._pixels[:, last:])
        return self._total

    def _count(self, pixel: Tensor) -> None:
        if self._following is not None:
            self._total += log_likelihood(self._following[:, None], pixel)[:, 0]


def next_pixel_probabilities(source: Stepwise, binary: Tensor) -> Tensor:
    """P(x_{t+1} = 1 | x_1 … x_t), (N, T − 1), for sequences (N, T)."""
    return source.scan(source.start(len(binary)), binary[:, :-1])[0].float()


def log_likelihood(probabilities: Tensor, pixels: Tensor) -> Tensor:
    """Log P of each of `pixels`, 0 or 1, that is lit with the given probability; shapes alike."""
    # |p − (1 − x)| is p for 1 and 1 − p for 0, to the last bit, in one new array: what costs here is fresh memory.
    return (probabilities - (pixels <= 0.5).to(probabilities.dtype)).abs_().log_()


def _missing(images: Tensor) -> Tensor:
    """The positions (N, k) of the pixels that are −1 in images (N, T), k of them in each."""
    missing = images < 0
    counts = missing.sum(1)
    k = int(counts[0])
    if not 1 <= k <= MOST_MISSING or bool((counts != k).any()):
        raise ValueError(f"every image must lack the same number of pixels, 1 to {MOST_MISSING}; found {set(counts)}")
    return missing.nonzero()[:, 1].view(-1, k)


def _drain(results: Iterator[None]) -> None:
    """Waits for all, and raises what any raised."""
    for _ in results:
        pass


def _processors() -> int:
    return max(1, len(os.sched_getaffinity(0)))


def _filled(rows: Tensor, positions: Tensor) -> Tensor:
    """Each row (R, T) twice, with 0 and then with 1 at its image's position (images,): (2R, T)."""
    twice = rows.repeat_interleave(2, 0)
    at = positions.repeat_interleave(len(twice) // len(positions))
    twice[torch.arange(len(twice)), at] = torch.arange(2, dtype=rows.dtype).repeat(len(rows))
    return twice


def _probabilities(found: Any, shape: tuple[int, ...], name: str) -> Tensor:
    """What a model gave as probabilities, double, strictly between 0 and 1 as far as its precision tells them apart."""
    values = torch.as_tensor(found)
    if values.numel() != torch.Size(shape).numel() or not values.is_floating_point():
        said = f"{tuple(values.shape)}, {str(values.dtype).removeprefix('torch.')}"
        raise refuse("answers", "wrong-shape", f"{name} gave probabilities {said}; {shape} of floats is asked for.")
    # A double next to 1 leaves more of the other value's probability than a float32 does.
    least = min(torch.finfo(values.dtype).eps, _SINGLE)
    values = values.detach().double().reshape(shape)
    low, high = (float(end) for end in values.aminmax()) if values.numel() else (0.0, 1.0)
    if not (low >= -TOLERATED and high <= 1 + TOLERATED):
        hint = "" if low != low or high != high else " They look like logits: return their sigmoid."
        message = f"{name} gave probabilities in [{low:.4g}, {high:.4g}]; allowed is [0, 1].{hint}"
        raise refuse("answers", "out-of-range", message)
    return values.clamp(least, 1 - least)
