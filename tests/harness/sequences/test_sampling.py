import pytest
import torch

from harness.sequences import derived
from harness.types import GradingError

NOISE = torch.arange(12 * 784, dtype=torch.float32).view(12, 784)
SEEDS = torch.arange(12) + 40


class Columns:
    """Returns the noise that it was given."""

    def sample(self, noise):
        return noise


class Draws:
    def sample_images(self, n, seed):
        assert isinstance(n, int) and isinstance(seed, int)
        return torch.full((n, 1, 28, 28), float(seed))


@pytest.mark.parametrize(("said", "columns"), [(None, 100), (2, 2), (784, 784)])
def test_a_model_gets_as_much_noise_as_it_says(said, columns):
    model = Columns()
    if said is not None:
        model.noise_dimension = said
    for method in (derived.method(model, "generate"), derived.method(model, "generate_from_noise")):
        assert torch.equal(method(NOISE), NOISE[:, :columns])
    assert torch.equal(derived.method(model, "generate")(NOISE, SEEDS), NOISE[:, :columns])


@pytest.mark.parametrize("said", [0, -1, 785, 10.0, "100", True, None])
def test_other_dimensions_are_refused_with_what_to_do(said):
    model = Columns()
    model.noise_dimension = said
    with pytest.raises(GradingError, match=r"from 1 to 784; found .* sample_images\(n, seed\)"):
        derived.method(model, "generate")(NOISE, SEEDS)


def test_a_model_without_noise_gets_the_number_and_the_batchs_first_seed():
    method = derived.method(Draws(), "generate")
    assert method(NOISE[5:], SEEDS[5:]).shape == (7, 1, 28, 28)
    assert float(method(NOISE[5:], SEEDS[5:])[0, 0, 0, 0]) == 45
    # Another batch would have other seeds: nothing could be compared.
    assert derived.method(Draws(), "generate_from_noise") is None


def test_noise_is_preferred_and_a_model_without_either_is_named():
    class Both(Columns, Draws):
        noise_dimension = 3

    assert derived.method(Both(), "generate")(NOISE, SEEDS).shape == (12, 3)
    assert derived.method(object(), "generate") is None
    assert "sample(noise) or sample_images(n, seed)" in derived.wanted("generate")


def test_a_conditional_model_gets_the_last_digits_of_the_seeds_as_labels():
    class Conditional:
        def sample(self, noise, labels_one_hot):
            return labels_one_hot.argmax(1)

    assert derived.method(Conditional(), "generate")(NOISE, SEEDS).tolist() == (SEEDS % 10).tolist()
    # Without seeds there are no labels.
    assert derived.method(Conditional(), "generate_from_noise") is None
