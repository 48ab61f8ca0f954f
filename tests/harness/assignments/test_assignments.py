"""The shipped assignments: what they name exists, and documented figures earn the documented points."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness import rubric
from harness.assignments import coursework
from harness.rubric import AssignmentError, Part
from harness.run.prepare import Request, RequestError, prepare
from harness.tasks import TASKS, task
from harness.types import Gate, Marks, Metric, Score, counted

COURSEWORKS = coursework.shipped()
ASSIGNMENTS = {name: found.assignment for name, found in COURSEWORKS.items()}
PARTS = [(name, part) for name, assignment in ASSIGNMENTS.items() for part in assignment.part]
HIGHER = ("accuracy", "solved", "explained")
"""Metrics of which more is better."""
every_part = pytest.mark.parametrize(("name", "part"), PARTS, ids=[f"{name}-{part.id}" for name, part in PARTS])


def find(name: str, identity: str) -> Part:
    return next(part for part in ASSIGNMENTS[name].part if part.id == identity)


def points(part: Part, value: float, **gates: bool) -> float:
    """Return the points that a measured value earns."""
    name = part.metric or (task(part.task).primary if part.task in TASKS else "value")
    better = "higher" if name in HIGHER else "lower"
    metric = Metric(value, "share" if name in HIGHER else "", better, 10_000)
    shut = {gate: Gate(holds) for gate, holds in gates.items()}
    return rubric.score(part, Marks({name: metric}, name, gates=shut)).points


def test_the_courseworks_that_are_shipped() -> None:
    assert {name: assignment.max_points for name, assignment in ASSIGNMENTS.items()} == {
        "ist-hw5": 100,
        "tsinghua-hw3": 75,
        "tu-berlin-sheet10": 100,
        "ucl-hw4": 100,
    }
    assert [part.id for part in ASSIGNMENTS["tsinghua-hw3"].part] == ["cvae", "cgan", "ebm", "flow"]


@every_part
def test_what_a_part_names_exists(name: str, part: Part) -> None:
    asked = task(part.task)
    assert set(part.gates) <= set(asked.gates)
    assert set(part.models) <= set(COURSEWORKS[name].answering(asked))
    COURSEWORKS[name].check()


@every_part
def test_steps_lead_to_all_points_and_the_pass_mark_is_one_of_them(name: str, part: Part) -> None:
    shares = [share for _, share in part.steps]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0
    assert part.pass_mark in [threshold for threshold, _ in part.steps]
    earned = [points(part, threshold) for threshold, _ in part.steps]
    assert earned == pytest.approx([part.points * share for share in shares])
    # A hair worse than the first step is worth nothing.
    worse = part.steps[0][0] * (0.999 if (part.metric or task(part.task).primary) in HIGHER else 1.001)
    assert points(part, worse) == 0


@pytest.mark.parametrize(
    ("assignment", "part", "figure", "share"),
    [
        # TU Berlin: errors of PCA in the coursework's [-1, 1], a quarter of that here; the mean image; gray.
        ("tu-berlin-sheet10", "pca", 0.535 / 4, 1.0),
        ("tu-berlin-sheet10", "pca", 0.626 / 4, 0.75),
        ("tu-berlin-sheet10", "pca", 0.688 / 4, 0.5),
        ("tu-berlin-sheet10", "pca", 0.680 / 4, 0.5),
        ("tu-berlin-sheet10", "pca", 0.795 / 4, 0.0),
        # What energy-based learning explains at its published settings, and tuned; what ink alone does; the mean.
        ("tu-berlin-sheet10", "ebl", 0.11, 0.75),
        ("tu-berlin-sheet10", "ebl", 0.23, 1.0),
        ("tu-berlin-sheet10", "ebl", 0.33, 1.0),
        ("tu-berlin-sheet10", "ebl", 0.04, 0.0),
        ("tu-berlin-sheet10", "ebl", 0.002, 0.0),
        # Tsinghua: the sheet's 98 %; noise left as it is; the first try at contrastive divergence.
        ("tsinghua-hw3", "cvae", 0.98, 1.0),
        ("tsinghua-hw3", "cgan", 0.9799, 0.0),
        ("tsinghua-hw3", "ebm", 0.02335, 0.0),
        ("tsinghua-hw3", "ebm", 0.0082, 1.0),
        # Coin flips as they are shown; no ink; the mean image, which the gate stops; the shipped flow.
        ("tsinghua-hw3", "flow", 0.4808, 0.0),
        ("tsinghua-hw3", "flow", 0.1110, 0.2),
        ("tsinghua-hw3", "flow", 0.0683, 0.4),
        ("tsinghua-hw3", "flow", 0.0526, 1.0),
        # IST: principal components, the mean image, plain training; the shipped VAE, and plain training of it.
        ("ist-hw5", "linear-2", 0.05567, 1.0),
        ("ist-hw5", "linear-2", 0.05716, 1.0),
        ("ist-hw5", "linear-2", 0.0675, 0.0),
        ("ist-hw5", "linear-100", 0.0115, 0.4),
        ("ist-hw5", "linear-100", 0.00562, 1.0),
        ("ist-hw5", "vae-2", 151.1, 1.0),
        ("ist-hw5", "vae-10", 107.1, 1.0),
        ("ist-hw5", "vae-10", 151.1, 0.4),
        ("ist-hw5", "vae-100", 102.7, 1.0),
        ("ist-hw5", "vae-100", 205.8, 0.0),
        ("ist-hw5", "pca-10", 0.03407, 1.0),
        ("ist-hw5", "relu-10", 0.03895, 1.0),
        ("ist-hw5", "stacked-10", 0.01347, 1.0),
        ("ist-hw5", "stacked-10", 0.03407, 0.4),
        # UCL: LSTM with 32 units after 0, 1 and 5 epochs, a GRU's best; tables of counts.
        ("ucl-hw4", "pixel-prediction", 0.6926, 0.0),
        ("ucl-hw4", "pixel-prediction", 0.2924, 0.0),
        ("ucl-hw4", "pixel-prediction", 0.1749, 0.25),
        ("ucl-hw4", "pixel-prediction", 0.1480, 0.6),
        ("ucl-hw4", "pixel-prediction", 0.1136, 1.0),
        ("ucl-hw4", "pixel-prediction", 0.0905, 1.0),
        ("ucl-hw4", "symbols-m4", 0.9223 - 0.9223, 1.0),
        # The letters' prior mean of M1; the shipped model.
        ("ucl-hw4", "symbols-m1", 0.0053, 0.6),
        ("ucl-hw4", "symbols-m1", 0.00026, 1.0),
    ],
)
def test_documented_figures_earn_the_documented_points(assignment: str, part: str, figure: float, share: float) -> None:
    chosen = find(assignment, part)
    assert points(chosen, figure) == pytest.approx(share * chosen.points)


def test_a_gray_patch_handed_back_earns_nothing_as_energy_based_learning() -> None:
    part = find("tu-berlin-sheet10", "ebl")
    assert points(part, 0.2) == part.points
    assert points(part, 0.2, **{"copies-input": False}) == 0
    assert points(part, 0.2, **{"follows-image": False}) == 0


def test_one_of_energy_and_flow_counts_and_the_other_is_a_bonus() -> None:
    assignment = ASSIGNMENTS["tsinghua-hw3"]
    best = {"cvae": 0.99, "cgan": 0.99, "ebm": 0.0060, "flow": 0.05}

    def total(**values: float) -> float:
        scores = []
        for part in assignment.part:
            if part.id in values:
                name = task(part.task).primary
                metric = Metric(values[part.id], "", "higher" if name == "accuracy" else "lower", 100)
                scores.append(rubric.score(part, Marks({name: metric}, name)))
        return sum(counted(scores))

    assert total(**best) == 85  # 75 and a bonus of 10
    assert total(cvae=0.99, cgan=0.99, flow=0.05) == total(cvae=0.99, cgan=0.99, ebm=0.0060) == 75
    assert total(cvae=0.99, cgan=0.99) == 50
    # 60 % of the energy-based model's points are 60 % of its bonus.
    assert total(**best | {"ebm": 0.0110}) == 81
    # The better one counts in full, whichever it is.
    assert total(**best | {"flow": 0.47}) == 75


def test_an_optional_part_is_a_bonus_beside_the_full_marks_and_never_missing() -> None:
    assignment = parsed("optional = true")
    assert assignment.max_points == 10
    metric = Metric(0.05, "", "lower", 100)
    scores = [rubric.score(part, Marks({"mse": metric}, "mse")) for part in assignment.part]
    assert [score.optional for score in scores] == [True, False]
    assert counted(scores) == [10, 10]


def test_counted_points_of_alternatives() -> None:
    def one(points: float, choice: str = "", bonus: float = 0.0) -> Score:
        return Score(points, 20.0, True, "", None, choice, bonus)

    assert counted([one(5), one(10, "a", 4), one(20, "a", 4), one(20, "a", 4), one(1, "b", 9)]) == [5, 2, 20, 4, 1]
    assert counted([]) == []
    worthless = Score(0.0, 0.0, True, "", None, "a", 4.0)
    assert counted([worthless, worthless]) == [0.0, 0.0]


def test_an_entry_finds_its_part_by_name_by_task_and_by_architecture() -> None:
    ucl = ASSIGNMENTS["ucl-hw4"]
    found = [
        ucl.part_for(part, "symbol-prediction") for part in ("symbols-m2", "dirichlet-lstm-m3", "symbol-prediction")
    ]
    assert [part and part.id for part in found] == ["symbols-m2", "symbols-m3", None]
    anything = ucl.part_for("anything", "next-pixel")
    assert anything is not None
    assert anything.id == "pixel-prediction"


@pytest.mark.parametrize(
    ("named", "task", "options", "found"),
    [
        ("linear-autoencoder", "reconstruction", {"code": "50"}, "linear-50"),
        ("vae", "bernoulli-density", {"code": "5", "z_log": "std"}, "vae-5"),
        ("vae-10", "bernoulli-density", {}, "vae-10"),
        # Which of the five is not told.
        ("vae", "bernoulli-density", {}, None),
        ("vae", "bernoulli-density", {"code": "7"}, None),
        # The only part of this task that takes it.
        ("vae", "reconstruction", {}, "vae-no-divergence-10"),
    ],
)
def test_an_entry_finds_its_part_by_its_options(
    named: str, task: str, options: dict[str, str], found: str | None
) -> None:
    part = ASSIGNMENTS["ist-hw5"].part_for(named, task, options)
    assert (part and part.id) == found


TOML = """
name = "mine"
title = "Mine"
[[part]]
id = "a"
title = "A"
task = "{task}"
points = 10
pass = 0.1
{more}
[[part]]
id = "b"
title = "B"
task = "row-inpainting"
points = 10
pass = 0.1
"""


def parsed(more: str = "", task: str = "row-inpainting") -> rubric.Assignment:
    return rubric.parse(TOML.format(task=task, more=more).encode(), "mine.toml")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("steps = [[0.3, 0.2], [0.1, 1.0], [0.2, 0.5]]", None),
        ("steps = [[0.3, 0.2], [0.1, 0.5], [0.2, 1.0]]", "rise, or fall"),
        ("steps = [[0.3, 0.2], [0.3, 0.5]]", "rise, or fall"),
        ("bonus = 3", "choice"),
        ('choice = "x"', "two parts"),
        ('optional = true\nchoice = "x"', "optional is for parts without choice"),
        ('choice = "X y"', "choice"),
    ],
)
def test_senseless_parts_are_refused(more: str, said: str | None) -> None:
    if said is None:
        assert parsed(more).part[0].steps[2] == (0.2, 0.5)
        return
    with pytest.raises(AssignmentError, match=said) as caught:
        parsed(more)
    assert "mine.toml" in str(caught.value)


def test_points_may_follow_another_metric_than_the_ranking() -> None:
    part = parsed('metric = "plausibility"\nsteps = [[0.1, 0.5], [0.9, 1.0]]').part[0]
    marks = Marks({"mse": Metric(0.02, "", "lower", 9), "plausibility": Metric(0.95, "share", "higher", 9)}, "mse")
    score = rubric.score(part, marks)
    assert (score.points, score.passed) == (10, True)
    # The mark is none of the metric that the leaderboard draws.
    assert score.pass_mark is None
    assert "plausibility 95.00%" in score.explanation
    with pytest.raises(Exception, match="no_such") as caught:
        rubric.score(parsed('metric = "no_such"').part[0], marks)
    assert "mse, plausibility" in str(caught.value)


def test_the_explanation_says_what_was_reached_and_what_comes_next() -> None:
    part = find("tu-berlin-sheet10", "pca")
    marks = Marks({"masked_mse": Metric(0.15, "squared gray value", "lower", 9, title="masked MSE")}, "masked_mse")
    assert rubric.score(part, marks).explanation == (
        "masked MSE 0.15, pass mark ≤ 0.1346: not reached. 75% of the points for ≤ 0.1575; 100% for ≤ 0.1346."
    )
    marks = dataclasses.replace(marks, metrics={"masked_mse": Metric(0.9, "", "lower", 9)})
    assert rubric.score(part, marks).explanation.endswith("not reached. 0% of the points; 25% for ≤ 0.181.")


def test_an_unknown_task_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TOML.format(task="no-such-task", more=""), encoding="utf-8")
    with pytest.raises(RequestError, match=r"no-such-task.*row-inpainting"):
        prepare(Request(str(file), tmp_path / "results", None, 0))


EARLIER = """
[[part]]
id = "a-1"
title = "A after one epoch"
task = "{task}"
points = {points}
pass = 0.5
earlier_of = "{of}"
epochs = {epochs}
"""


def with_earlier(task="patch-inpainting", points=0, of="a", epochs=1):
    text = TOML.format(task="patch-inpainting", more="epochs = 5")
    return rubric.parse((text + EARLIER.format(task=task, points=points, of=of, epochs=epochs)).encode(), "mine.toml")


@pytest.mark.parametrize(
    "changes", [{"of": "none"}, {"of": "b"}, {"of": "a-1"}, {"points": 3}, {"epochs": 5}, {"task": "row-inpainting"}]
)
def test_an_earlier_part_is_of_the_same_task_with_fewer_epochs_and_no_points(changes) -> None:
    assert with_earlier().part[2].epochs == 1
    with pytest.raises(AssignmentError, match="earlier") as caught:
        with_earlier(**changes)
    assert "a-1" in str(caught.value)


def test_an_earlier_part_is_answered_by_its_name_alone() -> None:
    assignment = with_earlier()
    chosen = assignment.part_for("ebl", "patch-inpainting"), assignment.part_for("a-1", "patch-inpainting")
    assert [part and part.id for part in chosen] == ["a", "a-1"]
