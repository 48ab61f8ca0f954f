from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from reference.ebl import MSE, NOISE, PLAIN, Energy, Generator, Training, adapt, contrast, flip, holes
from reference.train import fit

pytestmark = pytest.mark.numeric


def pixels(n, seed):
    return 2 * torch.rand(n, 784, generator=torch.Generator().manual_seed(seed)) - 1


def test_flip_keeps_values_and_negates_gradients():
    answers = torch.tensor([0.3, -2.0, 5.0], requires_grad=True)
    flipped = flip(answers)
    assert torch.equal(flipped, answers)
    (flipped * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert answers.grad.tolist() == [-1, -10, -100]


def test_one_descent_trains_both_against_each_other():
    """The energy net gets autograd's gradient of the contrast without flip, the generator its negative."""
    torch.manual_seed(0)
    generator, energy = Generator(16), Energy(16)
    whole = pixels(5, 1)
    mask = holes(5, torch.Generator().manual_seed(2)).flatten(1)
    corrupted = whole.masked_fill(mask, 0)

    def gradients(through):
        made = generator(corrupted)
        loss = contrast(energy, whole, torch.where(mask, through(made), corrupted))
        networks = list(generator.parameters()), list(energy.parameters())
        return [torch.autograd.grad(loss, network, retain_graph=True) for network in networks]

    flipped, plain = gradients(flip), gradients(lambda made: made)
    for with_flip, without in zip(flipped[0], plain[0], strict=True):
        assert torch.equal(with_flip, -without)
        assert with_flip.abs().max() > 0
    for with_flip, without in zip(flipped[1], plain[1], strict=True):
        assert torch.equal(with_flip, without)


def test_the_generators_gradient_in_closed_form():
    """For one image and energy w·x, the loss is softplus(d), d = w·x − w·x̂, its gradient by g in the hole +σ(d) w."""
    w, real = pixels(1, 3)[0], pixels(1, 4)
    made = pixels(1, 5).requires_grad_()
    mask = holes(1, torch.Generator().manual_seed(6)).flatten(1)
    completed = torch.where(mask, flip(made), real.masked_fill(mask, 0))
    loss = contrast(lambda images: images @ w, real, completed)
    loss.backward()
    difference = (real @ w - completed.detach() @ w).item()
    assert loss.item() == pytest.approx(float(np.logaddexp(0, difference)), rel=1e-5)
    expected = torch.sigmoid(torch.tensor(difference)) * w * mask
    assert torch.allclose(made.grad, expected, atol=1e-7)
    # Descent along it lowers the energy of generated pixels, which the energy net's descent raises.
    assert (-(made.grad * w).sum()).item() < 0


def test_noise_is_added_to_images_and_completions_apart():
    noise = torch.cat([torch.full((3, 784), 2.0), torch.full((3, 784), 5.0)])
    seen = []

    def energy(images):
        seen.append(images)
        return images.sum(1)

    contrast(energy, torch.zeros(3, 784), torch.ones(3, 784), noise)
    assert seen[0][:3].unique().tolist() == [2] and seen[0][3:].unique().tolist() == [6]


def test_holes_are_the_sheets():
    mask = holes(3000, torch.Generator().manual_seed(0))
    assert mask.shape == (3000, 1, 28, 28)
    assert (mask.sum((1, 2, 3)) == 36).all()
    rows, columns = mask.any(3).float().argmax(2).flatten(), mask.any(2).float().argmax(2).flatten()
    for corner in (rows, columns):
        assert (corner.min().item(), corner.max().item()) == (7, 15)
        # 9 equally likely corners; a count of 333 has a standard deviation of 17.
        assert np.abs(np.bincount(corner, minlength=16)[7:] - 333.3).max() < 70
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.07
    left = columns[0].item()
    assert mask[0, 0, rows[0], left : left + 6].all() and not mask[0, 0, rows[0], left + 6]


def test_networks_are_the_sheets():
    assert sum(p.numel() for p in Generator().parameters()) == 784 * 1024 + 1024 + 1024**2 + 1024 + 1024 * 784 + 784
    assert sum(p.numel() for p in Energy().parameters()) == 784 * 1024 + 1024 + 1024**2 + 1024 + 1024 + 1
    torch.manual_seed(1)
    generator = Generator(8)
    with torch.no_grad():
        generator.fc1.weight *= 40  # so that every Hardtanh is reached
        x = pixels(4, 2)
        h = functional.hardtanh(functional.linear(x, generator.fc1.weight, generator.fc1.bias))
        h = functional.hardtanh(functional.linear(h, generator.fc2.weight, generator.fc2.bias))
        expected = functional.hardtanh(functional.linear(h, generator.fc3.weight, generator.fc3.bias))
        assert torch.equal(generator(x), expected)


def test_inpainting_keeps_what_is_known_and_answers_image_by_image():
    torch.manual_seed(2)
    generator = Generator(32)
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    mask = holes(6, torch.Generator().manual_seed(3))
    gray = images.masked_fill(mask, 0.5)
    with torch.no_grad():
        found = generator.inpaint(gray, mask)
        alone = torch.cat([generator.inpaint(gray[i : i + 1], mask[i : i + 1]) for i in range(6)])
        expected = (generator((2 * gray - 1).flatten(1)).view_as(images) + 1) / 2
    assert torch.equal(found[~mask], images[~mask])
    assert torch.equal(found[mask], expected[mask])
    assert found.min() >= 0 and found.max() <= 1
    assert torch.allclose(found, alone, atol=1e-6)


def test_published_settings():
    assert (NOISE.examples, NOISE.batch, NOISE.epochs, NOISE.noise) == (2500, 25, 39, 1.0)
    assert (PLAIN.examples, PLAIN.batch, PLAIN.epochs, PLAIN.rate, PLAIN.noise) == (10_000, 100, 100, 0.05, 0.0)


def test_a_recipe_sees_its_examples_alone():
    images = (torch.arange(200) / 200).view(-1, 1, 1, 1).expand(200, 1, 28, 28)
    training = Training(replace(NOISE, examples=75, epochs=1), width=4)
    seen = []
    step = training.step
    training.step = lambda images, *rest: (seen.append(images[:, 0, 0, 0]), step(images, *rest))[1]
    fit(training, images, torch.zeros(200, dtype=torch.int64))
    assert torch.equal(torch.cat(seen).sort().values, images[:75, 0, 0, 0])


def test_squared_error_is_learnt():
    generator = torch.Generator().manual_seed(0)
    # Stripes of one phase: the missing pixels follow from the known ones.
    phase = torch.rand(400, 1, 1, 1, generator=generator) * 6.28
    images = ((torch.arange(28) / 3 + phase).sin() / 2 + 0.5).expand(400, 1, 28, 28)
    training = Training(replace(MSE, batch=25, epochs=6), width=32)
    history = fit(training, images, torch.zeros(400, dtype=torch.int64))
    assert history[-1].losses["masked MSE"] < 0.5 * history[0].losses["masked MSE"]


def layers(prefix, names, *shapes):
    arrays = {}
    for name, shape in zip(names, shapes, strict=True):
        arrays[f"{prefix}{name}.weight"] = np.full(shape, len(arrays), np.float32)
        arrays[f"{prefix}{name}.bias"] = np.full(shape[0], len(arrays), np.float32)
    return arrays


GENERATOR = (256, 784), (256, 256), (784, 256)
ENERGY = (256, 784), (256, 256), (1, 256)


@pytest.mark.parametrize(
    ("arrays", "place"),
    [
        (layers("", ("fc1", "fc2", "fc3"), *GENERATOR), "fc1"),
        (layers("model.layers.", "024", *GENERATOR), "model.layers.0"),
        (layers("energy.", "abc", *ENERGY) | layers("generator.", "024", *GENERATOR), "generator.0"),
        (layers("g.", "abc", *GENERATOR) | layers("e.", "abc", *ENERGY), "g.a"),
        (layers("first.", "abc", *GENERATOR) | layers("netGen.", "abc", *GENERATOR), "netGen.a"),
    ],
)
def test_a_generator_is_found_by_its_shapes(arrays, place):
    state, sizes, notes = adapt(arrays)
    assert sizes == {"width": 256}
    Generator(256).load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    assert state["fc1.weight"] is arrays[f"{place}.weight"]
    assert (place == "fc1") == (notes == [])
    assert all(place in note or "would also fit" in note for note in notes)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (layers("", "abc", *ENERGY), r"no generator 784-h-h-784.*a.weight \(256, 784\)"),
        ({}, "its layers are: none"),
        (layers("", "abc", (256, 784), (128, 256), (784, 128)), "no generator"),
        (layers("", "abc", (5000, 784), (5000, 5000), (784, 5000)), "5000 units; at most 4096"),
    ],
)
def test_what_is_no_generator_is_refused_with_what_was_found(arrays, said):
    with pytest.raises(ValueError, match=said):
        adapt(arrays)


def test_a_layer_without_its_bias_is_named():
    arrays = layers("", "abc", *GENERATOR)
    del arrays["b.bias"]
    with pytest.raises(ValueError, match=r"no b\.bias"):
        adapt(arrays)
