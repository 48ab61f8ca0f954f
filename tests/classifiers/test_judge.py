import copy
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from sklearn.calibration import calibration_curve

from classifiers import weights_file
from classifiers.calibrate import calibrate
from classifiers.evaluate import evaluate, expected_calibration_error
from classifiers.fool import not_digits, optimised
from classifiers.judge import Judge, sharpened
from classifiers.network import NETWORKS, initialise
from classifiers.outliers import KINDS, draw
from classifiers.train import Recipe, Training, split
from classifiers.weights_file import Facts, MemberFacts, WeightsError
from reference.augment import Distortion, coarsen, distort
from reference.train import fit
from tests.data import embedded_digits, mnist_digits

pytestmark = pytest.mark.numeric

FLOOR, MEMBERS_FLOOR = 0.9970, 0.9950
"""Lowest accepted accuracy of the shipped judge on MNIST's test images, and of its members on a fifth of them; the
model card has the figures."""


def facts(*names, **changes):
    members = tuple(MemberFacts(name=n, network=n, recipe={}, held_out_accuracy=0.0) for n in names)
    return Facts(data="none", members=members, **changes)


def untrained(name, seed):
    network = NETWORKS[name]()
    initialise(network, torch.Generator().manual_seed(seed))
    return network.eval()


@pytest.fixture(scope="module")
def judge():
    return Judge.shipped()


@pytest.fixture(scope="module")
def pair():
    """Return a calibrated judge of two briefly trained members, which often differ."""
    digits = embedded_digits().train
    images, labels = torch.from_numpy(digits.images), torch.from_numpy(digits.labels)
    trainings = [Training(Recipe(name, 1, epochs=3, batch=64), 1000) for name in ("three", "residual")]
    for training in trainings:
        fit(training, images[:1000], labels[:1000])
    networks = [training.averaged for training in trainings]
    return Judge(networks, calibrate(networks, facts("three", "residual"), digits.images[1000:], digits.labels[1000:]))


def test_answers_do_not_depend_on_how_many_are_asked_about(judge):
    images = embedded_digits().test.images[:300]
    whole = judge.probabilities(images)
    assert np.array_equal(whole[:7], judge.probabilities(images[:7]))
    assert np.array_equal(whole[250:], judge.probabilities(images[250:]))
    # In another place of its batch an image may be summed in another order: of 1,536 products at most, in float32.
    assert np.allclose(whole[200:], judge.probabilities(images[200:]), rtol=0, atol=1536 * 2**-24)
    assert np.allclose(whole.sum(axis=1), 1, atol=1e-6)
    features = judge.features(images)
    assert np.array_equal(features[250:], judge.features(images[250:]))


def test_no_images_give_no_answers(judge):
    assert judge.probabilities(np.empty((0, 1, 28, 28), np.float32)).shape == (0, 10)


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_batch_norm_changes_no_answer(name, tmp_path):
    generator = torch.Generator().manual_seed(0)
    network = NETWORKS[name]()
    initialise(network, generator)
    network.train()
    images = torch.rand(64, 1, 28, 28, generator=generator)
    for _ in range(3):
        network(images)  # so that batch norm has statistics other than its first ones
    network.eval()
    network.half().float()  # as it is stored
    path = tmp_path / f"{name}.safetensors"
    weights_file.save(path, [network], facts(name))
    with torch.no_grad():
        expected = network(images).softmax(1).numpy()
    assert np.allclose(Judge.read(path).probabilities(images.numpy()), expected, atol=2e-5)


@pytest.fixture(scope="module")
def figures(judge):
    """Measure the model card's figures of the shipped judge on a fifth of MNIST's test images."""
    digits, test = embedded_digits(), mnist_digits().test
    images = np.concatenate([digits.train.images, digits.test.images])
    labels = np.concatenate([digits.train.labels, digits.test.labels])
    return evaluate(judge, test.images[::5], test.labels[::5], images, labels, attacked=20)


@pytest.mark.long
def test_the_shipped_judge_reads_mnist(judge):
    test = mnist_digits().test
    assert (judge.labels(test.images) == test.labels).mean() >= FLOOR


