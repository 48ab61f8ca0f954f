"""Compares completions and posteriors with brute force over whole sequences of 4 × 4 images."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from harness.sequences import branches, derived
from harness.types import GradingError
from reference.pixel_rnn import PixelRNN

pytestmark = pytest.mark.numeric

SIDE = 4
LENGTH = SIDE * SIDE


class WholeSequences(nn.Module):
    """A GRU of two layers that gives P(x_{t+1} | x_1 … x_t), for whole sequences alone."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, 5, num_layers=2, batch_first=True)
        self.out = nn.Linear(5, 1)
        generator = torch.Generator().manual_seed(3)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.8, generator=generator)

    def next_pixel_probabilities(self, binary):
        hidden, _ = self.rnn(binary[:, :-1, None])
        return self.out(hidden).squeeze(-1).sigmoid()


class LayersFirst(WholeSequences):
    """The same model in steps; its state is torch's (layers, N, H), so that N is the second dimension."""

    next_pixel_probabilities = None

    def start(self, n):
        return torch.zeros(2, n, 5)

    def step(self, state, pixel):
        out, state = self.rnn(pixel[:, None, None], state)
        return self.out(out[:, -1]).squeeze(1).sigmoid(), state


class BatchFirst(LayersFirst):
    """The same with a nested state: a dictionary, a tuple of (N, H) for each layer, a counter, a shared table."""

    def start(self, n):
        return {"layers": (torch.zeros(n, 5), torch.zeros(n, 5)), "at": 0, "table": torch.ones(7), "seen": None}

    def step(self, state, pixel):
        assert state["table"].shape == (7,)
        probability, after = super().step(torch.stack(state["layers"]), pixel)
        seen = pixel[:, None] if state["seen"] is None else torch.cat([state["seen"], pixel[:, None]], 1)
        return probability, {
            "layers": tuple(after.unbind()),
            "at": state["at"] + 1,
            "table": state["table"],
            "seen": seen,
        }


class RemembersPixels(WholeSequences):
    """The same with a state that grows: a numpy array for each pixel so far."""

    next_pixel_probabilities = None

    def start(self, n):
        return []

    def step(self, state, pixel):
        state = [*state, pixel.numpy().copy()]
        binary = torch.from_numpy(np.stack([*state, np.zeros_like(state[0])], axis=1))
        return WholeSequences.next_pixel_probabilities(self, binary)[:, -1].numpy(), state


class Selects(LayersFirst):
    """The same with a state of its own class, which only the model's `select` can take apart."""

    class State:
        def __init__(self, hidden):
            self.hidden = hidden

    def start(self, n):
        return self.State(super().start(n))

    def step(self, state, pixel):
        probability, hidden = super().step(state.hidden, pixel)
        return probability[:, None], self.State(hidden)

    def select(self, state, rows):
        return self.State(state.hidden[:, rows])


class Scans(LayersFirst):
    """The same with `scan`, which makes several steps at once."""

    def scan(self, state, pixels):
        out, state = self.rnn(pixels[:, :, None], state)
        return self.out(out).squeeze(2).sigmoid(), state


KINDS = [WholeSequences, LayersFirst, BatchFirst, RemembersPixels, Selects, Scans]


def holes(k, n=12, seed=0):
    """Random images in which k pixels at random places are −1."""
    generator = torch.Generator().manual_seed(seed)
    images = (torch.rand(n, LENGTH, generator=generator) > 0.6).float()
    for image in images:
        image[torch.randperm(LENGTH, generator=generator)[:k]] = -1
    return images


def brute_force(image):
    """Log p of all values of the missing pixels of one image (T,), from whole sequences in double precision."""
    model = WholeSequences().double()
    missing = (image < 0).nonzero()[:, 0]
    found = []
    for values in itertools.product((0.0, 1.0), repeat=len(missing)):
        whole = image.double().clone()
        whole[missing] = torch.tensor(values, dtype=torch.float64)
        p = model.next_pixel_probabilities(whole[None])[0]
        found.append((whole[1:] * p.log() + (1 - whole[1:]) * (1 - p).log()).sum())
    return torch.stack(found).detach().log_softmax(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 4])
def test_posterior_equals_brute_force(kind, k):
    images = holes(k)
    posterior = derived.method(kind(), "missing_posterior")(images)
    assert posterior.shape == (len(images), 2**k)
    for image, row in zip(images, posterior, strict=True):
        assert torch.allclose(row.double(), brute_force(image), atol=1e-5)


@pytest.mark.parametrize("kind", [WholeSequences, LayersFirst, Scans])
@pytest.mark.parametrize("missing", [(0,), (15,), (0, 15), (0, 1, 14, 15)])
def test_posterior_at_the_ends_of_the_image(kind, missing):
    images = holes(1, n=6).abs()
    images[:, list(missing)] = -1
    posterior = derived.method(kind(), "missing_posterior")(images)
    for image, row in zip(images, posterior, strict=True):
        assert torch.allclose(row.double(), brute_force(image), atol=1e-5)


@pytest.mark.parametrize("kind", [LayersFirst, Scans])
def test_posterior_does_not_depend_on_companions_or_blocks(kind, monkeypatch):
    images = holes(2, n=100)
    method = derived.method(kind(), "missing_posterior")
    together = method(images)
    alone = torch.cat([method(image[None]) for image in images[:6]])
    assert torch.allclose(together[:6], alone, atol=1e-6)
    monkeypatch.setattr(branches, "ROWS", 8)
    assert torch.allclose(method(images), together, atol=1e-6)


