import pytest
import torch
from torch.distributions import Normal, kl_divergence

from reference import architecture, trainings
from reference.augment import Distortion
from reference.cgan import Discriminator, Generator
from reference.cvae import CVAE, negative_elbo
from reference.seeding import generator_for
from reference.train import CheckpointError, average, fit, one_cycle

pytestmark = pytest.mark.numeric


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_the_courseworks():
    assert parameters(CVAE()) == 1_787_864
    assert parameters(Generator()) == 1_624_336
    assert parameters(Discriminator()) == 1_997_313


def test_layer_names_are_the_courseworks():
    names = {name.split(".")[0] for name in CVAE().state_dict()}
    assert names == {
        "enc_img_fc", "enc_label_fc", "encoder", "z_mean", "z_logstd", "dec_latent_fc", "dec_label_fc", "decoder",
    }  # fmt: skip
    names = {name.split(".")[0] for name in Generator().state_dict()}
    assert names == {"latent_fc", "latent_bn", "label_fc", "label_bn", "fc1", "bn1", "fc2", "bn2", "fc3"}
    names = {name.split(".")[0] for name in Discriminator().state_dict()}
    assert names == {"img_fc", "label_fc", "fc2", "bn2", "fc3", "bn3", "fc4"}


def batch(n=6):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(n, 1, 28, 28, generator=generator), torch.arange(n) % 10


def test_the_divergence_is_torchs():
    model = CVAE("relu")
    images, labels = batch()
    one_hot = torch.nn.functional.one_hot(labels, 10).float()
    with torch.no_grad():
        mean, log_variance = model.encode(images, one_hot)
        expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0, 1)).sum(1).mean()
        _, divergence = negative_elbo(model, images, one_hot, 0.5, torch.Generator().manual_seed(0))
    assert divergence.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_reconstruction_is_a_gaussians_log_density_up_to_its_constant():
    model = CVAE("none")
    images, labels = batch()
    one_hot = torch.nn.functional.one_hot(labels, 10).float()
    with torch.no_grad():
        error, _ = negative_elbo(model, images, one_hot, 0.5, torch.Generator().manual_seed(7))
        mean, log_variance = model.encode(images, one_hot)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(7))
        decoded = model.decode(mean + (log_variance / 2).exp() * noise, one_hot)
        density = Normal(decoded, 0.5).log_prob(images).flatten(1).sum(1).mean()
    constant = 784 * (0.5 * torch.tensor(2 * torch.pi).log() + torch.tensor(0.5).log())
    assert error.item() == pytest.approx(-(density + constant).item(), rel=1e-4)


def test_z_log_says_what_the_same_numbers_mean():
    torch_state = CVAE(z_log="std").state_dict()
    deviations, variances = CVAE(z_log="std"), CVAE(z_log="variance")
    deviations.load_state_dict(torch_state)
    variances.load_state_dict(torch_state)
    images, labels = batch()
    one_hot = torch.nn.functional.one_hot(labels, 10).float()
    with torch.no_grad():
        assert torch.allclose(deviations.encode(images, one_hot)[1], 2 * variances.encode(images, one_hot)[1])


def test_options_change_what_the_same_weights_draw():
    noise, one_hot = torch.randn(4, 100, generator=torch.Generator().manual_seed(1)), torch.eye(10)[:4]
    for name, option in (("cvae", "concat_activation"), ("cgan", "concat_activation"), ("cgan", "value_range")):
        drawn = []
        state = architecture(name).build({}).eval().state_dict()
        for value in architecture(name).options[option]:
            module = architecture(name).build({option: value})
            module.load_state_dict(state)
            drawn.append(module.eval().sample(noise, one_hot))
        assert not torch.allclose(*drawn)
    low, high = drawn[0], drawn[1]
    assert torch.allclose(low * 2 - 1, high, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"), [({"concat_activation": "tanh"}, "relu"), ({"nonsense": "1"}, "nonsense")]
)
def test_unknown_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        architecture("cvae").build(options)


@pytest.mark.long
@pytest.mark.parametrize("name", trainings())
def test_an_interrupted_training_ends_with_the_same_weights(name, tmp_path):
    generator = torch.Generator().manual_seed(4)
    images, labels = torch.rand(256, 1, 28, 28, generator=generator), torch.arange(256) % 10

    def trained(epochs_at_once, path):
        training = trainings()[name](3)
        training.epochs = 3
        if name == "cgan":
            training.main, training.learning = 1, range(1, 2)  # so that every phase is met
        if hasattr(training, "steps_per_epoch"):
            training.steps_per_epoch = 4  # what draws its own data isn't shortened by few images

        class Interrupted(Exception):
            pass

        def stop(epoch):
            if epochs_at_once and epoch.number % epochs_at_once == 0 and epoch.number < 3:
                raise Interrupted

        try:
            fit(training, images, labels, path, on_epoch=stop)
        except Interrupted:
            return trained(0, path)
        return training.result().state_dict()

    whole = trained(0, None)
    resumed = trained(2, tmp_path / "checkpoint")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, data: setattr(t, "epochs", 5), "its epochs is 2, not 5"),
        (lambda t, data: setattr(t, "seed", 4), "its seed is 3, not 4"),
        (lambda t, data: setattr(t, "recipe", Distortion()), "its recipe differs"),
        (lambda t, data: data.mul_(0.5), "its data differs"),
    ],
)
def test_a_checkpoint_of_another_training_is_left_as_it_is(change, said, tmp_path):
    images, labels = torch.rand(256, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(256) % 10
    path = tmp_path / "cvae.checkpoint"
    first, second = (trainings()["cvae"](3) for _ in range(2))
    first.epochs = second.epochs = 2
    fit(first, images, labels, path)
    kept = path.read_bytes()
    change(second, images)
    with pytest.raises(CheckpointError, match=rf"cvae.checkpoint: belongs to another training: {said}"):
        fit(second, images, labels, path)
    assert path.read_bytes() == kept
    path.write_bytes(kept[:1000])
    with pytest.raises(CheckpointError, match=r"cvae.checkpoint: damaged"):
        fit(second, images, labels, path)


def test_a_training_lowers_its_loss():
    generator = torch.Generator().manual_seed(4)
    images, labels = torch.rand(512, 1, 28, 28, generator=generator) ** 4, torch.arange(512) % 10
    training = trainings()["cvae"](1)
    training.epochs = 8
    history = fit(training, images, labels)
    assert history[-1].losses["reconstruction"] < 0.8 * history[0].losses["reconstruction"]


def test_averaging_is_exponential():
    kept, new = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.constant_(kept.weight, 1.0)
    torch.nn.init.constant_(new.weight, 3.0)
    average(kept, new, 0.75)
    assert kept.weight.tolist() == [[1.5, 1.5]]


def test_the_cycle_rises_and_falls():
    assert one_cycle(0.2) == pytest.approx(1, abs=1e-3)
    assert one_cycle(0.0) < 0.001
    assert one_cycle(1.0) < 0.001
    assert one_cycle(0.1) == pytest.approx(0.5, abs=1e-3)


def test_generators_depend_on_every_part():
    draws = [
        torch.rand(1, generator=generator_for(*parts)).item() for parts in (("a", 1), ("a", 1), ("a", 2), ("b", 1))
    ]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
