"""The listing of models is that of their files, and a stale entry is never used."""

import json

import pytest

from reference import MODELS, architecture, listing
from reference.listing import Description, description


def test_the_listing_is_what_the_models_files_say():
    assert listing.FILE.read_text(encoding="utf-8") == listing.document(), "run: python -m reference.listing"


@pytest.mark.parametrize("name", MODELS)
def test_a_description_is_that_of_the_architecture(name):
    found = architecture(name)
    expected = Description(
        found.title,
        found.task,
        tuple(found.also),
        found.options,
        tuple(found.extended),
        found.determined,
        found.converging,
    )
    assert description(name) == expected


def test_an_entry_that_was_written_from_another_file_is_not_used(monkeypatch):
    entries = json.loads(listing.FILE.read_text(encoding="utf-8"))
    entries["cvae"]["title"] = entries["cgan"]["title"] = "another"
    entries["cvae"]["source"] = "0" * 64
    monkeypatch.setattr(listing, "_entries", lambda: entries)
    assert description("cvae").title == architecture("cvae").title
    assert description("cgan").title == "another"


def test_a_model_that_the_listing_lacks_is_imported(monkeypatch):
    monkeypatch.setattr(listing, "_entries", dict)
    assert description("ebm").options == architecture("ebm").options


def test_an_unknown_model_is_refused():
    with pytest.raises(LookupError, match="no model 'diffusion'"):
        description("diffusion")
