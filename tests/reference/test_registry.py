"""Tests of the registry of models, and of the options and recipes in each model's file."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import reference
from reference import MODELS, Architecture, architecture, trainings
from reference.options import Number, OptionError, chosen


@pytest.mark.parametrize("name", MODELS)
def test_every_name_resolves_to_an_architecture_with_the_same_summary(name):
    found = architecture(name)
    assert isinstance(found, Architecture)
    assert found.summary == MODELS[name][1]
    assert "\n" not in found.summary
    assert found.build({}).state_dict()


def test_listing_models_imports_neither_torch_nor_numpy():
    listing = "import sys, reference; print(len(reference.MODELS), {'torch', 'numpy'} & {*sys.modules})"
    root = Path(reference.__file__).parent.parent
    printed = subprocess.run(
        [sys.executable, "-c", listing], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert printed == f"{len(MODELS)} set()\n"


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(LookupError, match=r"^no model 'diffusion'; there are cvae, cgan, .*, pixelcnn$") as caught:
        architecture("diffusion")
    assert not isinstance(caught.value, KeyError)  # which would print its message in quotes


def test_the_function_is_not_replaced_by_the_module_of_its_name():
    __import__("reference.architecture")
    assert reference.architecture is architecture


def test_each_recipe_belongs_to_one_model():
    owners = Counter(recipe for name in MODELS for recipe in architecture(name).trainings)
    assert max(owners.values()) == 1
    assert set(owners) == set(trainings())
    # A recipe with another name than its model names the model.
    for name in MODELS:
        for recipe, training in architecture(name).trainings.items():
            assert getattr(training(1), "architecture", recipe) == name


def test_options_are_checked_and_completed():
    allowed = {"sign": ("minus", "plus"), "steps": Number(60, 1, 200, integer=True)}
    assert chosen({}, allowed) == {"sign": "minus", "steps": 60}
    found = chosen({"steps": "7", "sign": "plus"}, allowed)
    assert found == {"sign": "plus", "steps": 7}
    assert isinstance(found["steps"], int)


@pytest.mark.parametrize(
    ("options", "kind", "option", "said"),
    [
        ({"stops": "1"}, "unknown-option", "stops", "no option 'stops'; its options are: sign, steps"),
        ({"sign": "+"}, "option-value", "sign", "sign = '+'; allowed are minus, plus"),
        ({"steps": "1.5"}, "option-value", "steps", "steps = '1.5'; allowed is a whole number from 1 to 200"),
        ({"steps": "nan"}, "option-value", "steps", "steps = 'nan'; allowed is a whole number from 1 to 200"),
    ],
)
def test_an_option_that_is_not_allowed_is_refused_with_what_is(options, kind, option, said):
    with pytest.raises(OptionError) as caught:
        chosen(options, {"sign": ("minus", "plus"), "steps": Number(60, 1, 200, integer=True)})
    assert (caught.value.kind, caught.value.option, str(caught.value)) == (kind, option, said)