@pytest.mark.long
def test_the_shipped_judge_knows_how_sure_it_is(figures):
    assert min(member["accuracy"] for member in figures["members"]) >= MEMBERS_FLOOR
    assert figures["expected_calibration_error"] <= 0.005
    assert figures["real_digits_flagged"] < 0.015  # .89 % of all test images
    assert figures["first_member_agrees"] >= 0.9999


@pytest.mark.long
def test_the_shipped_judge_is_hard_to_fool(figures):
    assert figures["not_digits_confidence"] <= 0.5
    assert figures["optimised_flagged"] >= 0.95
    plain = [attack for name, attack in figures["optimised"].items() if "through" not in name]
    assert all(attack["flagged"] >= 0.9 * attack["tried"] for attack in plain)
    # The attack is effective: it changes the class of nearly every digit for the attacked member.
    from_digits = [attack for name, attack in figures["optimised"].items() if name.endswith("other digits")]
    assert all(attack["reached"] >= 0.9 * attack["tried"] for attack in from_digits)


@pytest.mark.long
def test_the_shipped_judge_reads_digits_of_another_origin(figures):
    assert figures["digits_accuracy"] >= 0.97


def test_the_shipped_judge_is_small():
    assert weights_file.SHIPPED.stat().st_size <= 4_000_000


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "damaged"), (b"not safetensors at all", "damaged"), (None, "no such file")]
)
def test_a_bad_weight_file_is_named(content, said, tmp_path):
    path = tmp_path / "mine.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        Judge.read(path)
    assert "mine.safetensors" in str(caught.value)


def a_judge_file(path, change=lambda header: None, change_tensors=lambda tensors: None):
    """Write a judge of one untrained member, with its header and tensors changed."""
    network = untrained("three", 0)
    tensors = {f"three/{name}": value.clone() for name, value in network.state_dict().items()}
    header = json.loads(facts("three").model_dump_json())
    change(header)
    change_tensors(tensors)
    save_file(tensors, path, metadata={"gradebench": json.dumps(header)})
    return path


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("temperature", float("nan"), "temperature"),
        ("temperature", 0, "temperature"),
        ("doubt", 77, "doubt"),
        ("sure", -1, "sure"),
        ("members", [], "members"),
        ("real_spread", [1, 2, 3], "real_spread"),
        ("real_spread", [float("nan")] * 10, "real_spread"),
        ("surplus", 1, "surplus"),
    ],
)
def test_what_no_judge_can_be_is_named_by_its_key(key, value, said, tmp_path):
    path = a_judge_file(tmp_path / "theirs.safetensors", lambda header: header.update({key: value}))
    with pytest.raises(WeightsError, match=rf"theirs.safetensors: not a judge's file: {said}"):
        Judge.read(path)


def test_two_members_of_one_name_are_refused(tmp_path):
    path = a_judge_file(tmp_path / "twice.safetensors", lambda header: header.update(members=header["members"] * 2))
    with pytest.raises(WeightsError, match="two members of one name"):
        Judge.read(path)


def test_a_network_that_is_not_known_is_named(tmp_path):
    path = a_judge_file(tmp_path / "x.safetensors", lambda header: header["members"][0].update(network="huge"))
    with pytest.raises(WeightsError, match="unknown network 'huge'"):
        Judge.read(path)


def change_head(value):
    def change(tensors):
        tensors["three/head.weight"] = value(tensors["three/head.weight"])

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_head(lambda w: w * float("nan")), "three/head.weight holds numbers that are not finite"),
        (
            change_head(lambda w: w.to(torch.complex64)),
            "three/head.weight holds numbers that are not finite, or complex",
        ),
        (change_head(lambda w: w[:5].clone()), "head.weight"),
        (lambda tensors: tensors.pop("three/head.weight"), "head.weight"),
        (lambda tensors: tensors.update(other=torch.zeros(1)), "'other' belongs to no member"),
        (lambda tensors: tensors["three/body.2.running_var"].fill_(-1.0), "a variance below 0"),
        (change_head(lambda w: w * 0 + 3e38), "weights too large"),
    ],
)
def test_weights_that_no_judge_can_have_are_refused(change, said, tmp_path):
    path = a_judge_file(tmp_path / "theirs.safetensors", change_tensors=change)
    with pytest.raises(WeightsError, match=said) as caught:
        Judge.read(path)
    assert "theirs.safetensors" in str(caught.value)