def test_posteriors_are_the_same_on_any_number_of_threads(monkeypatch):
    images = holes(4, n=150)
    method = derived.method(Scans(), "missing_posterior")
    monkeypatch.setattr(branches, "processors", lambda: 1)
    one = method(images)
    monkeypatch.setattr(branches, "processors", lambda: 3)
    assert torch.equal(method(images), one)


def test_the_models_own_posterior_is_preferred():
    class Own(LayersFirst):
        def missing_posterior(self, images):
            return images.new_full((len(images), 2), 7.0)

    assert float(derived.method(Own(), "missing_posterior")(holes(1))[0, 0]) == 7.0


@pytest.mark.parametrize("kind", KINDS)
def test_completions_follow_the_given_uniforms(kind):
    generator = torch.Generator().manual_seed(1)
    images = holes(1, n=5).abs()
    images[:, 9:] = -1
    uniforms = torch.rand(5, 3, 7, generator=generator)
    probabilities = derived.method(kind(), "complete")(images, uniforms)
    assert probabilities.shape == (5, 3, 7)
    model = WholeSequences()
    for row, sample in itertools.product(range(5), range(3)):
        sequence = images[row].clamp(min=0)
        for at in range(7):
            with torch.no_grad():
                p = model.next_pixel_probabilities(sequence[None])[0, 8 + at]
            assert abs(float(p - probabilities[row, sample, at])) < 1e-6
            sequence[9 + at] = float(uniforms[row, sample, at] < probabilities[row, sample, at])


@pytest.mark.parametrize("kind", KINDS[1:])
def test_whole_sequences_derived_from_steps_are_the_same(kind):
    images = holes(1, n=9).abs()
    found = derived.method(kind(), "next_pixel_probabilities")(images)
    with torch.no_grad():
        assert torch.allclose(found, WholeSequences().next_pixel_probabilities(images), atol=1e-6)


def test_a_model_that_does_not_tell_its_hidden_units_has_none():
    found = derived.method(object(), "hidden_units")(torch.ones(784, 5), torch.tensor([7]))
    assert torch.equal(found, torch.zeros(7, 5))


def test_nothing_is_derived_for_a_model_without_predictions():
    assert derived.method(object(), "missing_posterior") is None
    assert derived.method(object(), "complete") is None
    assert derived.method(object(), "sample") is None
    assert "start and step" in derived.wanted("missing_posterior")


@pytest.mark.corpus("Runtime, found later", "a state kept between calls")
def test_a_model_that_remembers_outside_its_state_is_refused():
    class Forgetful(LayersFirst):
        def start(self, n):
            self.hidden = torch.zeros(2, n, 5)

        def step(self, state, pixel):
            if self.hidden.shape[1] != len(pixel):
                self.hidden = torch.zeros(2, len(pixel), 5)
            probability, self.hidden = super().step(self.hidden, pixel)
            return probability, None

    with pytest.raises(GradingError, match="must lie in the state"):
        derived.method(Forgetful(), "missing_posterior")


def test_logits_are_refused():
    class Logits(LayersFirst):
        def step(self, state, pixel):
            probability, state = super().step(state, pixel)
            return probability.logit() * 5, state

    with pytest.raises(GradingError, match="sigmoid"):
        derived.method(Logits(), "complete")


def test_a_state_of_an_unknown_class_is_refused():
    class Opaque(Selects):
        select = None

    method = derived.method(Opaque(), "missing_posterior")
    with pytest.raises(GradingError, match=r"offer select\(state, rows\)"):
        method(holes(1))


def test_posteriors_are_finite_for_probabilities_of_0():
    class Sure(WholeSequences):
        def next_pixel_probabilities(self, binary):
            return torch.zeros(len(binary), binary.shape[1] - 1)

    posterior = derived.method(Sure(), "missing_posterior")(holes(2))
    assert bool(posterior.isfinite().all())
    assert (posterior.argmax(1) == 0).all()


@pytest.mark.parametrize("reset_before", [0, 1])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_reference_scan_equals_steps(cell, reset_before, activation):
    model = PixelRNN(cell, activation, activation, units=6, first=7, second=5, reset_before=reset_before)
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    pixels = (torch.rand(1030, 12, generator=generator) > 0.5).float()
    state, by_step = model.start(1030), []
    with torch.no_grad():
        for pixel in pixels.unbind(1):
            probability, state = model.step(state, pixel)
            by_step.append(probability)
    first, between = model.scan(model.start(1030), pixels[:, :5])
    second, last = model.scan(between, pixels[:, 5:])
    assert torch.allclose(torch.cat([first, second], 1), torch.stack(by_step, 1).double(), atol=1e-6)
    for one, other in zip(last, state, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_reference_posterior_equals_brute_force_at_full_size(cell):
    model = PixelRNN(cell)
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    images = (torch.rand(3, 784, generator=generator) > 0.8).float()
    for image, corner in zip(images, (300, 400, 500), strict=True):
        image[[corner, corner + 1, corner + 28, corner + 29]] = -1
    posterior = derived.method(model, "missing_posterior")(images)
    exact = PixelRNN(cell).double()
    exact.load_state_dict(model.state_dict())
    for image, row in zip(images, posterior, strict=True):
        whole = image.repeat(16, 1)
        whole[:, image < 0] = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)))
        with torch.no_grad():
            logits = exact.logits(whole[:, :-1].double()).double()
        signed = torch.where(whole[:, 1:] > 0.5, logits, -logits)
        expected = nn.functional.logsigmoid(signed).sum(1).log_softmax(0)
        assert torch.allclose(row.double(), expected, atol=2e-5)
