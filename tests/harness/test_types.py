"""Tests of the domain's values: the three states of evidence."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

import harness.evidence
from harness.types import Evidence

SHARE = Evidence("share", False, 0.0, 0.0, 0.01, flagged_from=0.01, unusual_from=0.004)
RATIO = Evidence("ratio", False, 0.9, 0.9, 1.1, flagged_from=0.25, unusual_from=0.5)


@pytest.mark.parametrize(
    ("evidence", "value", "state"),
    [
        (SHARE, 0.0039, "clear"),
        (SHARE, 0.004, "unusual"),
        (SHARE, 0.5, "unusual"),  # the statistic alone raises flags
        (SHARE, None, "clear"),
        (RATIO, 0.51, "clear"),
        (RATIO, 0.5, "unusual"),
        (RATIO, 0.1, "unusual"),
        (RATIO, 2.0, "clear"),
    ],
)
def test_a_value_beyond_the_second_threshold_is_unusual(evidence: Evidence, value: float | None, state: str) -> None:
    assert replace(evidence, value=value).state == state
    assert replace(evidence, value=value, flag=True).state == "flagged"


def test_evidence_without_thresholds_keeps_its_two_states() -> None:
    assert Evidence("plain", False, 7.0, 0.0, 1.0).state == "clear"
    assert Evidence("plain", True, 7.0, 0.0, 1.0).state == "flagged"
    assert Evidence("plain", False, 7.0, 0.0, 1.0, unusual=True).state == "unusual"
    assert not Evidence("plain", True, 7.0, 0.0, 1.0).integrity


def test_a_second_threshold_needs_the_first() -> None:
    with pytest.raises(ValueError, match="needs a flagged_from"):
        Evidence("share", False, 0.0, 0.0, 0.01, unusual_from=0.004)
    with pytest.raises(ValueError, match="differs"):
        Evidence("share", False, 0.0, 0.0, 0.01, flagged_from=0.01, unusual_from=0.01)
    adapter = TypeAdapter(Evidence)
    plain = adapter.dump_python(SHARE)
    assert adapter.validate_python(plain) == SHARE
    with pytest.raises(ValidationError):
        adapter.validate_python({**plain, "flagged_from": None})
    # What was recorded before there were thresholds.
    old = {name: value for name, value in plain.items() if name not in ("integrity", "flagged_from", "unusual_from")}
    assert adapter.validate_python(old).state == "clear"


def test_signs_that_a_score_was_not_earned_say_so_themselves() -> None:
    found = {}
    for path in Path(harness.evidence.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Evidence":
                found.setdefault(path.stem, set()).add(any(each.arg == "integrity" for each in node.keywords))
    assert {name for name, declared in found.items() if declared == {True}} >= {
        "copies",
        "copies_input",
        "judge_fooling",
        "memorised",
        "mode_collapse",
        "packed_code",
        "same_for_all",
    }