def test_a_file_too_large_for_a_judge_is_not_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.truncate(weights_file.LARGEST + 1)
    with pytest.raises(WeightsError, match=r"huge.safetensors: larger than 64 MB"):
        Judge.read(path)
    with pytest.raises(WeightsError, match="not a regular file"):
        Judge.read(tmp_path)


def test_the_digest_is_of_the_weights(tmp_path):
    digests = []
    for seed in (0, 0, 1):
        network = NETWORKS["three"]()
        initialise(network, torch.Generator().manual_seed(seed))
        path = tmp_path / f"{len(digests)}.safetensors"
        weights_file.save(path, [network], facts("three"))
        digests.append(Judge.read(path).digest)
    assert digests[0] == digests[1] != digests[2]


def test_calibration_error_is_the_weighted_gap():
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 4000)
    labels = np.where(generator.random(4000) < confidence**2, 0, 1)
    probabilities = np.zeros((4000, 10), np.float32)
    probabilities[:, 0], probabilities[:, 2] = confidence, 1 - confidence
    share, mean = calibration_curve(labels == 0, probabilities[:, 0].astype(float), n_bins=15)
    counts = np.histogram(probabilities[:, 0], np.linspace(0, 1, 16))[0]
    expected = (np.abs(share - mean) * counts[counts > 0]).sum() / 4000
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-4)
    assert expected > 0.1


def test_perfect_calibration_has_no_error():
    probabilities = np.eye(10, dtype=np.float32)
    assert expected_calibration_error(probabilities, np.arange(10)) == 0


def test_a_distortion_of_no_strength_is_the_identity():
    images = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    still = distort(images, torch.Generator().manual_seed(1), Distortion(0, 0, 0, 0, 0))
    assert torch.allclose(still, images, atol=1e-5)


def test_distortions_differ_by_image_and_stay_in_range():
    images = torch.from_numpy(np.repeat(embedded_digits().test.images[:1], 8, axis=0))
    distorted = distort(images, torch.Generator().manual_seed(1))
    assert distorted.min() >= 0
    assert distorted.max() <= 1
    assert all((distorted[0] - other).abs().max() > 0.1 for other in distorted[1:])
    again = distort(images, torch.Generator().manual_seed(1))
    assert torch.equal(distorted, again)


def test_pens_of_all_widths_leave_blank_paper_blank():
    images = torch.from_numpy(embedded_digits().test.images[:200])
    pens = distort(images, torch.Generator().manual_seed(1), Distortion(0, 0, 0, 0, 0, thickness=0.6))
    ink = pens.sum((1, 2, 3)) / images.sum((1, 2, 3))
    assert ink.min() < 0.9
    assert ink.max() > 1.2
    assert 0 <= pens.min() <= pens.max() <= 1
    assert not distort(torch.zeros(4, 1, 28, 28), torch.Generator().manual_seed(1), Distortion(thickness=0.6)).any()


def test_coarsening_replaces_about_its_share():
    images = torch.from_numpy(embedded_digits().train.images[:1000])
    coarse = coarsen(images, torch.Generator().manual_seed(0), 0.15)
    changed = (coarse != images).flatten(1).any(1).double().mean().item()
    assert 0.1 < changed < 0.2
    assert coarse.min() >= 0
    assert coarse.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_no_outlier_is_a_digit_that_was_there_before(kind):
    digits = torch.from_numpy(embedded_digits().test.images[:40])
    drawn = KINDS[kind](digits, torch.Generator().manual_seed(3))
    assert drawn.shape == digits.shape
    assert ((drawn - digits).abs().amax((1, 2, 3)) > 0.05).all()


def test_outliers_are_of_many_kinds_and_in_range():
    digits = torch.from_numpy(embedded_digits().test.images[:80])
    drawn = draw(digits, torch.Generator().manual_seed(3))
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert torch.equal(drawn, draw(digits, torch.Generator().manual_seed(3)))
    levels = drawn.mean((1, 2, 3))
    assert levels.std() > 0.1


