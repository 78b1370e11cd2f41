"""The schema of recipes knows the settings of every method by its name."""

import json

import jsonschema
import pytest
import yaml

from leaven import plugs
from leaven.study import recipe as recipes
from leaven.study.schema import schema


@pytest.fixture(scope="module")
def recipe_schema():
    return schema()


@pytest.fixture(scope="module")
def valid_recipe(recipe_schema):
    return jsonschema.Draft202012Validator(recipe_schema)


def test_every_method_has_its_settings_by_its_name(recipe_schema):
    found = recipe_schema["$defs"]
    for name in plugs.names("methods"):
        own = plugs.load("methods", name).Config.model_fields
        assert set(own) | {"name", "label", "sizes", "tests", "probes", "first_seeds"} == set(found[name]["properties"])
        assert found[name]["properties"]["name"]["const"] == name


@pytest.mark.parametrize(
    ("method", "valid"),
    [
        ("delia", True),
        ("masked", True),
        ("deliah", False),
        ("./mine.py", True),
        ({"name": "delia", "label": "ten", "sizes": [50], "ratio": 10, "diversify": False}, True),
        ({"name": "delia", "ration": 10}, False),
        ({"name": "delia", "tune": {"learning_rate": 0.001}}, True),
        ({"name": "delia", "tune": {"learningrate": 0.001}}, False),
        ({"name": "./mine.py", "anything": 1}, True),
    ],
)
def test_a_method_is_a_name_or_a_mapping_with_its_own_settings(valid_recipe, method, valid):
    assert valid_recipe.is_valid({"methods": [method]}) is valid


@pytest.mark.parametrize("path", sorted(recipes.RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_valid(valid_recipe, path):
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not [error.message for error in valid_recipe.iter_errors(values)]


def test_the_command_prints_the_schema_of_a_study_and_of_a_lift(leaven, recipe_schema):
    assert json.loads(leaven("schema").out) == recipe_schema
    lift = jsonschema.Draft202012Validator(json.loads(leaven("schema", "lift").out))
    assert lift.is_valid({"data": "d", "evolve": {"rounds": 1}, "quality": {"name": "length", "percentile": 90}})
    assert lift.is_valid({"data": "d", "reanswer": None, "dedup": "exact"})
    assert not lift.is_valid({"data": "d", "evolve": {"roundz": 1}})
    wrong = leaven("schema", "sample")
    assert wrong.code == 2 and "'lift'" in wrong.err
