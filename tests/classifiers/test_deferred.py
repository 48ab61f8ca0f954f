"""A judge whose networks are built when it is first asked is the judge of its file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from classifiers.deferred import DeferredJudge
from classifiers.facts import SHIPPED, WeightsError
from classifiers.judge import Judge
from tests.data import embedded_digits

ROOT = Path(__file__).parents[2]


def test_it_says_what_the_judge_says():
    images = embedded_digits().test.images[:40]
    deferred, judge = DeferredJudge(SHIPPED), Judge.shipped()
    assert (deferred.digest, deferred.facts, deferred.most_doubt) == (judge.digest, judge.facts, judge.most_doubt)
    np.testing.assert_array_equal(deferred.real_spread, judge.real_spread)
    for found, expected in zip(deferred.decide(images), judge.decide(images), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(deferred.doubt(images), judge.doubt(images))


def test_it_imports_no_torch_before_it_is_asked():
    code = "import sys; from classifiers.deferred import *; from classifiers.facts import SHIPPED; "
    code += "print(DeferredJudge(SHIPPED).digest, {'torch', 'scipy'} & {*sys.modules})"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == f"{Judge.shipped().digest} set()\n"


def test_a_damaged_file_is_refused_at_once(tmp_path):
    file = tmp_path / "judge.safetensors"
    file.write_bytes(SHIPPED.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="damaged, or not safetensors"):
        DeferredJudge(file)


def test_the_networks_are_those_of_the_bytes_that_the_digest_is_of(tmp_path):
    file = tmp_path / "judge.safetensors"
    file.write_bytes(SHIPPED.read_bytes())
    deferred = DeferredJudge(file)
    file.write_bytes(b"other")
    assert deferred.judge.digest == deferred.digest == Judge.shipped().digest
