"""Tests of reading submission.toml, and of each error message."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.intake.manifest import FoundManifest, Manifest, manifest_in, matched, read_manifest
from harness.intake.names import is_id
from harness.types import Entry, Failure, GradingError, Kind
from tests.harness.intake.handed_in import collect, team, write, zipped

TASKS = ("conditional-generation", "half-inpainting", "row-inpainting")
MODELS = {
    "cvae": {"concat_activation": ("relu", "none"), "z_log": ("std", "variance")},
    "cgan": {"value_range": ("0,1", "-1,1")},
}


def read(text: str | bytes) -> Manifest:
    content = text.encode() if isinstance(text, str) else text
    return read_manifest(content, "submission.toml", tasks=TASKS, models=MODELS)


def failure(text: str | bytes) -> Failure:
    with pytest.raises(GradingError) as caught:
        read(text)
    assert caught.value.failure.stage == "manifest" and caught.value.failure.fault == "submission"
    assert "submission.toml" in caught.value.failure.message
    return caught.value.failure


def entry(lines: str) -> str:
    return f'[[entry]]\ntask = "conditional-generation"\n{lines}\n'


def test_every_way_of_bringing_a_model() -> None:
    manifest = read(
        """
        [submission]
        name = "Team Gauss"
        id = "s1234567"

        [[entry]]
        task = "conditional-generation"
        model = "cvae"
        checkpoint = "./vae//best.pt"
        options = { concat_activation = "none", z_log = "variance" }

        [[entry]]
        task = "half-inpainting"
        code = "flow/adapter.py:load"
        checkpoint = "flow/models/checkpoint_best.pt"

        [[entry]]
        task = "row-inpainting"
        code = "ebm.py:load"

        [[entry]]
        task = "conditional-generation"
        part = "own"
        code = "starter:ebm"
        checkpoint = "ebm/best.pt"
        options = { value_range = "-1,1" }

        [[entry]]
        task = "conditional-generation"
        part = "cgan"
        outputs = "gan_generated_samples.pt"
        """
    )
    assert (manifest.name, manifest.id, manifest.notes) == ("Team Gauss", "s1234567", ())
    task = "conditional-generation"
    options = {"concat_activation": "none", "z_log": "variance"}
    assert manifest.entries == (
        Entry(task, Kind.WEIGHTS, "cvae", "cvae", "vae/best.pt", None, options),
        Entry(
            "half-inpainting",
            Kind.CODE,
            "half-inpainting",
            None,
            "flow/models/checkpoint_best.pt",
            "flow/adapter.py:load",
        ),
        Entry("row-inpainting", Kind.CODE, "row-inpainting", None, None, "ebm.py:load"),
        Entry(task, Kind.CODE, "own", None, "ebm/best.pt", "starter:ebm", {"value_range": "-1,1"}),
        Entry(task, Kind.OUTPUTS, "cgan", None, "gan_generated_samples.pt"),
    )


def test_name_and_id_may_be_left_out() -> None:
    manifest = read(entry('outputs = "a.pt"'))
    assert manifest.name is None and manifest.id is None
    assert manifest.entries[0].part == "conditional-generation"


def test_a_number_as_id_and_a_byte_order_mark_are_accepted() -> None:
    text = "\ufeff[submission]\nid = 1234567\n" + entry('outputs = "a.pt"')
    assert read(text).id == "1234567"


@pytest.mark.parametrize(
    ("lines", "kind", "words"),
    [
        ('modle = "cvae"\ncheckpoint = "a.pt"', "bad-key", ["Entry 1", '"modle"', 'did you mean "model"', "outputs"]),
        ('checkpoint = 3\nmodel = "cvae"', "bad-key", ["Entry 1", '"checkpoint"', "number 3", "text in quotes"]),
        ('outputs = "a.pt"\noptions = { value_range = 1 }', "bad-key", ['"options.value_range"', "number 1"]),
        ('model = "cvea"\ncheckpoint = "a.pt"', "unknown-model", ['"cvea"', 'did you mean "cvae"', '"cgan"']),
        ('checkpoint = "a.pt"', "no-model", ["entry 1", "model", "code"]),
        ('model = "cvae"', "no-way", ["exactly one"]),
        ('onnx = "a.onnx"', "onnx-not-supported", ["entry 1", '"onnx"', "state_dict()", "path/to/file.py:function"]),
        ('onnx = "a.onnx"\noutputs = "b.pt"', "onnx-not-supported", ["gradebench models", "checkpoint ="]),
        ("onnx = 3", "onnx-not-supported", ["entry 1"]),
        ('code = "a.py:load"\noutputs = "b.pt"', "several-ways", ["code and outputs"]),
        ('model = "cvae"\ncheckpoint = "a.pt"\noutputs = "b.pt"', "several-ways", ["checkpoint and outputs"]),
        ('model = "cvae"\noutputs = "b.pt"', "model-not-allowed", ['use "part"']),
        ('model = "cvae"\ncheckpoint = "a.pt"\noptions = { z_logg = "std" }', "unknown-option", ['mean "z_log"']),
        (
            'model = "cvae"\ncheckpoint = "a.pt"\noptions = { z_log = "sigma" }',
            "unknown-value",
            ['"options.z_log"', '"sigma"', '"std", "variance"'],
        ),
        ('model = "cgan"\ncheckpoint = "a.pt"\noptions = { z_log = "std" }', "unknown-option", ['"value_range"']),
        ('code = "adapter.txt"', "bad-code", ["path/to/file.py:function", '"starter:ebm", "starter:flow"']),
        ('code = "adapter.py:lo ad"', "bad-code", ["lo ad"]),
        ('code = "../adapter.py:load"', "parent-path", ["leads out"]),
        ('outputs = "a/../../b.pt"', "parent-path", ['"outputs"', "leads out"]),
        ('outputs = "/etc/passwd"', "absolute-path", ["/etc/passwd", "absolute"]),
        ('outputs = "C:/a.pt"', "absolute-path", ["drive letter"]),
        ("outputs = 'C:\\vae\\best.pt'", "absolute-path", ["drive letter"]),
        ("outputs = '..\\best.pt'", "parent-path", ["leads out"]),
        ('outputs = "a\\u0000.pt"', "nul-in-name", ["NUL"]),
        ('outputs = "a\\u001b[31m.pt"', "control-character", ["control character"]),
        (f'outputs = "{"é" * 128}"', "long-name", ["256 bytes", "255"]),
        (f'outputs = "{"d/" * 16}a.pt"', "too-deep", ["17", "16"]),
        ('outputs = "./."', "empty-path", ["empty"]),
        ('outputs = "a.pt"\npart = "../x"', "bad-part", ["A-Z"]),
    ],
)  # fmt: skip
def test_an_error_in_an_entry_is_explained(lines: str, kind: str, words: list[str]) -> None:
    found = failure(entry(lines))
    assert found.kind == kind
    for word in words:
        assert word in found.message
    assert "\x1b" not in found.message and "\0" not in found.message


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("[[entry]\n", "not-toml", ["line 1"]),
        (b"\xff\xfe\x00\xd8", "not-utf8", ["UTF-8"]),
        ('# W\u00fcrfel\nx = "\u00fc"'.encode("latin-1"), "not-utf8", ["line 1", "Notepad", "UTF-8"]),
        ("", "bad-key", ["at least one"]),
        ("entry = []", "no-entry", ["no [[entry]]"]),
        ('[entry]\ntask = "x"', "bad-key", ['"entry"', "a table", "[[entry]]"]),
        ('[[entries]]\ntask = "x"', "bad-key", ['"entries"', 'did you mean "entry"']),
        ("[[entry]]\noutputs = 'a'", "bad-key", ["Entry 1", '"task"', "missing"]),
        ('[[entry]]\ntask = "half-inpaintin"\noutputs = "a"', "unknown-task", ['"half-inpainting"?']),
        ('[submission]\nnaem = "x"\n[[entry]]\ntask = "x"', "bad-key", ['"submission.naem"', '"name"?']),
        ("[submission]\nname = 1979-05-27\n[[entry]]\ntask = 'x'", "bad-key", ["a date", '"submission.name"']),
        (entry('outputs = "a"') * 51, "too-many-entries", ["51", "50"]),
        (entry('outputs = "a"') + entry('outputs = "b"'), "equal-parts", ["1 and 2", '"part"']),
        ("#" * 70_000, "too-large", ["65536"]),
    ],
)
def test_an_error_in_the_document_is_explained(text: str | bytes, kind: str, words: list[str]) -> None:
    found = failure(text)
    assert found.kind == kind
    for word in words:
        assert word in found.message


def test_entries_of_one_model_may_differ_in_their_options() -> None:
    one, other = (
        entry(f'model = "cvae"\ncheckpoint = "a"\noptions = {{ concat_activation = "{value}" }}')
        for value in ("relu", "none")
    )
    assert [each.part for each in read(one + other).entries] == ["cvae", "cvae"]
    assert failure(one + other + one).kind == "equal-parts"


def test_parts_that_differ_in_case_alone_would_share_a_file_name() -> None:
    assert failure(entry('outputs = "a"\npart = "A"') + entry('outputs = "b"\npart = "a"')).kind == "equal-parts"


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 60_000,
        "a = " + "{b=" * 20_000,
        ".".join("a" * 30_000) + " = 1",
        "options." + ".".join("a" * 30_000) + " = 1",
        "[[entry]]\ntask = 'x'\noptions." + ".".join("a" * 20_000) + " = 1",
        "\n".join(".".join("a" * 60) + f".b{i} = 1" for i in range(500)),
        "\n".join("[" + ".".join("a" * 60) + f".b{i}]" for i in range(500)),
        "a = " + "9" * 60_000,
        "\n".join(f"a{i}=1" for i in range(8_000)),
    ],
)
def test_a_manifest_made_to_exhaust_the_reader_is_refused(text: str) -> None:
    found = failure(text)
    assert len(found.message) < 2_000


def test_escapes_and_marks_in_a_name_are_removed() -> None:
    text = '[submission]\nname = "Ga\\u001b[31muss\\u202e <b>\\nTeam"\nid = "../../é 1"\n'
    manifest = read(text + entry('outputs = "a.pt"'))
    assert manifest.name == "Gauss <b> Team"
    assert manifest.id is not None and is_id(manifest.id) and manifest.id == "e-1"
    assert len(manifest.notes) == 2


def test_a_long_name_is_cut_with_a_note() -> None:
    manifest = read(f'[submission]\nname = "{"x" * 1000}"\n' + entry('outputs = "a.pt"'))
    assert manifest.name is not None and len(manifest.name) == 200
    assert "cut" in manifest.notes[0]


def test_onnx_is_not_offered_as_a_key() -> None:
    assert "onnx" not in failure(entry('onxn = "a.onnx"')).message


PLAIN = '[submission]\nname = "Würfel"\n' + entry('outputs = "a/b.pt"')


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.replace("\n", "\r\n").encode("utf-16"),
        PLAIN.replace("\n", "\r").encode(),
    ],
)
def test_encodings_and_line_ends_of_editors(content: bytes) -> None:
    manifest = read(content)
    assert (manifest.name, manifest.entries[0].file, manifest.notes) == ("Würfel", "a/b.pt", ())


@pytest.mark.parametrize(
    ("line", "file"),
    [
        (r'outputs = "vae\best.pt"', "vae/best.pt"),
        (r'outputs = "vae\model\test.pt"', "vae/model/test.pt"),
        (r'outputs = "vae\\best.pt"', "vae/best.pt"),
        (r"outputs = 'vae\best.pt'", "vae/best.pt"),
        (r'outputs = ".\vae\\new.pt" # mine', "vae/new.pt"),
        (r'outputs = "mod\u00e8le\best.pt"', "modèle/best.pt"),
    ],
)
def test_backslashes_in_paths_are_read_as_slashes(line: str, file: str) -> None:
    manifest = read(entry(line))
    assert manifest.entries[0].file == file
    assert len(manifest.notes) == 1 and 'Write outputs = "' in manifest.notes[0]


def test_backslashes_in_a_path_of_code() -> None:
    assert read(entry(r'code = "flow\adapter.py:load"')).entries[0].code == "flow/adapter.py:load"


def test_escapes_elsewhere_stay_as_they_are() -> None:
    assert read('[submission]\nname = "a\\tb"\n' + entry('outputs = "caf\\u00e9.pt"')).entries[0].file == "café.pt"


@pytest.mark.parametrize("pair", ["“”", "””", "„“", "«»", "″″"])
def test_curly_quotes_are_read_as_straight_ones(pair: str) -> None:
    text = entry('outputs = "a.pt"').replace('"', pair[0], 1).replace('"', pair[1], 1).replace('"', pair[0], 1)
    manifest = read(text.replace('"', pair[1]))
    assert manifest.entries[0].file == "a.pt"
    assert len(manifest.notes) == 1 and "curly quotes" in manifest.notes[0] and "line 2" in manifest.notes[0]


def test_curly_quotes_inside_a_name_are_kept() -> None:
    assert read('[submission]\nname = "The “Best” Team"\n' + entry("outputs = ‘a.pt’")).name == "The “Best” Team"


def test_curly_quotes_that_leave_a_choice_are_refused_with_the_line() -> None:
    found = failure(entry('outputs = “a" b.pt”'))
    assert found.kind == "curly-quotes" and "Line 3" in found.message and 'outputs = "a" b.pt"' in found.message


@pytest.mark.parametrize("name", ["Submission.toml", "submission.toml.txt", "SUBMISSION.TOML", "submission.TOML.txt"])
def test_another_spelling_of_the_manifest_is_read_with_a_note(tmp_path: Path, name: str) -> None:
    content = team()
    hand_in = {name: content["submission.toml"], "best.pt": b"weights"}
    write(tmp_path, {"ada.zip": zipped({f"hw/{key}": value for key, value in hand_in.items()})})
    for path in (tmp_path / "ada.zip", write(tmp_path / "ada", hand_in)):
        (found,) = collect(tmp_path, path)
        assert found.failure is None and found.name == "Gauss"
        assert found.notes == (f"{name} was read as the manifest. Rename it to submission.toml.",)
    export = {f"{who}/{key}": value for who in ("ada", "bob") for key, value in hand_in.items()}
    write(tmp_path, {"class.zip": zipped(export)})
    assert [one.failure for one in collect(tmp_path, tmp_path / "class.zip")] == [None, None]


def test_two_spellings_of_the_manifest_are_refused(tmp_path: Path) -> None:
    toml = team()["submission.toml"]
    (found,) = collect(tmp_path, write(tmp_path / "ada", {"submission.toml": toml, "Submission.toml.txt": toml}))
    assert found.failure is not None and found.failure.kind == "several-manifests"
    for word in ("submission.toml", "Submission.toml.txt", "Keep the right one"):
        assert word in found.failure.message
    assert manifest_in(["a.pt"]) is None
    assert manifest_in(["submission.toml", "a.toml"]) == FoundManifest("submission.toml")


def test_a_file_whose_name_differs_in_case_is_read_and_told() -> None:
    entries = (
        Entry("t", Kind.WEIGHTS, "cvae", "cvae", "vae/best.pt"),
        Entry("t", Kind.CODE, "own", None, None, "flow/Adapter.py:load"),
        Entry("t", Kind.OUTPUTS, "out", None, "there.pt"),
        Entry("t", Kind.OUTPUTS, "gone", None, "gone.pt"),
        Entry("t", Kind.CODE, "starter", None, "EBM/best.pt", "starter:ebm"),
    )
    found, notes = matched(entries, ["VAE/Best.PT", "flow/adapter.py", "there.pt", "ebm/best.pt"], "submission.toml")
    assert [one.file for one in found] == ["VAE/Best.PT", None, "there.pt", "gone.pt", "ebm/best.pt"]
    assert [one.code for one in found] == [None, "flow/adapter.py:load", None, None, "starter:ebm"]
    assert len(notes) == 3
    for note, line in zip(
        notes,
        ['checkpoint = "VAE/Best.PT"', 'code = "flow/adapter.py:load"', 'checkpoint = "ebm/best.pt"'],
        strict=True,
    ):
        assert f"Write {line}." in note
