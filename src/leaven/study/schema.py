"""The JSON schema of a study's recipe, with the settings of each method that has a name."""

from functools import reduce
from operator import or_
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from leaven import plugs
from leaven.delia.ablations import ABLATIONS
from leaven.study.recipe import Recipe


def schema() -> dict[str, Any]:
    """The schema: a method is a name, or a mapping of a name and the settings of that method's own `Config`."""
    names = tuple(sorted({*plugs.names("methods"), *ABLATIONS}))
    choice: Any = reduce(or_, [str, *(_mapping(name) for name in names), _of_a_file()])
    methods: Any = (tuple[choice, ...], Field((), description=Recipe.model_fields["methods"].description))
    recipe = create_model("Recipe", __base__=Recipe, methods=methods)
    whole: dict[str, Any] = recipe.model_json_schema()
    choices = whole["properties"]["methods"]["items"]["anyOf"]
    # An editor completes the names that there are; a file of one's own is named by its path.
    choices[:1] = [{"enum": list(names)}, {"type": "string", "pattern": r"\.py$"}]
    return whole


def _mapping(name: str) -> type[BaseModel]:
    """What a recipe may say of a method: its name, label and part, and its own settings."""
    plug = plugs.load("methods", ABLATIONS[name][0] if name in ABLATIONS else name)
    return create_model(name, __base__=plug.Config, **_fields(Literal[name]))


def _of_a_file() -> type[BaseModel]:
    """The same of a method in a file, whose settings are known to that file alone."""
    return create_model("file", __config__=ConfigDict(extra="allow"), **_fields(Any, pattern=r"\.py$"))


def _fields(name: Any, pattern: str | None = None) -> dict[str, Any]:
    kind = str if pattern else name
    return {
        "name": (
            kind,
            Field(pattern=pattern, description="The method (leaven ls methods), or the path of a .py file."),
        ),
        "label": (str, Field("", description="What it is called in tables, where not by its name.")),
        "sizes": (tuple[int, ...], Field((), description="Sizes of the recipe's, where not all.")),
        "tests": (tuple[str, ...] | None, Field(None, description="Tests that it is asked, where not all.")),
        "probes": (tuple[str, ...] | None, Field(None, description="Probes of the recipe's, where not all.")),
        "first_seeds": (int, Field(0, ge=0, description="Of the recipe's seeds the first so many; 0: all.")),
    }
