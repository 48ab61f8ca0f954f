import pytest

from harness import rubric
from harness.assignments import coursework
from harness.rubric import AssignmentError
from harness.types import Gate, Marks, Metric

TOML = b"""
name = "mine"
title = "Mine"
[[part]]
id = "cvae"
title = "VAE"
task = "conditional-generation"
points = 20
pass = 0.98
steps = [[0.9, 0.5], [0.98, 1.0]]
gates = ["diversity"]
"""


def marks(value, gate=True, better="higher"):
    return Marks({"m": Metric(value, "share", better, 100)}, "m", gates={"diversity": Gate(gate)})


@pytest.mark.parametrize(("value", "points", "passed"), [(0.98, 20, True), (0.97, 10, False), (0.5, 0, False)])
def test_the_best_step_that_is_reached_counts(value, points, passed):
    part = rubric.parse(TOML, "mine.toml").part[0]
    score = rubric.score(part, marks(value))
    assert (score.points, score.max_points, score.passed) == (points, 20, passed)


def test_a_shut_gate_takes_all_points():
    score = rubric.score(rubric.parse(TOML, "mine.toml").part[0], marks(1.0, gate=False))
    assert (score.points, score.passed) == (0, False)
    assert "diversity" in score.explanation


def test_lower_is_better_turns_the_thresholds_round():
    text = TOML.replace(b"pass = 0.98", b"pass = 0.1").replace(
        b"[[0.9, 0.5], [0.98, 1.0]]", b"[[0.2, 0.5], [0.1, 1.0]]"
    )
    part = rubric.parse(text, "mine.toml").part[0]
    assert rubric.score(part, marks(0.05, better="lower")).points == 20
    assert rubric.score(part, marks(0.15, better="lower")).points == 10
    assert rubric.score(part, marks(0.3, better="lower")).points == 0


def test_what_could_not_be_measured_does_not_pass():
    score = rubric.score(rubric.parse(TOML, "mine.toml").part[0], marks(None))
    assert not score.passed
    assert score.points == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"points = 20", b"points = -1", "points"),
        (b"points = 20", b"pionts = 20", "pionts"),
        (b'id = "cvae"', b'id = "../x"', "id"),
        (b"title", b"title = [", "TOML"),
    ],
)
def test_errors_name_file_and_key(old, new, said):
    with pytest.raises(AssignmentError, match=said) as caught:
        rubric.parse(TOML.replace(old, new, 1) if said != "title" else TOML, "mine.toml")
    assert "mine.toml" in str(caught.value)


def test_parts_are_unique():
    doubled = TOML + TOML[TOML.index(b"[[part]]") :]
    with pytest.raises(AssignmentError, match="cvae"):
        rubric.parse(doubled, "mine.toml")


def test_the_shipped_assignment_has_the_courseworks_pass_mark():
    assignment = coursework.find("tsinghua-hw3").assignment
    marks = {part.id: part.pass_mark for part in assignment.part}
    assert (marks["cvae"], marks["cgan"]) == (0.98, 0.98)
    assert assignment.part_for("cgan", "conditional-generation").gates == ["diversity"]
    assert assignment.part_for("other", "conditional-generation") is None


def test_an_unknown_assignment_is_an_error():
    with pytest.raises(AssignmentError, match="tsinghua-hw3"):
        coursework.find("no-such")
