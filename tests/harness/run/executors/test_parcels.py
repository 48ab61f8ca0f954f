"""Parcels bring values back as they went, to the last bit, and nothing but plain values and the harness's own."""

import json
import pickle

import numpy as np
import pytest

from harness.run.ask import Asked
from harness.run.executors.parcels import ParcelError, pack, unpack
from harness.run.mark import Marked
from harness.types import ArraySpec, Entry, Evidence, Failure, Figure, Gate, Kind, Marks, Metric, Question, Role

FLOATS = [0.1, 1 / 3, 5e-324, -0.0, 1.7976931348623157e308]


def test_numbers_come_back_to_the_last_bit():
    back = unpack(pack(FLOATS))
    assert [x.hex() for x in back] == [x.hex() for x in FLOATS]
    # A float32 that became a float64 would compare otherwise with a threshold.
    for number in (np.float32(0.3), np.float64(0.1), np.int64(-7), np.bool_(True)):
        again = unpack(pack({"x": number}))["x"]
        assert type(again) is type(number)
        assert again == number


@pytest.mark.parametrize("dtype", ["?", "u1", "<i8", ">i4", "<f2", "<f4", "<f8", "<c16"])
def test_arrays_of_any_shape_and_type_come_back_writable_and_aligned(dtype):
    drawn = np.random.default_rng(0).integers(0, 2, (3, 2, 5)).astype(dtype)
    sent = {
        "odd": np.zeros(3, "u1"),
        "a": drawn,
        "turned": drawn.T,
        "empty": drawn[:0],
        "scalar": np.array(drawn[0, 0, 0]),
    }
    back = unpack(pack(sent))
    for name, array in sent.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        np.testing.assert_array_equal(back[name], array)
        assert back[name].flags.writeable
        assert back[name].flags.aligned


def test_the_harness_own_values_come_back_equal():
    metric = Metric(0.25, "share", "higher", 4, 0.1, 0.4, title="accuracy")
    figure = Figure("f", "bars", "F", {"values": np.arange(3.0)}, columns=("a", "b"), strip=(0.0, 0.5))
    evidence = Evidence("e", True, None, 0.0, 1.0, "Said \udcff ‮ oddly.")
    marks = Marks({"m": metric}, "m", (evidence,), (figure,), {"g": Gate(True, "G")}, np.array([1.0, 2.0]))
    question = Question("sample", {"z": np.ones((2, 3), np.float32)}, {"x": ArraySpec((2, 1), low=0.0)}, 5, None, True)
    entry = Entry("t", Kind.WEIGHTS, "p", "m", "c.pt", None, {"z_log": "std"}, 3)
    failure = Failure("checkpoint", "truncated", "Too short.", "submission", "detail")
    back = unpack(pack([entry, failure, marks, question, Role.STUDENT, ("a", ["b", ("c",)]), b"\0bytes", None]))
    assert back[0] == entry
    assert isinstance(back[0].kind, Kind)
    assert back[1] == failure
    assert back[4] is Role.STUDENT
    assert back[5:] == [("a", ["b", ("c",)]), b"\0bytes", None]
    assert (back[2].metrics, back[2].evidence, back[2].gates) == (marks.metrics, marks.evidence, marks.gates)
    assert back[2].figures[0].columns == ("a", "b")
    np.testing.assert_array_equal(back[2].scores, marks.scores)
    assert (back[3].answers, back[3].batch, back[3].optional) == (question.answers, 5, True)
    asked = Asked([{"x": np.arange(4)}, {}], None, "full", ("note",), 1.5, "digest", "full")
    again, marked = unpack(pack((asked, Marked(marks, None, ("n",)))))
    assert again.answers[1] == {}
    np.testing.assert_array_equal(again.answers[0]["x"], np.arange(4))
    assert (again.notes, again.digest, marked.notes) == (("note",), "digest", ("n",))


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a parcel was unpickled",))


@pytest.mark.parametrize("value", [Evil(), {1: "x"}, {"$": 1}, {3}, np.array([Evil()]), np.array(["text"]), print])
def test_other_values_do_not_travel(value):
    with pytest.raises(ParcelError):
        pack({"value": value})


def _parcel(plain, body=b""):
    text = json.dumps(plain).encode()
    return len(text).to_bytes(8, "little") + text + body


ARRAY = {"$": "array", "dtype": "<f4", "shape": [2], "bytes": [0, 8]}


@pytest.mark.parametrize(
    "parcel",
    [
        b"",
        b"\xff" * 40,
        pickle.dumps(Evil()),
        _parcel(ARRAY),
        _parcel(ARRAY, b"1234567"),
        _parcel(ARRAY, b"12345678-too-long"),
        _parcel(ARRAY | {"bytes": [-8, 8]}, b"12345678"),
        _parcel(ARRAY | {"shape": [1 << 40]}, b"12345678"),
        _parcel(ARRAY | {"dtype": "|O"}, b"12345678"),
        _parcel(ARRAY | {"dtype": "f4,O"}, b"12345678"),
        _parcel(ARRAY | {"shape": [2, "x"]}, b"12345678"),
        _parcel({"$": "Popen", "fields": {"args": "true"}}),
        _parcel({"$": "Metric", "fields": {"value": 1.0, "__class__": "x"}}),
        _parcel({"$": "Kind", "value": "no-such-kind"}),
        _parcel({"$": ["list"]}),
        _parcel("x")[:-1],
        (1 << 62).to_bytes(8, "little") + b"[" * 100_000,
        _parcel(0)[:8] + b"[" * 10,
    ],
)
def test_what_is_no_parcel_is_refused(parcel):
    with pytest.raises(ParcelError):
        unpack(parcel)


def test_deep_nesting_is_refused_without_a_crash():
    text = b"[" * 200_000 + b"]" * 200_000
    with pytest.raises(ParcelError):
        unpack(len(text).to_bytes(8, "little") + text)
