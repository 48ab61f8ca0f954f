import itertools
from math import log

import numpy as np
import pytest
import torch

from reference.bayes_symbols import (
    LENGTH,
    PROCESSES,
    RESET,
    BayesPredictor,
    Process,
    expected_cross_entropy,
    predict,
    streams,
)

pytestmark = pytest.mark.numeric

PUBLISHED = {"M1": 0.4463, "M2": 0.5131, "M3": 0.8378, "M4": 0.9223}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def literal_streams(process, n, seed):
    """Draw streams literally as the coursework does: p from numpy's Dirichlet distribution, letters, then RESET."""
    random = np.random.default_rng(seed)
    cycles = -(-LENGTH // process.period)
    p = random.dirichlet(process.concentration, size=(n, cycles))
    uniform = random.random((n, cycles, process.period - 1, 1))
    letters = (uniform > p.cumsum(2)[:, :, None, :2]).sum(3)
    whole = np.concatenate([letters, np.full((n, cycles, 1), RESET)], axis=2)
    return whole.reshape(n, -1)[:, :LENGTH]


def slow_predictions(process, stream):
    """Predict one symbol at a time, by counting the symbols since the last RESET."""
    rows = []
    for t in range(1, len(stream)):
        if (t + 1) % process.period == 0:
            rows.append([0.0, 0.0, 0.0, 1.0])
            continue
        seen = []
        for symbol in reversed(stream[:t]):
            if symbol == RESET:
                break
            seen.append(symbol)
        total = sum(process.concentration) + len(seen)
        rows.append([(a + seen.count(k)) / total for k, a in enumerate(process.concentration)] + [0.0])
    return rows


def nats(process, symbols):
    symbols = torch.as_tensor(symbols)
    return -predict(process, symbols).gather(2, symbols[:, 1:, None]).log().mean(dim=(1, 2))


@pytest.mark.parametrize("which", PROCESSES)
def test_the_expected_cross_entropy_is_the_published_one(which):
    assert expected_cross_entropy(PROCESSES[which]) == pytest.approx(PUBLISHED[which], abs=6e-5)


@pytest.mark.parametrize("which", PROCESSES)
def test_many_streams_cost_what_is_expected(which):
    process = PROCESSES[which]
    of_each = nats(process, streams(process, 20_000, generator(1)))
    assert of_each.mean().item() == pytest.approx(PUBLISHED[which], abs=0.003)
    error = of_each.std().item() / len(of_each) ** 0.5
    assert of_each.mean().item() == pytest.approx(expected_cross_entropy(process), abs=4.5 * error)


@pytest.mark.parametrize("which", PROCESSES)
def test_streams_drawn_as_the_coursework_says_cost_the_same(which):
    process = PROCESSES[which]
    of_each = nats(process, literal_streams(process, 20_000, seed=3))
    error = of_each.std().item() / len(of_each) ** 0.5
    assert of_each.mean().item() == pytest.approx(expected_cross_entropy(process), abs=4.5 * error)


@pytest.mark.parametrize("process", [*PROCESSES.values(), Process((0.5, 2.0, 4.0), 7)])
def test_predictions_are_those_of_a_count_symbol_by_symbol(process):
    symbols = streams(process, 6, generator(2))
    slow = torch.tensor([slow_predictions(process, row) for row in symbols.tolist()], dtype=torch.float64)
    assert torch.allclose(predict(process, symbols), slow, atol=1e-12)


def test_a_tiny_process_is_as_brute_force_over_all_its_streams_says():
    process, length = Process((0.7, 1.5, 3.0), 4), 7  # three letters, RESET, three letters
    words = list(itertools.product(range(3), repeat=3))

    def chance(word):
        """Compute ∫ Πₖ pₖ^nₖ Dirichlet(p) dp as a product of the letters' conditional probabilities."""
        p, counts = 1.0, list(process.concentration)
        for letter in word:
            p *= counts[letter] / sum(counts)
            counts[letter] += 1
        return p

    chances = {word: chance(word) for word in words}
    assert sum(chances.values()) == pytest.approx(1)
    # Independent check of the same probabilities: integrals by numpy's Dirichlet draws.
    p = np.random.default_rng(5).dirichlet(process.concentration, 400_000)
    for word in [(0, 0, 0), (0, 1, 2), (2, 2, 1)]:
        assert np.prod(p[:, list(word)], axis=1).mean() == pytest.approx(chances[word], rel=0.02)

    expected = 0.0
    for first, second in itertools.product(words, repeat=2):
        stream = torch.tensor([[*first, RESET, *second]])
        of_steps = -predict(process, stream).gather(2, stream[:, 1:, None]).log().sum().item()
        both = chances[first] * chances[second]
        # Chain rule: the sum is −log of the stream's probability without its first symbol, which is not predicted.
        alpha = process.concentration
        assert of_steps == pytest.approx(-log(both) + log(alpha[first[0]] / sum(alpha)))
        expected += both * of_steps / (length - 1)
    assert expected_cross_entropy(process, length) == pytest.approx(expected)


def test_streams_have_their_resets_and_their_letters_shares():
    process = Process((1.0, 2.0, 5.0), 5)
    symbols = streams(process, 5000, generator(4)).numpy()
    assert symbols.shape == (5000, 100)
    assert ((symbols == RESET) == (np.arange(100) % 5 == 4)).all()
    shares = np.bincount(symbols[symbols != RESET], minlength=3) / (5000 * 80)
    assert shares == pytest.approx(np.array([1, 2, 5]) / 8, abs=0.006)
    # Letters of one cycle share their p, letters of different cycles don't: covariance α₂(A−α₂)/(A²(A+1)), and 0.
    third = (symbols == 2).astype(float)
    assert np.cov(third[:, 0], third[:, 3])[0, 1] == pytest.approx(5 * 3 / (64 * 9), abs=0.006)
    assert np.cov(third[:, 3], third[:, 5])[0, 1] == pytest.approx(0, abs=0.012)


def test_streams_follow_from_the_generator_alone():
    process = PROCESSES["M2"]
    first, same, other = (streams(process, 4, generator(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_the_predictor_offers_the_interface():
    process = PROCESSES["M3"]
    symbols = streams(process, 3, generator(9))
    answer = BayesPredictor(process).next_symbol_probabilities(torch.nn.functional.one_hot(symbols, 4).float())
    assert answer.shape == (3, 99, 4)
    assert torch.allclose(answer.double(), predict(process, symbols), atol=1e-7)
    # After one letter 2 of (1.3, 1.3, 1.3): 2.3 of 4.9.
    start = torch.tensor([[1, 0, 0, 2, RESET]])
    assert predict(process, start)[0, 0].tolist() == pytest.approx([1.3 / 4.9, 2.3 / 4.9, 1.3 / 4.9, 0])


def test_no_prediction_depends_on_later_symbols():
    process = PROCESSES["M1"]
    symbols = streams(process, 8, generator(10))
    changed = symbols.clone()
    changed[:, 43:] = (changed[:, 43:] + 1) % 3
    before, after = predict(process, symbols), predict(process, changed)
    assert torch.equal(before[:, :43], after[:, :43])
    assert not torch.equal(before[:, 43:], after[:, 43:])