def test_what_is_no_digit_is_drawn_from_its_generator_alone():
    images = embedded_digits().test.images[:20]
    first, second = (not_digits(images, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(first[kind], second[kind]) for kind in first)
    assert np.allclose(first["inverted"], 1 - images)


def test_the_held_out_part_is_the_end():
    labels = torch.arange(60_000)
    (_, fit_labels), (_, held_labels) = split(torch.zeros(60_000, 1, 1, 1), labels)
    assert fit_labels[-1] == 54_999
    assert held_labels[0] == 55_000
    assert len(split(torch.zeros(120, 1, 1, 1), labels[:120])[1][1]) == 10


def test_labels_that_a_grown_network_does_not_believe_are_left_out():
    training = Training(Recipe("three", doubt=0.01), 1000)
    logits = torch.zeros(3, 10)
    logits[1, 4] = 9.0
    labels = torch.tensor([0, 5, 4])
    logits[2, 4] = 9.0
    assert training.believed(logits, labels, 0.2).all()
    assert training.believed(logits, labels, 0.5).tolist() == [True, False, True]
    assert training.believed(logits[1:2], labels[1:2], 0.5).all()  # a batch with nothing to learn from has no loss


@pytest.mark.long
def test_a_member_learns_and_resumes(tmp_path):
    digits = embedded_digits()
    images, labels = torch.from_numpy(digits.train.images[:640]), torch.from_numpy(digits.train.labels[:640])
    recipe = Recipe("three", seed=2, epochs=3, batch=64)
    whole = Training(recipe, len(images))
    history = fit(whole, images, labels)
    assert history[-1].losses["cross-entropy"] < history[0].losses["cross-entropy"]

    class Interrupted(Exception):
        pass

    def stop(epoch):
        raise Interrupted

    first, second = Training(recipe, len(images)), Training(recipe, len(images))
    with pytest.raises(Interrupted):
        fit(first, images, labels, tmp_path / "state", on_epoch=stop)
    started = copy.deepcopy(second.averaged.state_dict())
    fit(second, images, labels, tmp_path / "state")
    found = second.averaged.state_dict()
    assert all(torch.equal(found[key], value) for key, value in whole.averaged.state_dict().items())
    assert not all(torch.equal(found[key], started[key]) for key in started)


def test_where_the_first_member_is_sure_its_verdict_stands(pair):
    images = embedded_digits().test.images
    of_member = pair.by_member(images)
    sure = of_member[0].max(1) >= pair.facts.sure
    assert 0 < sure.sum() < len(images)
    found = pair.probabilities(images)
    assert np.array_equal(found[sure], of_member[0][sure])
    assert np.allclose(found[~sure], pair.committee(images)[~sure], atol=1e-6)


def test_the_others_are_asked_until_they_can_no_longer_change_the_digit(judge, monkeypatch):
    """Labels are those of all members, also for images that no member is sure of; few of these need all members."""
    digits = embedded_digits().test.images[:200]
    odd = (0.45 * digits + 0.55 * digits[::-1]).clip(0, 1)
    asked = []
    whole = judge.probabilities(odd).argmax(1)
    features = judge.features(odd)
    one = Judge._member

    def counted(own, index, images):
        asked.append((index, len(images)))
        return one(own, index, images)

    monkeypatch.setattr(Judge, "_member", counted)
    labels, found = judge.decide(odd)
    assert np.array_equal(labels, whole)
    assert np.array_equal(found, features)
    assert np.array_equal(judge.labels(odd), whole)
    counts = dict(asked)
    assert [index for index, _ in asked[: len(counts)]] == [1, 2, 3, 4]
    assert counts[1] == counts[2] > counts[3] > counts[4] > 0
    assert counts[1] > 100  # the images are odd: the first member is unsure of most


def test_a_judge_travels_without_its_fused_networks(judge):
    images = embedded_digits().test.images[:30]
    expected = judge.probabilities(images)
    other = copy.deepcopy(judge)
    assert "_fused" in vars(judge) and "_fused" not in vars(other)
    assert np.array_equal(other.probabilities(images), expected)


def test_a_committee_is_the_mean_of_its_members(pair):
    images = embedded_digits().test.images[:50]
    by_hand = pair.by_member(images).astype(np.float64).mean(axis=0) ** (1 / pair.facts.temperature)
    assert np.allclose(pair.committee(images), by_hand / by_hand.sum(axis=1, keepdims=True), atol=1e-5)


def test_calibration_lowers_the_surprise_on_what_it_saw(pair):
    digits = embedded_digits().train
    images, labels = digits.images[1000:], digits.labels[1000:]

    def surprise(judge):
        return -np.log(judge.committee(images)[np.arange(len(labels)), labels]).mean()

    members = tuple(m.model_copy(update={"temperature": 1.0}) for m in pair.facts.members)
    plain = Judge(pair.networks, pair.facts.model_copy(update={"members": members, "temperature": 1.0}))
    assert surprise(pair) < surprise(plain)


def test_doubt_is_the_least_convinced_members(pair):
    images = embedded_digits().test.images[:60]
    blurred = np.stack([gaussian_filter(image, 0.8, mode="constant") for image in images[:, 0]])[:, None]
    of_member, label = pair.by_member(blurred), pair.labels(images)
    expected = [1 - min(own[row, label[row]] for own in of_member) for row in range(60)]
    assert np.allclose(pair.doubt(images), expected, atol=1e-6)
    assert np.array_equal(pair.doubt(images[:7]), pair.doubt(images)[:7])
    assert pair.doubt(images[:0]).shape == (0,)
    assert np.array_equal(pair.doubt(images, label), pair.doubt(images))
    assert (pair.doubt(images, (label + 1) % 10) > 0.5).all()


def test_the_bound_of_doubt_is_that_of_held_out_digits(pair):
    doubtful = pair.doubt(embedded_digits().train.images[1000:]) > pair.facts.doubt
    assert 0 < doubtful.mean() < 0.01


def test_a_temperature_of_two_takes_square_roots():
    assert sharpened(np.array([[0.8, 0.2]], np.float32), 2.0)[0, 0] == pytest.approx(2 / 3)
    assert sharpened(np.array([[0.8, 0.2]], np.float32), 0.5)[0, 0] == pytest.approx(16 / 17)


def test_climbing_through_the_blur_convinces_of_the_blurred_image(judge):
    digits = embedded_digits().test
    start, labels = digits.images[:8], (digits.labels[:8] + 3) % 10
    network = judge.networks[0]

    def belief(images):
        blurred = gaussian_filter(images, (0, 0, 0.8, 0.8), mode="constant")
        with torch.no_grad():
            return network(torch.from_numpy(blurred)).softmax(1).numpy()[np.arange(8), labels]

    plain, through = (optimised(network, start, labels, 40, blurred_too=knows) for knows in (False, True))
    assert belief(through).mean() > 0.8 > belief(plain).mean()


def test_gradient_ascent_convinces_the_network_it_climbs(judge):
    digits = embedded_digits().test
    start, labels = digits.images[:8], (digits.labels[:8] + 3) % 10
    network = judge.networks[0]

    def belief(images):
        with torch.no_grad():
            return network(torch.from_numpy(images)).softmax(1).numpy()[np.arange(8), labels]

    made = optimised(network, start, labels, steps=40)
    before, after = belief(start), belief(made)
    assert made.min() >= 0
    assert made.max() <= 1
    assert (after > before).all()
    assert np.median(after) > 0.8


def test_single_members_and_the_unsure_are_those_of_the_cascade(judge):
    digits = embedded_digits().test.images
    images = np.concatenate([digits[:300], (digits[:100] + digits[100:200]) / 2])
    first = judge.first(images)
    unsure = np.flatnonzero(first[2])
    assert len(unsure) > 20
    again, features = judge.decide(images)
    assert (first[1] == features).all()
    of_member = judge.by_member(images)
    assert (first[2] == (of_member[0].max(axis=1) < judge.facts.sure)).all()
    sure = np.flatnonzero(~first[2])[:60]
    for rows in (sure, np.concatenate([unsure[::2], sure]), unsure[:0]):
        labels, by_member = judge.settled(images, first, rows)
        assert (labels == again).all()
        assert (by_member == of_member[:, rows].argmax(axis=2)).all()
