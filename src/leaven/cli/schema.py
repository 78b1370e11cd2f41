"""`leaven schema`: the JSON schema of recipes."""

import json

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: leaven schema > recipe.schema.json")
def schema() -> None:
    """Print the JSON schema of recipes, for editors: every key, what it is, and its default."""
    from leaven.study.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=2))
