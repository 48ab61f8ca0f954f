"""docs/formats.md says what the code reads and writes: its generated tables, and those written by hand."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import re
import tomllib
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_of

from harness import checkpoint, records, rubric, types
from harness.intake import manifest
from harness.mnist import FILES
from harness.run.class_file import ClassFile
from harness.tasks.pixels import one_pixel, two_by_two
from tests.docs.pages import ROOT, text_of
from tests.docs.scripts import script
from tests.reports.examples import scored

PAGE = text_of("docs/formats.md")
FORMATS = script("write_formats.py")
TENSORFLOW = ROOT / "tests" / "harness" / "checkpoint" / "tensorflow"


def section(title: str) -> str:
    """The text of the page below a heading, up to the next of its rank or a higher one."""
    marks = next(marks for marks, found in re.findall(r"^(#+) (.+)$", PAGE, re.MULTILINE) if found == title)
    after = PAGE.split(f"\n{marks} {title}\n")[1]
    return re.split(rf"^#{{1,{len(marks)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def block(title: str) -> str:
    return section(title).split("```toml\n")[1].split("```")[0]


def test_the_tables_are_what_the_code_says() -> None:
    assert FORMATS.written(PAGE) == PAGE, "run: python docs/write_formats.py"


def test_a_table_without_a_place_is_told() -> None:
    with pytest.raises(ValueError, match="not one place for answers"):
        FORMATS.written(PAGE.replace("<!-- answers: begin -->", ""))


def test_the_fields_of_a_record_are_those_of_its_json(tmp_path: Path) -> None:
    record = records.save(tmp_path, scored("s1", "Ada", 0.99))
    written = json.loads(records.path_of(tmp_path, record.role, "s1", record.part).read_text())
    table = section("A record").split("####")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(written)
    for name, value in (("Metric", written["metrics"]["accuracy"]), ("Score", written["score"])):
        assert re.findall(r"^\| `(\w+)` \|", section(name), re.MULTILINE) == list(value)


def test_every_field_of_a_record_and_of_what_it_holds_is_explained() -> None:
    rows = [line for line in section("A record").splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(dataclasses.fields(each)) for each in FORMATS.RECORD)
    assert [row for row in rows if not row.split(" | ")[2].removesuffix(" |").strip()] == []
    named = {f"{each.__name__}.{field.name}" for each in FORMATS.RECORD for field in dataclasses.fields(each)}
    assert set(FORMATS.UNDOCUMENTED) <= named


def test_all_that_a_record_is_made_of_has_a_table() -> None:
    seen, waiting = set(), [types.Record]
    while waiting:
        each = waiting.pop()
        seen.add(each)
        for hint in typing.get_type_hints(each).values():
            waiting += [one for one in _parts(hint) if dataclasses.is_dataclass(one) and one not in seen]
    assert seen == set(FORMATS.RECORD)


def _parts(hint: object) -> list[type]:
    inner = typing.get_args(hint)
    return [part for one in inner for part in _parts(one)] if inner else [hint] if isinstance(hint, type) else []


def test_the_keys_of_a_manifest_are_those_that_are_read() -> None:
    table = section("submission.toml")
    entry = table.index("`[[entry]]`")
    keys = re.compile(r"^\|[^|]*\| `(\w+)` \|", re.MULTILINE)
    assert keys.findall(table[: table.rindex("\n", 0, entry)]) == list(manifest._SubmissionTable.model_fields)
    assert set(keys.findall(table[table.rindex("\n", 0, entry) + 1 :])) == set(manifest._EntryTable.model_fields)
    assert f"{manifest.LARGEST >> 10} kB" in table


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("torch-zip", lambda file: torch.save({"w": torch.ones(2)}, file)),
        ("torch-legacy", lambda file: torch.save({"w": torch.ones(2)}, file, _use_new_zipfile_serialization=False)),
        ("safetensors", lambda file: file.write(safetensors_of({"w": torch.ones(2)}))),
        ("npz", lambda file: np.savez(file, w=np.ones(2))),
        ("npy", lambda file: np.save(file, np.ones(2))),
    ],
)
def test_the_formats_of_checkpoints_are_read_under_the_names_of_the_page(name: str, content: typing.Any) -> None:
    file = io.BytesIO()
    content(file)
    assert checkpoint.read(file.getvalue(), "model.bin").format == name
    assert f"| `{name}` |" in section("Checkpoints")


def test_a_checkpoint_of_tensorflow_is_read_under_its_name() -> None:
    names = ["gru.ckpt.index", "gru.ckpt.data-00000-of-00001"]
    packed = checkpoint.pack({name: (TENSORFLOW / name).read_bytes() for name in names})
    assert checkpoint.read(packed, names[0]).format == "tensorflow"
    # No other one can be the format of a file that was read.
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "harness" / "checkpoint").glob("*.py"))
    listed = re.findall(r"^\| `([a-z-]+)` \|", section("Checkpoints"), re.MULTILINE)
    assert set(re.findall(r'Parsed\(\s*"([a-z-]+)"', sources)) == set(listed)


def test_the_keys_of_an_assignment_are_those_of_the_rubric() -> None:
    text = block("assignment.toml")
    keys = set(re.findall(r"^(\w+) = ", text, re.MULTILINE))
    known = {
        field.alias or name
        for model in (rubric.Assignment, rubric.Part, rubric.TimeStep)
        for name, field in model.model_fields.items()
    }
    assert keys | {"part", "timing", "source"} == known
    required = {
        model.__name__: {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
        for model in (rubric.Assignment, rubric.Part)
    }
    assert required == {
        "Assignment": {"name", "title", "part"},
        "Part": {"id", "title", "task", "points", "pass"},
    }


def test_the_class_file_of_the_page_is_one() -> None:
    text = block("The class file").replace('"…"', f'"{"0" * 64}"')
    assert ClassFile.model_validate(tomllib.loads(text)).assignment == "tsinghua-hw3"
    assert set(tomllib.loads(text)) == {field.alias or name for name, field in ClassFile.model_fields.items()}


def test_the_files_of_data_are_those_that_are_read() -> None:
    text = section("Data")
    assert all(f"`{name}`" in text for name in FILES)
    for task in (one_pixel.OnePixelInpainting, two_by_two.TwoByTwoInpainting):
        assert f"`{task.file}`" in text


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("str | None", "text, or null"),
        ("tuple[float, float]", "list of 2 numbers"),
        ("tuple[tuple[str, str, str], ...]", "list of lists of 3 texts"),
        ("Mapping[str, Metric]", "object of [metric](#metric)"),
        ("Literal['a', 'b']", "`a`, `b`"),
    ],
)
def test_types_are_put_into_the_words_of_json(annotation: str, said: str) -> None:
    assert FORMATS.json_type(ast.parse(annotation, mode="eval").body) == said
