"""The evidence of copied work: its value, its threshold and its sentence."""

from __future__ import annotations

from harness.evidence.copied_weights import LISTED, Other, copied_weights


def other(number: int, **of: object) -> Other:
    return Other(("student", f"s{number}", "cvae"), f"Team {number} (s{number})", **of)


def test_likeness_names_the_others_and_the_distance_beside_its_threshold():
    alike = {"title": "answers to the code 0", "threshold": 3.0, "unit": "times the floor"}
    found = copied_weights([other(1, distance=0.91234567, **alike), other(2, distance=1.5, **alike)])
    assert (found.name, found.state, found.value, found.low, found.high) == (
        "copied-weights",
        "flagged",
        0.9123,
        3.0,
        None,
    )
    assert "Team 1 (s1) and Team 2 (s2)" in found.message
    assert "0.91 times the floor, where up to 3 counts as copied" in found.message
    assert found.others == (("student", "s1", "cvae"), ("student", "s2", "cvae"))


def test_a_small_distance_is_written_without_an_exponent():
    alike = {"title": "hidden units", "threshold": 0.01, "unit": "(1 − cosine)"}
    assert (
        "differ by 0.000054 (1 − cosine), where up to 0.01"
        in copied_weights([other(1, distance=5.44e-5, **alike)]).message
    )
    assert "differ by 0 (1 − cosine)" in copied_weights([other(1, distance=0.0, **alike)]).message


def test_an_equal_file_is_told_as_such():
    found = copied_weights([other(1)])
    assert (found.value, found.low) == (0.0, None)
    assert found.message.startswith("The same file was handed in by Team 1 (s1).")


def test_of_a_crowd_three_are_named_and_twelve_linked():
    found = copied_weights([other(number) for number in range(20)])
    assert "Team 0 (s0), Team 1 (s1), Team 2 (s2) and 17 others" in found.message
    assert len(found.others) == LISTED == 12
    assert "and 1 other." in copied_weights([other(number) for number in range(4)]).message
