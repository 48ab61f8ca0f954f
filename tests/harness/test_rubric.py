import pytest

from harness import rubric
from harness.assignments import coursework
from harness.rubric import AssignmentError
from harness.types import Evidence, Gate, Marks, Metric, Timing

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
    assert score.shut == ("diversity",)
    titled = Marks({"m": Metric(1.0, "share", "higher", 9)}, "m", gates={"diversity": Gate(False, "varied digits")})
    assert rubric.score(rubric.parse(TOML, "mine.toml").part[0], titled).shut == ("varied digits",)
    assert rubric.score(rubric.parse(TOML, "mine.toml").part[0], marks(0.5)).shut == ()


@pytest.mark.parametrize(
    ("value", "by_member", "borderline"),
    [
        (0.99, (0.97, 0.995), True),
        (0.975, (0.97, 0.98), True),
        (0.99, (0.98, 0.995), False),
        (0.975, (0.96, 0.9799), False),
        (0.99, None, False),
    ],
)
def test_a_mark_between_the_lowest_and_the_highest_member_is_borderline(value, by_member, borderline):
    part = rubric.parse(TOML, "mine.toml").part[0]
    metrics = {"m": Metric(value, "share", "higher", 100, by_member=by_member)}
    score = rubric.score(part, Marks(metrics, "m", gates={"diversity": Gate(True)}))
    assert score.borderline == borderline
    assert ("Borderline: single members of the judge give 97.00% to" in score.explanation) == borderline
    assert score.passed == (value >= 0.98)
    shut = rubric.score(part, Marks(metrics, "m", gates={"diversity": Gate(False)}))
    assert not shut.borderline


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


TIMED = (
    TOML
    + b"""
[[part.timing]]
at_most = 2.0
points = 5
[[part.timing]]
at_most = 1.0
points = 8
"""
)


def timing(ratio, noise=1.0, status="measured", fault="harness"):
    metrics = {} if ratio is None else {"times_reference": Metric(ratio, "ratio", "lower", 48)}
    control = Metric(1.0, "ratio", "lower", 48, 1 / noise, noise)
    reason = "" if status == "measured" else "Because."
    return Timing(status, reason, fault, metrics, "Reference model", control=control, processes=6)


@pytest.mark.parametrize(
    ("found", "points", "still_open", "said"),
    [
        (timing(0.9), 28, 0, "Time 0.9 × that of Reference model, ≤ 1: 8 points."),
        (timing(1.9), 25, 0, "Time 1.9 × that of Reference model, ≤ 2: 5 points."),
        (timing(2.1), 20, 0, "Time 2.1 × that of Reference model, allowed is 2: no points for time."),
        # The reference model differed from itself by more than the entry exceeds the threshold.
        (timing(2.1, noise=1.2), 20, 5, "can't tell it from 2, so the points for that are open"),
        (timing(1.1, noise=1.2), 25, 3, "≤ 2: 5 points; this machine can't tell it from 1"),
        (timing(2.1, noise=3.0), 20, 8, "can't tell it from 1"),
        (timing(None, status="void", fault="submission"), 20, 0, "No points for time. Because."),
        (timing(None, status="not-measurable", fault="submission"), 20, 0, "No points for time. Because."),
        (timing(None, status="not-measurable"), 20, 8, "Points for time are open. Because."),
        # Too quick to be told from its transport: as quick as anybody could ask for, or nearly so.
        (timing(0.9, status="not-measurable"), 28, 0, "≤ 1: 8 points"),
        (timing(1.5, status="not-measurable"), 25, 3, "More points for time are open"),
        (None, 20, 8, "8 points for time: not measured yet"),
    ],
)
def test_points_for_time_are_given_refused_or_left_open(found, points, still_open, said):
    part = rubric.parse(TIMED, "mine.toml").part[0]
    score = rubric.score(part, marks(0.99), found)
    assert (score.points, score.open_points, score.max_points, score.passed) == (points, still_open, 28, True)
    assert said in score.explanation


def test_only_a_model_that_reaches_the_pass_mark_earns_points_for_its_time():
    part = rubric.parse(TIMED, "mine.toml").part[0]
    for value, gate, points in ((0.95, True, 10), (0.99, False, 0)):
        score = rubric.score(part, marks(value, gate), timing(0.5))
        assert (score.points, score.open_points) == (points, 0)
    assert rubric.parse(TIMED, "mine.toml").max_points == 28


def test_shorter_times_have_to_be_worth_more():
    with pytest.raises(AssignmentError, match="at_most of timing must fall as its points rise"):
        rubric.parse(TIMED.replace(b"at_most = 1.0", b"at_most = 3.0"), "mine.toml")


