"""Adapts a model that offers `start` and `step`: reads many pixels at once, and draws completions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.sequences.probabilities import checked
from harness.sequences.states import Layout, NoLayoutError
from harness.types import refuse


class Stepwise:
    """A model with `start` and `step`, and with `scan` and `select` where it offers them.

    GradingError, stage "answers", where the model keeps what it remembers outside the state that `step` returns.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._scan = getattr(model, "scan", None)
        self._select = getattr(model, "select", None)
        self._layout = self._probed_layout()

    @property
    def allows_threads(self) -> bool:
        """Tells whether several threads may use the model at once, which only a model that offers `scan` promises."""
        return callable(self._scan)

    @torch.no_grad()
    def start(self, n: int) -> Any:
        """The state of n sequences of which no pixel is known."""
        return self._model.start(n)

    @torch.no_grad()
    def scan(self, state: Any, pixels: Tensor) -> tuple[Tensor, Any]:
        """P(next pixel = 1) after each of `pixels` (N, T), double (N, T), and the state after the last."""
        if callable(self._scan):
            found, state = self._scan(state, pixels)
            return checked(found, tuple(pixels.shape), "scan"), state
        probabilities = torch.empty(pixels.shape, dtype=torch.float64)
        for at, pixel in enumerate(pixels.t().contiguous().unbind()):
            found, state = self._step(state, pixel)
            probabilities[:, at] = found
        return probabilities, state

    def select(self, state: Any, rows: Tensor, n: int) -> Any:
        """The state of the sequences `rows` (R,), in this order and with repetitions, out of a state of n."""
        if callable(self._select):
            return self._select(state, rows)
        try:
            return self._layout.select(state, rows, n)
        except NoLayoutError as error:
            raise refuse("answers", "state", f"step: {error}") from None

    def next_pixel_probabilities(self, binary: Tensor) -> Tensor:
        """P(x_{t+1} = 1 | x_1 … x_t), float32 (N, T − 1), for sequences (N, T)."""
        return self.scan(self.start(len(binary)), binary[:, :-1])[0].float()

    @torch.no_grad()
    def complete(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Draws S completions of each image, all side by side; see `derived.method`."""
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
        return checked(answer[0], tuple(pixel.shape), "step"), answer[1]

    @torch.no_grad()
    def _probed_layout(self) -> Layout:
        """The layout of the model's states, found from states of 3 and of 5 sequences.

        Each first step is made twice, from states of their own, and the probabilities are compared: they differ where
        the model remembers something outside its state, or draws noise.
        """
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
                    "step returned different probabilities for the same state and pixel. Everything that it remembers "
                    "must lie in the state that it returns, not in the model; and it must draw no noise: call "
                    "model.eval().",
                )
        return Layout.of(states[0], 3, states[1], 5)
