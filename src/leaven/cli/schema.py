"""`leaven schema`: the JSON schema of recipes."""

import json
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


class Kind(StrEnum):
    """What has a recipe."""

    study = "study"
    lift = "lift"


@app.command(epilog="Example: leaven schema > recipe.schema.json, or leaven schema lift")
def schema(what: Annotated[Kind, typer.Argument(help="The recipe of a study, or of a lift.")] = Kind.study) -> None:
    """Print the JSON schema of recipes, for editors: every key, what it is, and its default; methods' own too."""
    if what is Kind.lift:
        from leaven.lift.settings import Settings

        keys = Settings.model_json_schema()
    else:
        from leaven.study.schema import schema as of_studies

        keys = of_studies()
    print(json.dumps(keys, indent=2))