def test_time_is_worth_nothing_where_the_task_s_models_are_not_timed():
    text = TIMED.replace(b"conditional-generation", b"half-inpainting").replace(b'gates = ["diversity"]', b"")
    with pytest.raises(AssignmentError, match="part cvae: models of half-inpainting are not timed"):
        coursework.Coursework(rubric.parse(text, "mine.toml")).check()
    coursework.Coursework(rubric.parse(TIMED, "mine.toml")).check()


def flagged(*names, value=1.0, gate=True, integrity=True):
    evidence = tuple(Evidence(name, True, 1.0, None, 0.5, title=f"the {name}", integrity=integrity) for name in names)
    gates = {"diversity": Gate(gate), **{name: Gate(False, f"the {name}") for name in names}}
    return Marks({"m": Metric(value, "share", "higher", 100)}, "m", evidence, gates=gates)


def part_with(rule="", of_part=""):
    text = TOML.replace(b'title = "Mine"', b'title = "Mine"\n' + rule.encode())
    return rubric.parse(text + of_part.encode(), "mine.toml").part[0]


@pytest.mark.parametrize(
    ("rule", "of_part", "points", "held", "shut"),
    [
        ("", "", 20, ("the sign",), ()),
        ('on_flag = "hold"', "", 20, ("the sign",), ()),
        ('on_flag = "zero"', "", 0, (), ("the sign",)),
        ('on_flag = "note"', "", 20, (), ()),
        ('on_flag = "zero"', 'on_flag = "note"', 20, (), ()),
        ('on_flag = "note"', 'on_flag = "hold"', 20, ("the sign",), ()),
    ],
)
def test_a_flag_holds_takes_the_points_or_is_noted_as_the_assignment_says(rule, of_part, points, held, shut):
    part = part_with(rule, of_part)
    score = rubric.score(part, flagged("sign"))
    assert (score.points, score.held, score.shut) == (points, held, shut)
    assert score.passed == (points > 0)
    assert score.unconditional == (20, True)
    # Flags of the class's comparison count alike; evidence that is no sign of fraud never does.
    marked = flagged()
    assert rubric.score(part, marked, None, flagged("sign").evidence) == score
    assert rubric.score(part, flagged("sign", integrity=False)) == rubric.score(part, marked)


def test_a_shut_gate_gives_no_points_and_holds_nothing():
    score = rubric.score(part_with(), flagged("sign", gate=False))
    assert (score.points, score.passed, score.held, score.shut) == (0, False, (), ("diversity",))
    assert score.explanation == "m 100.00%, but 0 points: the condition diversity does not hold."
    assert score.unconditional == (20, True)
    # The part names the flag itself as a gate.
    named = part_with().model_copy(update={"gates": ["sign"]})
    score = rubric.score(named, flagged("sign"))
    assert (score.points, score.held, score.shut) == (0, (), ("the sign",))
    both = rubric.score(part_with('on_flag = "zero"'), flagged("sign", "other", gate=False))
    assert both.shut == ("diversity", "the sign", "the other")
    assert both.explanation.endswith(
        "but 0 points: the condition diversity does not hold; the flags the sign and the other are raised."
    )


def test_who_earns_nothing_is_not_held():
    assert rubric.score(part_with(), flagged("sign"), on_flag="note").held == ()
    earlier = part_with().model_copy(update={"earlier_of": "later"})
    assert rubric.score(earlier, flagged("sign")).held == ()
    # What misses the mark is held as well: its rank waits, too.
    assert rubric.score(part_with(), flagged("sign", value=0.1)).held == ("the sign",)


def test_an_unknown_rule_for_flags_is_named():
    with pytest.raises(AssignmentError, match="on_flag"):
        part_with('on_flag = "ignore"')
    with pytest.raises(AssignmentError, match="on_flag"):
        part_with("", 'on_flag = "ignore"')


@pytest.mark.parametrize(
    ("value", "better", "steps", "expected"),
    [
        (0.90, "higher", [[0.8, 0.5], [0.95, 0.75], [0.98, 1.0]], (0.95, 15.0)),
        (0.96, "higher", [[0.8, 0.5], [0.95, 0.75], [0.98, 1.0]], (0.98, 20.0)),
        (0.99, "higher", [[0.8, 0.5], [0.95, 0.75], [0.98, 1.0]], None),
        (0.05, "lower", [[0.06, 0.5], [0.04, 1.0]], (0.04, 20.0)),
        (None, "higher", [[0.8, 0.5]], None),
    ],
)
def test_the_next_step_is_the_nearest_with_more_points(value, better, steps, expected):
    from harness.rubric import Part, score
    from harness.types import Marks, Metric

    part = Part.model_validate(
        {"id": "p", "title": "P", "task": "t", "points": 20, "pass": steps[0][0], "steps": steps, "metric": "m"}
    )
    found = score(part, Marks({"m": Metric(value, "MSE", better, 10)}, "m"))
    assert found.next_step == expected
